#include "router/protocol/protocol_check.h"

#include <algorithm>
#include <array>
#include <utility>

#include "formats/utf8.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

Error wrong(std::string_view field, std::string_view expected, std::string_view found) {
  return make_error(ErrorCode::kInvalidArgument, "{}: expected {}, found {}", field, expected, found);
}

}  // namespace

Status ProtocolCheck::check_next(const Event& event) {
  Status status = std::visit([this](const auto& e) { return on(e); }, event);
  if (status) ++n_messages_;
  return status;
}

Status ProtocolCheck::on(const RouteEvent& event) {
  if (stage_ != Stage::kStart) return out_of_place("route");
  choose(event.decision.target);
  is_draft_ = member_ == kAssistant && event.decision.cause == RouteCause::kBelowThreshold;
  return {};
}

Status ProtocolCheck::on(const PlanEvent& event) {
  if (n_messages_ != 1) return out_of_place("plan");
  if (event.steps.size() < 2) return wrong("plan.steps", "two at least", fmt::format("{}", event.steps.size()));
  for (const PlanEvent::Step& step : event.steps) steps_.push_back(step.target);
  stage_ = Stage::kPlanned;
  is_draft_ = false;
  return {};
}

Status ProtocolCheck::on(const StepEvent& event) {
  const bool has_answer = has_text_ && is_between(Stage::kAnswering, Stage::kForgotten);
  if (steps_.empty() || is_synthesis() || !(stage_ == Stage::kPlanned || has_answer)) return out_of_place("step");
  if (event.index != n_begun_) return wrong("step.index", fmt::format("{}", n_begun_), fmt::format("{}", event.index));
  answered_by_ = member_;
  was_local_ = is_local_;
  choose(n_begun_ < steps_.size() ? steps_[n_begun_] : kAssistant);
  failed_.clear();
  ++n_begun_;
  return {};
}

Status ProtocolCheck::on(const StatusEvent& event) {
  using Kind = StatusEvent::Kind;
  const std::string message = fmt::format("status {}", to_string(event.kind));
  if (event.kind == Kind::kSummarising) {  // the assistant's work, whoever answers
    if (!is_prepared()) return out_of_place(message);
    if (event.member == kAssistant) return {};
    return wrong("status.specialist", registry_.names[0], registry_.names[index(event.member)]);
  }
  if (event.kind == Kind::kThinking) {
    if (!is_prepared() && stage_ != Stage::kHandedOver) return out_of_place(message);
    SAIN_RETURN_IF_ERROR(check_member("status.specialist", event.member, member_));
    stage_ = Stage::kHandedOver;
    return {};
  }
  const Stage first = event.kind == Kind::kAcknowledged ? Stage::kChosen : Stage::kComing;
  const Stage last = event.kind == Kind::kTalking ? Stage::kReady : first;  // a word may be under way
  if (!is_between(first, last) || member_ == kAssistant) return out_of_place(message);
  SAIN_RETURN_IF_ERROR(check_member("status.specialist", event.member, member_));
  if (event.kind == Kind::kLoading) {
    if (event.fraction <= fraction_ && event.fraction != 0)  // 0: the load begins again
      return wrong("status.fraction", fmt::format("more than {}", fraction_), fmt::format("{}", event.fraction));
    fraction_ = event.fraction;
  }
  if (event.kind == Kind::kAcknowledged) stage_ = Stage::kComing;
  if (event.kind == Kind::kReady) {
    stage_ = Stage::kReady;
    is_local_ = true;
  }
  return {};
}

Status ProtocolCheck::on(const HandoffEvent& event) {
  if (!is_prepared()) return out_of_place("handoff");
  SAIN_RETURN_IF_ERROR(check_member("handoff.to", event.to, member_));
  if (event.n_known > event.n_tokens)
    return wrong("handoff.known_tokens", fmt::format("at most {}, all that it reads", event.n_tokens),
                 fmt::format("{}", event.n_known));
  stage_ = Stage::kHandedOver;
  return {};
}

