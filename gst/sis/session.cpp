// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/session.h"

#include "sis/sessioncore.h"

#include <utility>

namespace sis {
namespace {

/* For a listener that blocks although it must not. */
constexpr std::chrono::milliseconds delivery_limit{ 250 };

} // namespace

Session::Session (const Config &config, std::shared_ptr<Listener> listener)
    : core_ (std::make_shared<SessionCore> (config, std::move (listener)))
{
}

Session::~Session ()
{
  close ();
}

void
Session::tune (const Tunables &tunables)
{
  core_->shared.lock ()->tunables = tunables;
  core_->wake ();
}

void
Session::restart ()
{
  core_->shared.lock ()->restart = true;
  core_->wake ();
}

Stats
Session::stats () const
{
  auto shared = core_->shared.lock ();
  Stats stats = shared->stats;
  stats.rate = core_->config ().rate;
  stats.audio = shared->store.account ();
  return stats;
}

void
Session::set_live (bool is_live)
{
  core_->shared.lock ()->is_live = is_live;
}

void
Session::discard (Nanoseconds length)
{
  core_->shared.lock ()->store.refuse (
      time_to_samples (length, core_->config ().rate));
}

/* The rest of a block is dropped. */
static void
refuse (Shared &shared, AudioBlock &block)
{
  const auto samples
      = Position (block.bytes.size () / block.format.sample_bytes ());
  shared.store.refuse (samples, block.kind);
  block.first += samples;
  block.bytes = {};
}

static void
note_overflow (Shared &shared, Stretch gone)
{
  if (gone.samples == 0)
    return;
  if (shared.overflow.samples == 0) {
    shared.overflow.first = gone.first;
    shared.overflow_times = shared.timeline.at (gone.first);
  }
  shared.overflow.samples += gone.samples;
  shared.last_overflow = Clock::now ();
  shared.timeline.forget_between (gone.first, gone.first + gone.samples);
}

static Leaky
leaky_now (const Config &config, const Shared &shared)
{
  if (config.leaky != Leaky::Auto)
    return config.leaky;
  return shared.is_live ? Leaky::Downstream : Leaky::No;
}

/* The store is full: true if audio was dropped, and there is room or nothing
 * left to store. */
static bool
leak (Leaky leaky, Shared &shared, AudioBlock &block)
{
  const auto samples
      = Position (block.bytes.size () / block.format.sample_bytes ());
  switch (leaky) {
  case Leaky::Upstream:
    note_overflow (shared, { block.first, samples });
    refuse (shared, block);
    return true;
  case Leaky::Downstream:
    note_overflow (shared, shared.store.make_room (samples));
    return true;
  case Leaky::Auto:
  case Leaky::No:
    break;
  }
  return false;
}

/* Stores what there is room for. */
static void
store (Shared &shared, AudioBlock &block)
{
  const std::size_t taken = shared.store.append (block.format, block.first,
                                                 block.bytes, block.kind);
  block.bytes = block.bytes.subspan (taken);
  block.first += Position (taken / block.format.sample_bytes ());
  shared.last_audio = Clock::now ();
}

/* For what the loop has to do first. */
template <typename Predicate>
static void
wait_for_loop (SessionCore &core, Guarded<Shared>::Access &shared,
               Predicate predicate)
{
  if (core.is_on_loop ())
    return;
  shared.wait_until (core.changed, Clock::now () + delivery_limit, predicate);
}

Session::Answer
Session::offer (AudioBlock &block)
{
  const std::size_t sample = block.format.sample_bytes ();
  auto shared = core_->shared.lock ();
  if (block.anchor)
    shared->timeline.add (*std::exchange (block.anchor, std::nullopt));
  const auto is_stopped = [&shared] {
    return shared->interrupted || shared->paused || shared->flushing
           || shared->failed || shared->closed;
  };
  while (block.bytes.size () >= sample) {
    const bool was_overflowing = shared->overflow.samples > 0;
    if (shared->failed && !shared->closed
        && core_->config ().discards_after_error)
      refuse (*shared, block);
    else if (shared->failed || shared->closed)
      return Answer::Closed;
    else if (is_stopped ())
      return Answer::Interrupted;
    else if (shared->store.has_room ())
      store (*shared, block);
    else if (!leak (leaky_now (core_->config (), *shared), *shared, block)) {
      shared->waiting_for_room = true;
      shared.wait (core_->changed,
                   [&] { return is_stopped () || shared->store.has_room (); });
      shared->waiting_for_room = false;
    }
    const bool has_audio = shared->wants_audio && shared->store.ready_format ();
    if (has_audio)
      shared->wants_audio = false;
    if (has_audio || (shared->overflow.samples > 0 && !was_overflowing))
      core_->wake ();
  }
  return Answer::Accepted;
}

void
Session::hold (bool held)
{
  auto shared = core_->shared.lock ();
  shared->held = held;
  if (!held)
    shared->released = Clock::now ();
}

void
Session::break_off ()
{
  core_->shared.lock ()->store.break_off ();
  core_->wake ();
}

Session::Answer
Session::drain ()
{
  auto shared = core_->shared.lock ();
  shared->store.seal ();
  shared->eos = true;
  shared->draining = true;
  core_->wake ();
  shared.wait (core_->changed, [&shared] {
    return shared->drained || shared->interrupted || shared->paused
           || shared->flushing || shared->failed || shared->closed;
  });
  shared->draining = false;
  core_->wake ();
  if (shared->failed && !shared->closed
      && core_->config ().discards_after_error)
    return Answer::Accepted;
  if (shared->failed || shared->closed)
    return Answer::Closed;
  return shared->drained ? Answer::Accepted : Answer::Interrupted;
}

void
Session::warn (const Failure &failure)
{
  core_->warn (failure);
}

Session::Answer
Session::fail (const Failure &failure)
{
  core_->fail (failure);
  auto shared = core_->shared.lock ();
  shared.wait (core_->changed, [&shared] {
    return shared->failed || shared->interrupted || shared->paused
           || shared->flushing || shared->closed;
  });
  return core_->config ().discards_after_error && !shared->closed
             ? Answer::Accepted
             : Answer::Closed;
}

void
Session::interrupt (bool interrupted)
{
  core_->shared.lock ()->interrupted = interrupted;
  core_->changed.notify_all ();
}

void
Session::pause (bool paused)
{
  core_->shared.lock ()->paused = paused;
  core_->changed.notify_all ();
}

bool
Session::is_paused () const
{
  return core_->shared.lock ()->paused;
}

void
Session::flush_start ()
{
  {
    auto shared = core_->shared.lock ();
    shared->flushing = true;
    shared->generation++;
    shared->overflow = {};
    shared->store.clear ();
  }
  core_->wake ();
  core_->changed.notify_all ();
}

void
Session::flush_stop ()
{
  auto shared = core_->shared.lock ();
  /* A buffer that was being converted at flush_start () came in since. */
  shared->store.clear ();
  shared->timeline.clear ();
  shared->eos = false;
  shared->drained = false;
  shared->flushing = false;
  wait_for_loop (*core_, shared, [&shared] { return !shared->delivering; });
}

void
Session::close ()
{
  auto shared = core_->shared.lock ();
  if (shared->closed)
    return;
  shared->closed = true;
  shared->store.clear ();
  core_->shut_down ();
  core_->changed.notify_all ();
  wait_for_loop (*core_, shared, [&shared] {
    return shared->shut_down && !shared->delivering;
  });
}

} // namespace sis
