// R14: every message there and back, and what is refused.
#include "router/protocol/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/router/protocol/sample_messages.h"

namespace sain::router {
namespace {

using nlohmann::ordered_json;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ProtocolMessage, EveryEventIsReadBack) {
  for (const Event& event : sample_events()) {
    const ordered_json json = to_json(event, sample_registry());
    const auto again = parse_event(ordered_json::parse(to_line(json)), sample_registry());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->index(), event.index());
    EXPECT_EQ(to_json(*again, sample_registry()), json);
  }
}

RouteDecision with_cause(RouteCause cause) {
  RouteDecision decision;
  decision.cause = cause;
  return decision;
}

TEST(ProtocolMessage, EveryNameIsReadBack) {
  const auto is_read_back = [](const Event& event) {
    const ordered_json json = to_json(event, sample_registry());
    const auto again = parse_event(json, sample_registry());
    return again && to_json(*again, sample_registry()) == json;
  };
  for (int i = 0; i <= static_cast<int>(RouteCause::kUnclassified); ++i)
    EXPECT_TRUE(is_read_back(RouteEvent{with_cause(RouteCause(i))})) << i;
  for (int i = 0; i <= static_cast<int>(StatusEvent::Kind::kThinking); ++i)
    EXPECT_TRUE(is_read_back(StatusEvent{StatusEvent::Kind(i), kAssistant, 0, "text"})) << i;
  for (int i = 0; i <= static_cast<int>(Forgetting::kDropped); ++i)
    EXPECT_TRUE(is_read_back(ForgetEvent{Forgetting(i), {}})) << i;
  for (int i = 0; i <= static_cast<int>(engine::FinishReason::kCancelled); ++i)
    EXPECT_TRUE(is_read_back(DoneEvent{kAssistant, false, engine::FinishReason(i), 0, {}, {}})) << i;
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i)
    EXPECT_TRUE(is_read_back(ErrorEvent{{ErrorCode(i), "no"}})) << i;
}

TEST(ProtocolMessage, ARequestIsReadBack) {
  for (const Mode mode : {Mode::kAuto, Mode::kFast, Mode::kSlow}) {
    for (const Priority priority : {Priority::kInteractive, Priority::kBackground}) {
      const auto again = parse_request(to_json(RequestMessage{"@coding hi", {.mode = mode, .priority = priority}}));
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(again->text, "@coding hi");
      EXPECT_EQ(again->options.mode, mode);
      EXPECT_EQ(again->options.priority, priority);
    }
  }
}

TEST(ProtocolMessage, UnknownFieldsArePassedOver) {
  for (const Event& event : sample_events()) {
    ordered_json json = to_json(event, sample_registry());
    const ordered_json known = json;
    json["added_later"] = {{"a", {1, 2}}};
    const auto again = parse_event(json, sample_registry());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(to_json(*again, sample_registry()), known);
  }
}

/// Calls `change` for each field of each message, and for those of objects inside; expects that it is then refused,
/// with the path of the field.
template <class Change>
void expect_refused(const Change& change, const std::vector<std::string>& optional) {
  for (const Event& event : sample_events()) {
    const ordered_json json = to_json(event, sample_registry());
    const ordered_json leaves = json.flatten();
    const std::string kind = json["event"];
    for (const auto& [key, value] : leaves.items()) {
      if (std::ranges::find(optional, kind + key) != optional.end()) continue;
      ordered_json damaged = json;
      const ordered_json::json_pointer pointer(key);
      change(damaged.at(pointer.parent_pointer()), pointer.back());
      const auto read = parse_event(damaged, sample_registry());
      ASSERT_FALSE(read) << kind << key;
      EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
      std::string path = (key == "/event" ? "" : kind) + key;
      std::ranges::replace(path, '/', '.');
      EXPECT_THAT(read.error().message, HasSubstr(path.substr(path.starts_with('.')) + ": expected "));
    }
  }
}

TEST(ProtocolMessage, AMissingFieldIsNamed) {
  expect_refused([](ordered_json& object, const std::string& name) { object.erase(name); }, {"route/second_best"});
}

