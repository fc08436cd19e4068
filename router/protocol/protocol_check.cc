#include "router/protocol/protocol_check.h"

#include <algorithm>
#include <array>

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
  return std::visit([this](const auto& e) { return on(e); }, event);
}

Status ProtocolCheck::on(const RouteEvent& event) {
  if (stage_ != Stage::kStart) return out_of_place("route");
  choose(event.decision.target);
  return {};
}

Status ProtocolCheck::on(const StatusEvent& event) {
  using Kind = StatusEvent::Kind;
  const std::string message = fmt::format("status {}", to_string(event.kind));
  if (event.kind == Kind::kSummarising) {  // the assistant's work, whoever answers
    if (stage_ != Stage::kReady) return out_of_place(message);
    if (event.member == kAssistant) return {};
    return wrong("status.specialist", registry_.names[0], registry_.names[index(event.member)]);
  }
  const Stage first = event.kind == Kind::kAcknowledged ? Stage::kChosen : Stage::kComing;
  const Stage last = event.kind == Kind::kTalking ? Stage::kReady : first;  // a word may be under way
  if (!is_between(first, last) || member_ == kAssistant) return out_of_place(message);
  SAIN_RETURN_IF_ERROR(check_member("status.specialist", event.member));
  if (event.kind == Kind::kLoading) {
    if (event.fraction <= fraction_ && event.fraction != 0)  // 0: the load begins again
      return wrong("status.fraction", fmt::format("more than {}", fraction_), fmt::format("{}", event.fraction));
    fraction_ = event.fraction;
  }
  if (event.kind == Kind::kAcknowledged) stage_ = Stage::kComing;
  if (event.kind == Kind::kReady) stage_ = Stage::kReady;
  return {};
}

Status ProtocolCheck::on(const HandoffEvent& event) {
  if (stage_ != Stage::kReady) return out_of_place("handoff");
  SAIN_RETURN_IF_ERROR(check_member("handoff.to", event.to));
  if (event.n_known > event.n_tokens)
    return wrong("handoff.known_tokens", fmt::format("at most {}, all that it reads", event.n_tokens),
                 fmt::format("{}", event.n_known));
  stage_ = Stage::kHandedOver;
  return {};
}

Status ProtocolCheck::on(const TokenEvent& event) {
  // An assistant that had nothing to say says so after all.
  const bool is_excuse = stage_ == Stage::kForgotten && member_ == kAssistant && !has_text_;
  if (!is_between(Stage::kReady, Stage::kAnswering) && !is_excuse) return out_of_place("token");
  SAIN_RETURN_IF_ERROR(check_member("token.by", event.by));
  if (event.text.empty() || formats::valid_utf8_prefix(event.text) != event.text.size())
    return wrong("token.text", "UTF-8 that is not empty", event.text.empty() ? "nothing" : "other bytes");
  has_text_ |= !is_blank(event.text);
  if (!is_excuse) stage_ = Stage::kAnswering;
  return {};
}

Status ProtocolCheck::on(const FallbackEvent& event) {
  if (!is_between(Stage::kComing, Stage::kForgotten) || member_ == kAssistant) return out_of_place("fallback");
  SAIN_RETURN_IF_ERROR(check_member("fallback.from", event.from));
  if (event.to == member_ || std::ranges::find(failed_, event.to) != failed_.end())
    return wrong("fallback.to", "a member that has not failed", registry_.names[index(event.to)]);
  failed_.push_back(member_);
  choose(event.to);
  return {};
}

Status ProtocolCheck::on(const ForgetEvent& event) {
  if (!is_between(Stage::kReady, Stage::kAnswering)) return out_of_place("forget");
  if (event.what == Forgetting::kNothing) return wrong("forget.kind", "what is forgotten", "nothing");
  stage_ = Stage::kForgotten;
  return {};
}

Status ProtocolCheck::on(const DoneEvent& event) {
  if (!is_between(Stage::kChosen, Stage::kForgotten)) return out_of_place("done");
  SAIN_RETURN_IF_ERROR(check_member("done.by", event.by));
  if (!has_text_ && event.finish_reason != engine::FinishReason::kCancelled)
    return wrong("done", "an answer before it", "none");
  stage_ = Stage::kOver;
  return {};
}

Status ProtocolCheck::on(const ErrorEvent&) {
  if (!is_between(Stage::kReady, Stage::kForgotten)) return out_of_place("error");
  SAIN_RETURN_IF_ERROR(check_member("error", kAssistant));
  stage_ = Stage::kOver;
  return {};
}

void ProtocolCheck::choose(SpecialistId id) {
  member_ = id;
  stage_ = id == kAssistant ? Stage::kReady : Stage::kChosen;
  fraction_ = -1;
  has_text_ = false;
}

Error ProtocolCheck::out_of_place(std::string_view message) const {
  static constexpr std::array<std::string_view, 8> kStages = {
      "before a route", "before its acknowledgement", "while it is loaded", "when it is ready", "after the hand-off",
      "in its answer",  "after what is forgotten",    "after the end"};
  const std::string whose = is_between(Stage::kChosen, Stage::kForgotten)
                                ? fmt::format("in the turn of {}, ", registry_.names[index(member_)])
                                : std::string();
  return make_error(ErrorCode::kInvalidArgument, "{} may not come {}{}", message, whose,
                    kStages[static_cast<size_t>(stage_)]);
}

Status ProtocolCheck::check_member(std::string_view field, SpecialistId found) const {
  if (found == member_) return {};
  return wrong(field, fmt::format("{}, whose turn it is", registry_.names[index(member_)]),
               registry_.names[index(found)]);
}

}  // namespace sain::router
