// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "audio.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sistest {

/* Times are on the session's audio clock: 0 is the first sample, silence
 * counts. */
struct Word
{
  std::string text;
  Milliseconds start{}, end{};
};

struct Segment
{
  Milliseconds start{}, end{};
  bool is_final = true;
  std::string text;
  double score = 0.0;
  std::vector<Word> words;
  bool failed = false; /* sent without a `result` */
};

/* What START asked for, in a recogniser's terms. */
struct Listening
{
  int rate = 16000;
  bool interims = false;
  Milliseconds vad_tail{ 500 };
  Milliseconds max_sentence{ 30000 };
};

/* What a recogniser has to say about the audio so far, in order. */
struct Findings
{
  bool speech = false; /* speech began */
  std::vector<Segment> segments;
};

/* One session's ear. It knows sentences; what the service's modes make of them
 * is the session's business. Calls come one after the other, from one thread
 * or several. */
class Recognizer
{
public:
  virtual ~Recognizer () = default;
  virtual void feed (std::span<const std::int16_t> samples, Findings &findings)
      = 0;
  /* No audio follows: what remains is a sentence too. */
  virtual void finish (Findings &findings) = 0;
};

struct RecognizerKind
{
  std::function<std::unique_ptr<Recognizer> (const Listening &)> make;
  bool slow = false; /* runs on a worker, not on the server's own thread */
};

/* All audio is cut into sentences of 2 s with the text "sentence N",
 * N = start / 2 s, the last one as long as it is. Interims each 500 ms. */
RecognizerKind sentence_recognizer ();

/* For audio in which each sample's value is the index of its 10 ms block,
 * modulo 32768. The content alone decides: the word "w123" is blocks 1230 to
 * 1239, and a sentence ends before each word whose index is a multiple of
 * `words_per_sentence`. The same audio gives the same words, however it is
 * dealt out among sessions:
 *
 * - A word is reported by the session that hears its END, more precisely more
 *   than half of its last block, in the sentence that goes on there. Audio cut
 *   anywhere thus gives each word once, and silence (zeros) gives none.
 * - Its times are those of what was heard: a word cut at the session's start,
 *   or with a hole in it, is shorter than 100 ms.
 * - A sentence without a word is not reported.
 *
 * Interims each 500 ms of a sentence. Exact for PCM only. */
RecognizerKind index_recognizer (int words_per_sentence = 10);

/* Hears nothing. For results that come from a behaviour's actions alone. */
RecognizerKind silent_recognizer ();

/* English, with PocketSphinx and its en-us model. Decoders are kept and used
 * again by later sessions. Without `make`, and with a reason, where the library
 * or the model is missing. */
RecognizerKind pocketsphinx_recognizer (std::string &reason);

} // namespace sistest
