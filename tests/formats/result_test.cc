#include "formats/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sain {
namespace {

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return make_error(ErrorCode::kInvalidArgument, "expected a digit, found '{}'", c);
  return c - '0';
}

Result<int> sum_of_digits(const std::string& text) {
  int sum = 0;
  for (const char c : text) {
    SAIN_ASSIGN_OR_RETURN(const int digit, parse_digit(c));
    sum += digit;
  }
  return sum;
}

Status check_digits(const std::string& text) {
  for (const char c : text) SAIN_RETURN_IF_ERROR(parse_digit(c));
  return {};
}

TEST(Result, CarriesAValueOrAnError) {
  const auto sum = sum_of_digits("123");
  ASSERT_TRUE(sum);
  EXPECT_EQ(*sum, 6);
  const auto failed = sum_of_digits("1x3");
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(failed.error().message, "expected a digit, found 'x'");
}

TEST(Result, StatusPassesErrorsOn) {
  EXPECT_TRUE(check_digits("42"));
  EXPECT_EQ(check_digits("4?").error().message, "expected a digit, found '?'");
}

TEST(Result, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  EXPECT_EQ(**result, 7);
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 7);
}

TEST(Result, ConvertsToItsValueType) {
  const Result<std::string> result = "text";
  EXPECT_EQ(result->size(), 4u);
  EXPECT_EQ(result.value(), "text");
}

TEST(ResultDeathTest, ReadingAValueThatIsNotThereEndsTheProgram) {
  const Result<int> failed = make_error(ErrorCode::kIo, "the disk is on fire");
  EXPECT_DEATH((void)failed.value(), "the disk is on fire");
  EXPECT_DEATH(SAIN_CHECK(1 + 1 == 3), "1 \\+ 1 == 3");
}

}  // namespace
}  // namespace sain
