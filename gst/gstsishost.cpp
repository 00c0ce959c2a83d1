// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsishost.h"

#include "gstsismessage.h"

#include <algorithm>
#include <utility>
#include <vector>

GST_DEBUG_CATEGORY_STATIC (gst_sis_debug);
#define GST_CAT_DEFAULT gst_sis_debug

namespace sis {
namespace {

void
init_debug_category ()
{
  static gsize is_done = 0;
  if (g_once_init_enter (&is_done)) {
    GST_DEBUG_CATEGORY_INIT (gst_sis_debug, "sis", 0, "SIS sessions");
    g_once_init_leave (&is_done, 1);
  }
}

/* Holds the bins that an element is in. Its messages pass through them on the
 * thread that posts, and they do not hold themselves meanwhile: the application
 * may drop them once NULL is reached, for which a message that it is just being
 * told is waited for only so long. */
class Ancestors
{
public:
  explicit Ancestors (GstElement *element)
  {
    for (GstObject *parent = gst_object_get_parent (GST_OBJECT (element));
         parent != nullptr; parent = gst_object_get_parent (parent))
      held_.push_back (parent);
  }
  ~Ancestors ()
  {
    for (GstObject *parent : held_)
      gst_object_unref (parent);
  }
  Ancestors (const Ancestors &) = delete;
  Ancestors &operator= (const Ancestors &) = delete;

private:
  std::vector<GstObject *> held_;
};

/* Carries the session's words to the element as long as that lives. */
class ElementListener final : public Listener
{
public:
  ElementListener (GstElement *element, SessionHost::Observer observer,
                   bool plays_on)
      : observer_ (std::move (observer)), plays_on_ (plays_on)
  {
    g_weak_ref_init (&element_, element);
  }
  ~ElementListener () override { g_weak_ref_clear (&element_); }
  ElementListener (const ElementListener &) = delete;
  ElementListener &operator= (const ElementListener &) = delete;

  void on_event (const Event &event) override
  {
    g_autoptr (GstElement) element = get ();
    if (element == nullptr)
      return;
    const Ancestors ancestors (element);
    /* Before the message, from within which the application may go on to a
     * session of another run. */
    if (observer_)
      observer_ (event);
    const auto *failure = std::get_if<Failure> (&event);
    if (failure != nullptr && plays_on_)
      gst_sis_post_failure (element, GST_MESSAGE_WARNING, *failure);
    else
      gst_sis_post_event (element, event);
  }

  void on_log (const std::string &line) override
  {
    g_autoptr (GstElement) element = get ();
    if (element != nullptr)
      GST_DEBUG_OBJECT (element, "%s", line.c_str ());
  }

private:
  GstElement *get ()
  {
    return static_cast<GstElement *> (g_weak_ref_get (&element_));
  }

  const SessionHost::Observer observer_;
  const bool plays_on_;
  GWeakRef element_;
};

} // namespace

bool
SessionHost::set_property (guint id, const GValue &value, const char *name)
{
  const std::lock_guard writer (writers_);
  Settings before;
  Tunables tunables;
  std::shared_ptr<Session> session;
  {
    auto common = common_.lock ();
    if (!sis::set_property (common->settings, id, value))
      return false;
    if (common->session == nullptr || !is_for_next_session (id))
      return true;
    before = common->active;
    tunables = common->tunables;
    session = common->session;
  }
  Settings active = before;
  sis::set_property (active, id, value);
  /* Of settings that belong together, such as those of a key, all but the last
   * may be wrong while they are being set. */
  const std::string problem = update_tunables (active, tunables);
  if (!problem.empty ())
    GST_WARNING_OBJECT (element_, "%s was set; without effect so far: %s", name,
                        problem.c_str ());
  {
    auto common = common_.lock ();
    common->active = active;
    common->tunables = tunables;
  }
  session->tune (tunables);
  const auto known = useless_settings (before);
  for (const std::string &useless : useless_settings (active))
    if (std::ranges::find (known, useless) == known.end ())
      session->warn ({ .kind = FailureKind::Settings, .text = useless });
  return true;
}

bool
SessionHost::get_property (guint id, GValue *value)
{
  return sis::get_property (common_.lock ()->settings, id, value);
}

std::shared_ptr<Session>
SessionHost::open (bool plays_on)
{
  init_debug_category ();
  Settings settings = common_.lock ()->settings;
  if (plays_on)
    settings.on_error = OnError::Discard;
  auto made = make_config (settings);
  if (const auto *failure = std::get_if<Failure> (&made)) {
    gst_sis_post_failure (element_, GST_MESSAGE_ERROR, *failure);
    return nullptr;
  }
  auto &config = std::get<Config> (made);
  config.tells_progress = observer_ != nullptr;
  for (const std::string &useless : useless_settings (settings))
    gst_sis_post_failure (
        element_, GST_MESSAGE_WARNING,
        Failure{ .kind = FailureKind::Settings, .text = useless });

  auto session = std::make_shared<Session> (
      config,
      std::make_shared<ElementListener> (element_, observer_, plays_on));
  auto common = common_.lock ();
  common->active = settings;
  common->tunables = config.tunables;
  common->session = session;
  return session;
}

void
SessionHost::close ()
{
  const auto session = this->session ();
  if (session == nullptr)
    return;
  session->close ();
  Stats last = session->stats ();
  last.state = Stats{}.state;
  auto common = common_.lock ();
  common->session = nullptr;
  common->last = last;
}

std::shared_ptr<Session>
SessionHost::session ()
{
  return common_.lock ()->session;
}

Settings
SessionHost::settings ()
{
  auto common = common_.lock ();
  return common->session != nullptr ? common->active : common->settings;
}

void
SessionHost::add_stats (GstStructure *structure)
{
  std::shared_ptr<Session> session;
  Stats stats;
  {
    auto common = common_.lock ();
    session = common->session;
    stats = common->last;
  }
  gst_sis_add_stats (structure, session != nullptr ? session->stats () : stats);
}

} // namespace sis