TEST(ProtocolMessage, AnotherTypeIsNamed) {
  for (const ordered_json& other : {ordered_json(nullptr), ordered_json(true), ordered_json::array({1})})
    expect_refused([&](ordered_json& object, const std::string& name) { object[name] = other; }, {});
}

TEST(ProtocolMessage, WhatIsOutOfRangeIsNamed) {
  const auto error_of = [](const Event& event, const char* pointer, const ordered_json& value) {
    ordered_json json = to_json(event, sample_registry());
    json[ordered_json::json_pointer(pointer)] = value;
    const auto read = parse_event(json, sample_registry());
    return read ? std::string("none") : read.error().message;
  };
  const StatusEvent loading{StatusEvent::Kind::kLoading, SpecialistId{1}, 0.5, {}};
  EXPECT_EQ(error_of(loading, "/fraction", 1.5), "status.fraction: expected a number from 0 to 1, found 1.5");
  EXPECT_EQ(error_of(loading, "/fraction", -0.5), "status.fraction: expected a number from 0 to 1, found -0.5");
  EXPECT_EQ(error_of(loading, "/specialist", "Coding"),
            "status.specialist: expected the name of a member, found \"Coding\"");
  EXPECT_EQ(
      error_of(loading, "/kind", "flying"),
      "status.kind: expected one of acknowledged, loading, ready, summarising, talking, thinking, found \"flying\"");
  EXPECT_EQ(error_of(TokenEvent{kAssistant, "a"}, "/text", ""),
            "token.text: expected a text that is not empty, found \"\"");
  EXPECT_EQ(error_of(HandoffEvent{}, "/turns", -1),
            "handoff.turns: expected a whole number from 0 to 18446744073709551615, found -1");
  EXPECT_EQ(error_of(HandoffEvent{}, "/turns", 1.5),
            "handoff.turns: expected a whole number from 0 to 18446744073709551615, found 1.5");
  EXPECT_EQ(error_of(DoneEvent{}, "/timings/decode_tokens", uint64_t{1} << 32),
            "done.timings.decode_tokens: expected a whole number from 0 to 4294967295, found 4294967296");
  EXPECT_EQ(error_of(DoneEvent{}, "/context", 3), "done.context: expected an object, found 3");
  EXPECT_EQ(error_of(DoneEvent{}, "/timings/total_ms", 1e11),
            "done.timings.total_ms: expected a number from 0 to 10000000000, found 100000000000.0");
}

TEST(ProtocolMessage, ProbabilitiesAreOfAllMembersOrNone) {
  ordered_json json = to_json(sample_events().front(), sample_registry());
  ASSERT_EQ(json["event"], "route");
  json["probabilities"]["stranger"] = 0.1;
  EXPECT_THAT(parse_event(json, sample_registry()).error().message, HasSubstr("route.probabilities: expected"));
  json["probabilities"] = ordered_json::object();
  EXPECT_TRUE(parse_event(json, sample_registry()));
}

TEST(ProtocolMessage, WhatIsNoMessageIsRefused) {
  for (const char* text : {"[]", "3", "null", "{}", R"({"event": 3})", R"({"event": "request"})",
                           R"({"event": "tool_call"})", R"({"event": "Token", "by": "assistant", "text": "a"})"}) {
    const auto read = parse_event(ordered_json::parse(text), sample_registry());
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(read.error().message, AllOf(HasSubstr("expected"), HasSubstr("found")));
    EXPECT_FALSE(parse_request(ordered_json::parse(text))) << text;
  }
}

// An error holds no more of a hostile message than helps to find it.
TEST(ProtocolMessage, ErrorsAreShort) {
  const std::string long_text = std::string(1000, 'x') + "\xc3\xa9";
  const ordered_json json = {{"event", long_text}};
  EXPECT_LT(parse_event(json, sample_registry()).error().message.size(), 200u);
  nlohmann::json deep;
  for (int i = 0; i < 100'000; ++i) deep = nlohmann::json::array({std::move(deep)});
  nlohmann::json token = {{"event", "token"}, {"by", std::move(deep)}};
  EXPECT_EQ(parse_event(token, sample_registry()).error().message, "token.by: expected a text, found an array");
}

}  // namespace
}  // namespace sain::router
