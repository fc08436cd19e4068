#include "engine/stop_strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "formats/utf8.h"

namespace sain::engine {
namespace {

using ::testing::HasSubstr;

bool is_valid_utf8(std::string_view text) {
  return formats::valid_utf8_prefix(text) == text.size();
}

StopStrings make(std::vector<std::string> strings) {
  auto result = StopStrings::create(std::move(strings));
  EXPECT_TRUE(result) << result.error().message;
  return *std::move(result);
}

TEST(StopStrings, WithoutAnyPassesAllOn) {
  StopStrings stop = make({});
  EXPECT_EQ(stop.push("abc"), "abc");
  EXPECT_EQ(stop.flush(), "");
  EXPECT_FALSE(stop.matched());
}

TEST(StopStrings, HoldsBackOnlyWhatMayBecomeOne) {
  StopStrings stop = make({"END"});
  EXPECT_EQ(stop.push("the E"), "the ");
  EXPECT_EQ(stop.push("N"), "");
  EXPECT_EQ(stop.push("EN"), "EN");  // "EN" + "EN": the first can no longer be one
  EXPECT_EQ(stop.push("Dgame"), "");
  EXPECT_TRUE(stop.matched());
  EXPECT_EQ(stop.push("more"), "");
  EXPECT_EQ(stop.flush(), "");
}

TEST(StopStrings, FlushGivesBackWhatWasHeld) {
  StopStrings stop = make({"END"});
  EXPECT_EQ(stop.push("the EN"), "the ");
  EXPECT_EQ(stop.flush(), "EN");
  EXPECT_EQ(stop.flush(), "");
}

TEST(StopStrings, TheFirstCompleteOneWins) {
  EXPECT_EQ(make({"bcd", "b"}).push("abcd"), "a");
  EXPECT_EQ(make({"abcd", "bc"}).push("abcd"), "a");  // "bc" is complete before "abcd"
  EXPECT_EQ(make({"bc", "abc"}).push("xabc"), "x");   // both end there: the longest
  EXPECT_EQ(make({"bc", "zz"}).push("azzbc"), "a");
}

TEST(StopStrings, OverlapWithThemselves) {
  StopStrings stop = make({"aab"});
  EXPECT_EQ(stop.push("aa"), "");
  EXPECT_EQ(stop.push("a"), "a");
  EXPECT_EQ(stop.push("b"), "");
  EXPECT_TRUE(stop.matched());
}

TEST(StopStrings, NeverSplitsACharacter) {
  StopStrings stop = make({"\xC3\xA9!"});  // é!
  EXPECT_EQ(stop.push("caf\xC3\xA9"), "caf");
  EXPECT_EQ(stop.push("\xC3\xA8"), "\xC3\xA9\xC3\xA8");  // è shares its first byte with é
}

TEST(StopStrings, RefusesEmptyAndBroken) {
  const auto empty = StopStrings::create({"a", ""});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(empty.error().message, HasSubstr("stop string 1"));
  const auto broken = StopStrings::create({"a\xFF"});
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("0xff at 1"));
}

/// What must come out of the whole text, by looking at every place where a string could end.
std::pair<std::string, bool> brute_force(const std::string& text, const std::vector<std::string>& strings) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& s : strings) {
      if (text.substr(0, end).ends_with(s)) longest = std::max(longest, s.size());
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

TEST(StopStrings, AnyCutOfAnyTextGivesTheSame) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> alphabet = {"a", "b", "\xC3\xA9", "\xC3\xA8", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x81"};
  const auto text_of = [&](size_t n_characters, size_t n_letters) {
    std::string text;
    for (size_t i = 0; i < n_characters; ++i) text += alphabet[random() % n_letters];
    return text;
  };
  int n_matched = 0;
  for (int round = 0; round < 20000; ++round) {
    const size_t n_letters = 2 + random() % 5;
    std::vector<std::string> strings;
    for (size_t i = random() % 4; i > 0; --i) strings.push_back(text_of(1 + random() % 5, n_letters));
    const std::string text = text_of(random() % 30, n_letters);
    const auto [expected, expected_match] = brute_force(text, strings);
    size_t longest = 1;
    for (const std::string& string : strings) longest = std::max(longest, string.size());

    StopStrings stop = make(strings);
    std::string out;
    for (size_t begin = 0; begin < text.size() && !stop.matched();) {
      size_t end = std::min(text.size(), begin + 1 + random() % 6);
      while (!is_valid_utf8(text.substr(begin, end - begin))) ++end;
      const std::string piece = stop.push(text.substr(begin, end - begin));
      ASSERT_TRUE(is_valid_utf8(piece));
      out += piece;
      begin = end;
      if (!stop.matched()) {
        ASSERT_LT(begin - out.size(), longest) << "held back more than a stop string could need";
      }
    }
    out += stop.flush();
    ASSERT_EQ(out, expected);
    ASSERT_EQ(stop.matched(), expected_match);
    n_matched += expected_match;
  }
  EXPECT_GT(n_matched, 1000);
}

}  // namespace
}  // namespace sain::engine
