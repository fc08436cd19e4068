#include "formats/byte_reader.h"

#include <gtest/gtest.h>

#include <limits>
#include <string_view>

namespace sain::formats {
namespace {

ByteReader reader_of(std::string_view text) {
  return ByteReader(std::as_bytes(std::span(text)));
}

TEST(ByteReader, ReadsLittleEndianAtAnyAlignment) {
  using std::string_view_literals::operator""sv;
  ByteReader reader = reader_of("\xff\x01\x02\x03\x04\xfe\xff\x00\x00\x80\xbf"sv);
  EXPECT_EQ(reader.read<int8_t>(), -1);
  EXPECT_EQ(reader.read<uint32_t>(), 0x04030201u);
  EXPECT_EQ(reader.read<int16_t>(), -2);
  EXPECT_EQ(reader.read<float>(), -1.0f);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, RefusesWhatDoesNotFitAndStaysWhereItWas) {
  ByteReader reader = reader_of("abc");
  EXPECT_FALSE(reader.read<uint32_t>());
  EXPECT_FALSE(reader.read_bytes(4));
  EXPECT_FALSE(reader.read_bytes(std::numeric_limits<uint64_t>::max()));
  EXPECT_EQ(reader.position(), 0u);
  EXPECT_EQ(reader.read_bytes(3)->size(), 3u);
  EXPECT_TRUE(reader.read_bytes(0));
  EXPECT_FALSE(reader.read<uint8_t>());
}

TEST(ByteReader, StringsAreLengthAndBytes) {
  using std::string_view_literals::operator""sv;
  ByteReader reader = reader_of("\2\0\0\0\0\0\0\0hi\1\0\0\0\0\0\0\0"sv);
  EXPECT_EQ(reader.read_string(), "hi");
  EXPECT_FALSE(reader.read_string());  // one byte promised, none there
  EXPECT_EQ(reader.position(), 10u);
  EXPECT_EQ(reader.read<uint64_t>(), 1u);
}

TEST(ByteReader, CanHoldNeverOverflows) {
  const ByteReader reader = reader_of("0123456789");
  EXPECT_TRUE(reader.can_hold(5, 2));
  EXPECT_FALSE(reader.can_hold(6, 2));
  EXPECT_FALSE(reader.can_hold(std::numeric_limits<uint64_t>::max(), 16));
}

}  // namespace
}  // namespace sain::formats