Status ProtocolCheck::on(const TokenEvent& event) {
  // An assistant that had nothing to say says so after all.
  const bool is_excuse = stage_ == Stage::kForgotten && member_ == kAssistant && !has_text_;
  if (!is_prepared() && !is_between(Stage::kHandedOver, Stage::kAnswering) && !is_excuse) return out_of_place("token");
  SAIN_RETURN_IF_ERROR(check_member("token.by", event.by, member_));
  if (event.text.empty() || formats::valid_utf8_prefix(event.text) != event.text.size())
    return wrong("token.text", "UTF-8 that is not empty", event.text.empty() ? "nothing" : "other bytes");
  has_text_ |= !is_blank(event.text);
  if (!is_excuse) stage_ = Stage::kAnswering;
  return {};
}

Status ProtocolCheck::on(const FallbackEvent& event) {
  const bool may_fail = member_ != kAssistant || is_draft_;
  if (!is_between(Stage::kComing, Stage::kForgotten) || !may_fail) return out_of_place("fallback");
  SAIN_RETURN_IF_ERROR(check_member("fallback.from", event.from, member_));
  if (event.to == member_ || std::ranges::find(failed_, event.to) != failed_.end())
    return wrong("fallback.to", "a member that has not failed", registry_.names[index(event.to)]);
  if (!std::exchange(is_draft_, false)) failed_.push_back(member_);
  choose(event.to);
  return {};
}

Status ProtocolCheck::on(const ForgetEvent& event) {
  if (!is_prepared() && !is_between(Stage::kHandedOver, Stage::kAnswering)) return out_of_place("forget");
  if (event.what == Forgetting::kNothing) return wrong("forget.kind", "what is forgotten", "nothing");
  stage_ = Stage::kForgotten;
  return {};
}

Status ProtocolCheck::on(const DoneEvent& event) {
  if (!is_between(Stage::kChosen, Stage::kForgotten)) return out_of_place("done");
  const bool is_cancelled = event.finish_reason == engine::FinishReason::kCancelled;
  if (n_begun_ < steps_.size() && !is_cancelled)
    return wrong("done", fmt::format("{} steps before it", steps_.size()), fmt::format("{}", n_begun_));
  SAIN_RETURN_IF_ERROR(check_member("done.by", event.by, is_synthesis() ? answered_by_ : member_));
  if (!is_synthesis() && !has_text_ && !is_cancelled) return wrong("done", "an answer before it", "none");
  const bool is_local = is_synthesis() ? was_local_ : is_local_;
  if (event.is_local != is_local && (has_text_ || is_synthesis()))
    return wrong("done.place", is_local ? "local" : "cloud", event.is_local ? "local" : "cloud");
  stage_ = Stage::kOver;
  return {};
}

Status ProtocolCheck::on(const ErrorEvent&) {
  if (!is_between(Stage::kReady, Stage::kForgotten) || is_synthesis()) return out_of_place("error");
  SAIN_RETURN_IF_ERROR(check_member("error", kAssistant, member_));
  stage_ = Stage::kOver;
  return {};
}

void ProtocolCheck::choose(SpecialistId id) {
  member_ = id;
  stage_ = id == kAssistant ? Stage::kReady : Stage::kChosen;
  fraction_ = -1;
  is_local_ = id == kAssistant;
  has_text_ = false;
}

Error ProtocolCheck::out_of_place(std::string_view message) const {
  static constexpr std::array<std::string_view, 9> kStages = {
      "before a route",     "before the first step",   "before its acknowledgement",
      "while it is loaded", "when it is ready",        "after the hand-off",
      "in its answer",      "after what is forgotten", "after the end"};
  const std::string whose = is_between(Stage::kChosen, Stage::kForgotten)
                                ? fmt::format("in the turn of {}, ", registry_.names[index(member_)])
                                : std::string();
  return make_error(ErrorCode::kInvalidArgument, "{} may not come {}{}", message, whose,
                    kStages[static_cast<size_t>(stage_)]);
}

Status ProtocolCheck::check_member(std::string_view field, SpecialistId found, SpecialistId expected) const {
  if (found == expected) return {};
  return wrong(field, fmt::format("{}, whose turn it is", registry_.names[index(expected)]),
               registry_.names[index(found)]);
}

}  // namespace sain::router
