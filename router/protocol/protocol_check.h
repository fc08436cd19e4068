// Which message of the handoff protocol may follow which: the state machine of README.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/events.h"
#include "router/registry.h"

namespace sain::router {

/// One request, from behind its request message to its end. Used by one thread at a time; the registry must outlive it.
class ProtocolCheck {
 public:
  explicit ProtocolCheck(const RegistrySnapshot& registry) : registry_(registry) {}

  /// Takes one more message. Errors: kInvalidArgument for one that may not come now, or that speaks of another member
  /// than the one whose turn it is; then the state is as before.
  Status check_next(const Event& event);

  /// Done or error has come.
  bool is_over() const { return stage_ == Stage::kOver; }

 private:
  /// Of the member whose turn it is; a fallback, or a step of a plan, begins with another one at kChosen.
  enum class Stage {
    kStart,    // no member is chosen
    kPlanned,  // the first step has not begun
    kChosen,   // a specialist, of which nothing was said yet
    kComing,   // it was acknowledged; one in the cloud is not loaded, and answers from here
    kReady,    // it is in memory; the assistant always is
    kHandedOver,
    kAnswering,
    kForgotten,
    kOver,
  };

  Status on(const RouteEvent& event);
  Status on(const PlanEvent& event);
  Status on(const StepEvent& event);
  Status on(const StatusEvent& event);
  Status on(const HandoffEvent& event);
  Status on(const TokenEvent& event);
  Status on(const FallbackEvent& event);
  Status on(const ForgetEvent& event);
  Status on(const DoneEvent& event);
  Status on(const ErrorEvent& event);

  void choose(SpecialistId id);
  bool is_prepared() const { return stage_ == Stage::kReady || (stage_ == Stage::kComing && fraction_ < 0); }
  bool is_synthesis() const { return n_begun_ > steps_.size(); }  // behind the steps of a plan
  bool is_between(Stage first, Stage last) const { return stage_ >= first && stage_ <= last; }
  Error out_of_place(std::string_view message) const;
  Status check_member(std::string_view field, SpecialistId found, SpecialistId expected) const;

  const RegistrySnapshot& registry_;
  Stage stage_ = Stage::kStart;
  SpecialistId member_ = kAssistant;  // whose turn it is
  double fraction_ = -1;              // of its load, so far; less than 0: nothing of one
  bool is_local_ = true;              // it is in memory
  bool has_text_ = false;             // it has said more than spaces
  std::vector<SpecialistId> failed_;  // in this step
  bool is_draft_ = false;             // what the assistant says, who may still leave it to a specialist
  size_t n_messages_ = 0;

  std::vector<SpecialistId> steps_;        // of the plan, if there is one
  size_t n_begun_ = 0;                     // of them
  SpecialistId answered_by_ = kAssistant;  // the last step, once the assistant brings it all together
  bool was_local_ = true;
};

}  // namespace sain::router
