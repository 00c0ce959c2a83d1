// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/session.h"

#include "sis/sessioncore.h"

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
Session::set_start (const StartConfig &start)
{
  core_->shared.lock ()->start = start;
}

void
Session::set_auth_token (const Secret &token)
{
  core_->shared.lock ()->auth_token = token;
}

void
Session::anchor (const Anchor &anchor)
{
  core_->shared.lock ()->timeline.add (anchor);
}

Session::Answer
Session::offer (AudioBlock &block)
{
  const std::size_t sample = block.format.sample_bytes ();
  auto shared = core_->shared.lock ();
  const auto is_stopped = [&shared] {
    return shared->interrupted || shared->paused || shared->flushing
           || shared->failed || shared->closed;
  };
  while (true) {
    if (shared->failed || shared->closed)
      return Answer::Closed;
    if (is_stopped ())
      return Answer::Interrupted;
    const std::size_t taken
        = shared->store.append (block.format, block.first, block.bytes);
    block.bytes = block.bytes.subspan (taken);
    block.first += Position (taken / sample);
    if (taken > 0)
      shared->last_audio = std::chrono::steady_clock::now ();
    if (taken > 0 && shared->store.ready_format ())
      core_->wake ();
    if (block.bytes.size () < sample)
      return Answer::Accepted;
    shared->waiting_for_room = true;
    shared.wait (core_->changed,
                 [&] { return is_stopped () || shared->store.has_room (); });
    shared->waiting_for_room = false;
  }
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
  return Answer::Closed;
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
  if (!core_->is_on_loop ())
    shared.wait_for (core_->changed, delivery_limit,
                     [&shared] { return !shared->delivering; });
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
  if (!core_->is_on_loop ())
    shared.wait_for (core_->changed, delivery_limit, [&shared] {
      return shared->shut_down && !shared->delivering;
    });
}

} // namespace sis
