#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_text.h"
#include "formats/gguf_writer.h"

namespace sain::formats {
namespace {

using ::testing::HasSubstr;

/// Metadata of a file in memory.
class GgufMetadata : public ::testing::Test {
 protected:
  template <class T>
  void set(const char* key, const T& value) {
    writer_.set(key, value);
  }
  const Metadata& metadata() {
    bytes_ = *writer_.to_bytes();
    file_.emplace(*GgufFile::parse(std::as_bytes(std::span(bytes_)), "m.gguf"));
    return file_->metadata();
  }

 private:
  GgufWriter writer_;
  std::string bytes_;
  std::optional<GgufFile> file_;
};

TEST_F(GgufMetadata, NumbersConvertWhereNothingIsLost) {
  set("u64", uint64_t{4294967296});
  set("i8", int8_t{7});
  set("negative", int32_t{-1});
  set("f32", 0.1f);
  set("whole", 12.0);
  set("f64", 1e-6);
  set("large", uint64_t{1} << 40);
  set("i64min", std::numeric_limits<int64_t>::min());
  const Metadata& m = metadata();
  EXPECT_EQ(*m.u32("i8"), 7u);
  EXPECT_EQ(*m.u64("u64"), 4294967296u);
  EXPECT_EQ(*m.u32("whole"), 12u);
  EXPECT_EQ(*m.f32("f32"), 0.1f);
  EXPECT_EQ(*m.f32("f64"), 1e-6f);
  EXPECT_EQ(*m.f32("i8"), 7.0f);
  EXPECT_EQ(m.u32("u64").error().message, "m.gguf: metadata 'u64': expected a u32, found u64 4294967296");
  EXPECT_EQ(m.u32("negative").error().message, "m.gguf: metadata 'negative': expected a u32, found i32 -1");
  EXPECT_EQ(m.u32("f32").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(*m.f32("negative"), -1.0f);
  EXPECT_EQ(*m.f32("large"), 1099511627776.0f);
  EXPECT_FALSE(m.u64("i64min"));
}

TEST_F(GgufMetadata, FloatsMustBeFinite) {
  set("inf", std::numeric_limits<float>::infinity());
  set("nan", std::nanf(""));
  set("huge", 1e300);
  set("list", std::vector<float>{1.0f, std::nanf("")});
  const Metadata& m = metadata();
  for (const char* key : {"inf", "nan", "huge"}) {
    EXPECT_THAT(m.f32(key).error().message, HasSubstr("expected a finite f32")) << key;
  }
  EXPECT_THAT(m.f32s("list").error().message,
              HasSubstr("m.gguf: metadata 'list', element 1 of 2: expected an array of finite f32"));
  EXPECT_FALSE(m.u64("inf"));
  EXPECT_FALSE(m.u64("nan"));
}

TEST_F(GgufMetadata, TypesAreNotMixedUp) {
  set("text", "7");
  set("flag", true);
  set("number", uint32_t{1});
  set("texts", std::vector<std::string>{"a"});
  set("numbers", std::vector<uint64_t>{1, std::numeric_limits<uint64_t>::max()});
  const Metadata& m = metadata();
  EXPECT_THAT(m.u32("text").error().message, HasSubstr("expected a u32, found string '7'"));
  EXPECT_THAT(m.u32("flag").error().message, HasSubstr("found bool true"));
  EXPECT_THAT(m.boolean("number").error().message, HasSubstr("expected a bool, found u32 1"));
  EXPECT_THAT(m.string("number").error().message, HasSubstr("expected a string, found u32 1"));
  EXPECT_THAT(m.string("texts").error().message, HasSubstr("expected a string, found array string[1] ['a']"));
  EXPECT_THAT(m.strings("text").error().message, HasSubstr("expected an array of strings, found string '7'"));
  EXPECT_THAT(m.strings("numbers").error().message, HasSubstr("element 0 of 2: expected an array of strings"));
  EXPECT_THAT(m.integers("numbers").error().message, HasSubstr("element 1 of 2: expected an array of integers"));
  EXPECT_TRUE(*m.boolean("flag"));
  EXPECT_EQ(m.strings("texts")->front(), "a");
}

TEST_F(GgufMetadata, AbsentKeysAreNotFoundAndMayHaveAFallback) {
  set("wrong", "text");
  const Metadata& m = metadata();
  EXPECT_FALSE(m.contains("absent"));
  EXPECT_EQ(m.u32("absent").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(m.f32s("absent").error().message, "m.gguf: metadata 'absent': the key is missing");
  EXPECT_EQ(*Metadata::value_or(m.u32("absent"), 5u), 5u);
  EXPECT_FALSE(Metadata::value_or(m.u32("wrong"), 5u));
}

TEST_F(GgufMetadata, EntriesKeepTheirOrder) {
  set("z", uint8_t{1});
  set("a", uint8_t{2});
  const Metadata& m = metadata();
  ASSERT_EQ(m.entries().size(), 2u);
  EXPECT_EQ(m.entries()[0].first, "z");
  EXPECT_EQ(m.file(), "m.gguf");
}

TEST_F(GgufMetadata, SummariesAreShortAndSafe) {
  set("i", int16_t{-3});
  set("f", 1e-6f);
  set("b", false);
  set("s", std::string(200, 'x'));
  set("esc", std::string("a\tb\xe2\x80\xae\x80 \xc3\xa9\n"));
  set("n", std::vector<uint32_t>{1, 2, 3, 4, 5});
  set("deep", std::vector<std::vector<int8_t>>{{1}, {}});
  const Metadata& m = metadata();
  const auto text = [&](const char* key) { return summary(*m.find(key)); };
  EXPECT_EQ(text("i"), "-3");
  EXPECT_EQ(text("f"), "1e-06");
  EXPECT_EQ(text("b"), "false");
  EXPECT_EQ(text("s"), "'" + std::string(80, 'x') + "'... (200 bytes)");
  EXPECT_EQ(text("esc"), R"('a\x09b\xe2\x80\xae\x80 é\n')");
  EXPECT_EQ(text("n"), "u32[5] [1, 2, 3, 4, ...]");
  EXPECT_EQ(text("deep"), "array[2] [[1], []]");
  EXPECT_STREQ(type_name(GgufType::kF64), "f64");
  EXPECT_STREQ(type_name(static_cast<GgufType>(77)), "unknown");
}

}  // namespace
}  // namespace sain::formats
