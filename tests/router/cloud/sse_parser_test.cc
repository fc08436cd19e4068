// The same events come out of a stream, however it is cut into pieces.
#include "router/cloud/sse_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/linear_time.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> parse(std::string_view stream, size_t piece = 1) {
  SseParser parser(1000);
  std::vector<std::string> events;
  for (size_t i = 0; i < stream.size(); i += piece) {
    const Status status = parser.feed(stream.substr(i, piece), [&](std::string_view data) -> Status {
      events.emplace_back(data);
      return {};
    });
    EXPECT_TRUE(status);
  }
  return events;
}

TEST(SseParser, GivesTheDataOfEvents) {
  EXPECT_THAT(parse("data: one\n\ndata:two\n\n"), ElementsAre("one", "two"));
  EXPECT_THAT(parse("data:  two spaces\n\n"), ElementsAre(" two spaces"));
  EXPECT_THAT(parse("data: a\ndata: b\n\n"), ElementsAre("a\nb"));
  EXPECT_THAT(parse("data\n\n"), ElementsAre(""));
}

TEST(SseParser, SkipsEverythingElse) {
  EXPECT_THAT(parse(": comment\nevent: x\nid: 1\nretry: 3\ndatax: no\ndata: yes\n\n"), ElementsAre("yes"));
  EXPECT_THAT(parse("event: x\n\n\n\n"), IsEmpty());
  EXPECT_THAT(parse("data: cut off\n"), IsEmpty());
  EXPECT_THAT(parse("data: cut off"), IsEmpty());
}

TEST(SseParser, KnowsAllEndsOfLines) {
  EXPECT_THAT(parse("data: a\r\n\r\ndata: b\r\rdata: c\n\n"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(parse("data: a\rdata: b\r\n\n"), ElementsAre("a\nb"));
}

TEST(SseParser, SkipsAByteOrderMarkAtTheBeginningAlone) {
  EXPECT_THAT(parse("\xEF\xBB\xBF"
                    "data: a\n\n\xEF\xBB\xBF"
                    "data: b\n\n"),
              ElementsAre("a"));
}

TEST(SseParser, PiecesMakeNoDifference) {
  const std::string stream = ":x\r\ndata: {\"a\":\"\xC3\xA4\"}\r\n\r\ndata: 2\ndata: 3\n\ndata: [DONE]\r\r";
  const auto whole = parse(stream, stream.size());
  EXPECT_EQ(whole.size(), 3u);
  for (size_t piece = 1; piece < stream.size(); ++piece) EXPECT_EQ(parse(stream, piece), whole) << piece;
}

TEST(SseParser, BoundsLinesAndEvents) {
  const auto ignore = [](std::string_view) -> Status { return {}; };
  SseParser long_line(1000);
  EXPECT_EQ(long_line.feed("data: " + std::string(1000, 'x'), ignore).error().code, ErrorCode::kResourceExhausted);
  SseParser many_lines(1000);
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "data: 12345\n";
  EXPECT_EQ(many_lines.feed(lines, ignore).error().code, ErrorCode::kResourceExhausted);
  SseParser empty_lines(1000);
  lines.clear();
  for (int i = 0; i < 2000; ++i) lines += "data\n";
  EXPECT_EQ(empty_lines.feed(lines, ignore).error().code, ErrorCode::kResourceExhausted);
}

TEST(SseParser, PassesOnWhatTheVisitorSays) {
  SseParser parser(1000);
  int n_events = 0;
  const Status status = parser.feed("data: a\n\ndata: b\n\n", [&](std::string_view) -> Status {
    ++n_events;
    return make_error(ErrorCode::kCorrupt, "no");
  });
  EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(n_events, 1);
}

TEST(SseParser, TakesLinearTime) {
  EXPECT_TRUE(sain::testing::takes_linear_time(
      [](size_t n) {
        SseParser parser(n + 100);
        const std::string bytes = "data: " + std::string(n, 'x');
        for (const char& c : bytes) EXPECT_TRUE(parser.feed({&c, 1}, [](std::string_view) -> Status { return {}; }));
      },
      20'000));
}

}  // namespace
}  // namespace sain::router
