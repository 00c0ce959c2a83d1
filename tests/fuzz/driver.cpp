// SPDX-License-Identifier: LGPL-2.1-or-later
/* Runs a target without libFuzzer: on each seed, and on so many changed ones.
 *
 *   fuzz_TARGET [--runs=N] [--seed=N] [--dict=FILE] [SEED…]
 *
 * SEED is a file or a folder of files. SIS_CHECK_SCALE divides N, and nothing
 * else does. The same arguments give the same run. An input that makes the
 * target abort is left in the file fuzz_TARGET.crash; given as the one SEED,
 * with --runs=0, it does so again. */
#include "fuzz.h"

#include "../check/scale.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t max_length = 4096;

/* For the handler of a crash. */
std::string crash_file;
std::string input;
long run = 0;

void
on_crash (int signal)
{
  const int file
      = open (crash_file.c_str (), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && write (file, input.data (), input.size ()) >= 0)
    close (file);
  std::fprintf (stderr, "run %ld failed; its input is in %s\n", run,
                crash_file.c_str ());
  std::signal (signal, SIG_DFL);
  std::raise (signal);
}

struct Arguments
{
  long runs = 0;
  unsigned long seed = 1;
  std::string dictionary;
  std::vector<std::filesystem::path> seeds;
};

/* None stays none. */
long
scaled_runs (long runs)
{
  return runs > 0 ? sischeck::scaled (runs) : 0;
}

Arguments
read_arguments (int argc, char **argv)
{
  Arguments arguments;
  for (int i = 1; i < argc; i++) {
    const std::string text = argv[i];
    const std::string value = text.substr (text.find ('=') + 1);
    if (text.starts_with ("--runs="))
      arguments.runs = scaled_runs (std::atol (value.c_str ()));
    else if (text.starts_with ("--seed="))
      arguments.seed = std::strtoul (value.c_str (), nullptr, 10);
    else if (text.starts_with ("--dict="))
      arguments.dictionary = value;
    else
      arguments.seeds.emplace_back (text);
  }
  return arguments;
}

std::string
read_file (const std::filesystem::path &path)
{
  std::ifstream file (path, std::ios::binary);
  if (!file) {
    std::fprintf (stderr, "cannot read %s\n", path.c_str ());
    std::exit (2);
  }
  return { std::istreambuf_iterator<char> (file), {} };
}

/* Sorted, as folders list them in any order. */
std::vector<std::string>
read_seeds (const std::vector<std::filesystem::path> &paths)
{
  std::vector<std::filesystem::path> files;
  for (const auto &path : paths)
    if (std::filesystem::is_directory (path))
      for (const auto &entry : std::filesystem::directory_iterator (path))
        files.push_back (entry.path ());
    else
      files.push_back (path);
  std::ranges::sort (files);
  std::vector<std::string> seeds;
  for (const auto &file : files)
    seeds.push_back (read_file (file));
  return seeds;
}

/* "a\\b\x0a" as in libFuzzer's files of words. */
std::string
unquoted (const std::string &line)
{
  std::string word;
  const std::size_t begin = line.find ('"') + 1;
  const std::size_t end = line.rfind ('"');
  for (std::size_t i = begin; i < end; i++)
    if (line[i] == '\\' && line[i + 1] == 'x') {
      word += char (std::stoi (line.substr (i + 2, 2), nullptr, 16));
      i += 3;
    } else {
      i += line[i] == '\\';
      word += line[i];
    }
  return word;
}

std::vector<std::string>
read_dictionary (const std::string &path)
{
  std::vector<std::string> words;
  if (path.empty ())
    return words;
  std::ifstream file (path);
  for (std::string line; std::getline (file, line);)
    if (!line.starts_with ('#') && line.find ('"') != std::string::npos)
      words.push_back (unquoted (line));
  return words;
}

class Mutator
{
public:
  Mutator (unsigned long seed, std::vector<std::string> seeds,
           std::vector<std::string> words)
      : random_ (seed), seeds_ (std::move (seeds)), words_ (std::move (words))
  {
  }

  std::string next ()
  {
    std::string text = any (0, 7) == 0 || seeds_.empty ()
                           ? noise (any (0, 1024))
                           : seeds_[any (0, seeds_.size () - 1)];
    for (std::size_t i = any (0, 8); i > 0; i--)
      change (text);
    if (text.size () > max_length)
      text.resize (any (1, max_length));
    return text;
  }

private:
  std::size_t any (std::size_t from, std::size_t to)
  {
    return from + random_ () % (to - from + 1);
  }

  std::string noise (std::size_t size)
  {
    std::string text (size, '\0');
    for (char &c : text)
      c = char (random_ ());
    return text;
  }

  /* A part of it. */
  std::string some_of (const std::string &text)
  {
    const std::size_t at = any (0, text.size ());
    return text.substr (at, any (0, std::min<std::size_t> (64, text.size ())));
  }

  void change (std::string &text)
  {
    const std::size_t at = any (0, text.size ());
    switch (any (0, 6)) {
    case 0:
      if (at < text.size ())
        text[at] = char (text[at] ^ (1 << any (0, 7)));
      break;
    case 1:
      if (at < text.size ())
        text[at] = char (random_ ());
      break;
    case 2:
      text.erase (at, any (0, 16));
      break;
    case 3:
      text.insert (at, noise (any (1, 8)));
      break;
    case 4:
      text.insert (at, some_of (text));
      break;
    case 5:
      if (!words_.empty ())
        text.insert (at, words_[any (0, words_.size () - 1)]);
      break;
    default:
      if (!seeds_.empty ())
        text.insert (at, some_of (seeds_[any (0, seeds_.size () - 1)]));
      break;
    }
  }

  std::mt19937_64 random_;
  const std::vector<std::string> seeds_, words_;
};

void
execute ()
{
  /* A copy that ends where its memory ends: sanitizers see a step beyond. */
  const std::vector<std::uint8_t> bytes (input.begin (), input.end ());
  LLVMFuzzerTestOneInput (bytes.data (), bytes.size ());
  run++;
}

} // namespace

int
main (int argc, char **argv)
{
  const Arguments arguments = read_arguments (argc, argv);
  const std::string name = std::filesystem::path (argv[0]).filename ();
  crash_file = name + ".crash";
  for (const int signal : { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL })
    std::signal (signal, on_crash);

  const std::vector<std::string> seeds = read_seeds (arguments.seeds);
  for (const std::string &seed : seeds) {
    input = seed;
    execute ();
  }
  Mutator mutator (arguments.seed, seeds,
                   read_dictionary (arguments.dictionary));
  for (long i = 0; i < arguments.runs; i++) {
    input = mutator.next ();
    execute ();
  }
  std::printf ("%s: %ld runs from seed %lu, scaled by 1/%d\n", name.c_str (),
               run, arguments.seed, sischeck::stride ());
  return 0;
}
