// Shows the events of a routed conversation to a person.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "router/events.h"
#include "router/registry.h"
#include "tools/progress_bar.h"

namespace sain::tools {

/// Answers go to stdout under the name of who answers; what goes on beside them goes to stderr. Names are dim on a
/// terminal that can (NO_COLOR and TERM=dumb are honoured). No text of an event reaches the terminal but as
/// safe_text().
class ChatView {
 public:
  ChatView();

  /// Who the members are in the events that follow; must last as long.
  void use(const router::RegistrySnapshot& registry) { registry_ = &registry; }

  void on_event(const router::Event& event);

  /// A line about the program itself, on stderr; as safe_text().
  void note(std::string_view text);

 private:
  void on(const router::RouteEvent& event);
  void on(const router::PlanEvent& event);
  void on(const router::StepEvent& event);
  void on(const router::StatusEvent& event);
  void on(const router::HandoffEvent& event);
  void on(const router::TokenEvent& event);
  void on(const router::FallbackEvent& event);
  void on(const router::ForgetEvent& event);
  void on(const router::DoneEvent& event);
  void on(const router::ErrorEvent& event);
  void end_line();
  void end_talk();
  std::string dim(std::string_view text, bool on_stderr) const;
  std::string name(router::SpecialistId id) const;

  const router::RegistrySnapshot* registry_ = nullptr;
  bool dims_stdout_, dims_stderr_;
  std::vector<router::PlanEvent::Step> steps_;
  bool is_answering_ = false;  // the name has been shown
  bool is_talking_ = false;    // the assistant, while a specialist is loaded, or a member, which thinks
  bool ends_line_ = true;      // stdout stands at the start of a line
  std::unique_ptr<ProgressBar> waiting_;
};

}  // namespace sain::tools
