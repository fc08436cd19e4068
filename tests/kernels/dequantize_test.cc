#include "kernels/dequantize/dequantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "kernels/blocks.h"
#include "kernels/half.h"

namespace sain::kernels {
namespace {

/// Blocks of one type and their values, from the oracle; see make_dequantize_vectors.py.
struct Vector {
  DTypeInfo info;
  size_t n_blocks = 0;
  std::vector<char> blocks;
  std::vector<float> values;
};

std::vector<Vector> read_vectors() {
  std::ifstream file(SAIN_SOURCE_DIR "/tests/kernels/dequantize_vectors.bin", std::ios::binary);
  std::vector<Vector> vectors;
  uint32_t head[2];
  while (file.read(reinterpret_cast<char*>(head), sizeof(head))) {
    Vector vector{*find_dtype(head[0]), head[1], {}, {}};
    vector.blocks.resize(vector.n_blocks * vector.info.block_bytes);
    vector.values.resize(vector.n_blocks * vector.info.block_size);
    file.read(vector.blocks.data(), static_cast<std::streamsize>(vector.blocks.size()));
    file.read(reinterpret_cast<char*>(vector.values.data()),
              static_cast<std::streamsize>(vector.values.size() * sizeof(float)));
    EXPECT_TRUE(file) << vector.info.name;
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

bool same_bits(float a, float b) {
  return bits_of_float(a) == bits_of_float(b) || (std::isnan(a) && std::isnan(b));
}

std::vector<Isa> machine_isas() {
  std::vector<Isa> isas = {Isa::kScalar};
  if (detect_isa() != Isa::kScalar) isas.push_back(detect_isa());
  return isas;
}

TEST(Dequantize, EqualsTheOracleBitForBit) {
  const std::vector<Vector> vectors = read_vectors();
  ASSERT_EQ(vectors.size(), std::size(kDTypes));
  for (const Isa isa : machine_isas()) {
    const DequantizeTable table = select_dequantize(isa);
    for (const Vector& vector : vectors) {
      SCOPED_TRACE(std::string(vector.info.name) + " " + isa_name(isa));
      const DequantizeRow dequantize = table[vector.info.dtype];
      ASSERT_NE(dequantize, nullptr);
      for (const size_t n_blocks : {size_t{1}, size_t{2}, size_t{3}, vector.n_blocks}) {
        for (size_t first = 0; first + n_blocks <= vector.n_blocks; ++first) {
          const size_t n = n_blocks * vector.info.block_size;
          // One byte off every alignment, and a guard behind the row.
          std::vector<char> unaligned(1 + n_blocks * vector.info.block_bytes);
          std::memcpy(unaligned.data() + 1, vector.blocks.data() + first * vector.info.block_bytes,
                      unaligned.size() - 1);
          std::vector<float> out(n + 1, 12345.0f);
          dequantize(unaligned.data() + 1, out.data(), n);
          for (size_t i = 0; i < n; ++i) {
            const float expected = vector.values[first * vector.info.block_size + i];
            ASSERT_TRUE(same_bits(out[i], expected))
                << "block " << first << " + element " << i << ": expected " << expected << ", found " << out[i];
          }
          ASSERT_EQ(out[n], 12345.0f) << "wrote behind the row";
        }
      }
    }
  }
}

TEST(Dequantize, TouchesNothingAtSizeZero) {
  for (const Isa isa : machine_isas()) {
    for (const DTypeInfo& info : kDTypes) {
      float out = 7.0f;
      char block = 0;
      select_dequantize(isa)[info.dtype](&block, &out, 0);
      EXPECT_EQ(out, 7.0f) << info.name;
    }
  }
}

TEST(Dequantize, TableHasExactlyTheKnownTypes) {
  for (const Isa isa : machine_isas()) {
    const DequantizeTable table = select_dequantize(isa);
    for (uint32_t number = 0; number < DequantizeTable::kSize; ++number) {
      EXPECT_EQ(table.rows[number] != nullptr, find_dtype(number) != nullptr) << number;
    }
  }
}

/// By the definition of binary16, without its bits.
float half_by_definition(uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const float sign = half & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) {
    return mantissa ? std::numeric_limits<float>::quiet_NaN() : sign * std::numeric_limits<float>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
}

TEST(Half, EveryValueWidensExactly) {
  for (uint32_t half = 0; half < 65536; ++half) {
    const float value = half_to_float(static_cast<uint16_t>(half));
    ASSERT_TRUE(same_bits(value, half_by_definition(static_cast<uint16_t>(half)))) << half;
    if (std::isnan(value)) {
      EXPECT_EQ(float_to_half(value), half | 0x0200) << half;
    } else {
      EXPECT_EQ(float_to_half(value), half);
    }
  }
}

TEST(Half, NarrowingRoundsToNearestEven) {
  for (uint16_t half = 0; half < 0x7c00; ++half) {
    const float below = half_to_float(half);
    // What would follow the largest f16 is 65536: from the middle on, values round to infinity.
    const float above = half == 0x7bff ? 65536.0f : half_to_float(static_cast<uint16_t>(half + 1));
    const float middle = below + (above - below) / 2;  // exact: f32 has 13 more bits
    const uint16_t even = half % 2 == 0 ? half : static_cast<uint16_t>(half + 1);
    EXPECT_EQ(float_to_half(middle), even) << half;
    EXPECT_EQ(float_to_half(-middle), even | 0x8000) << half;
    EXPECT_EQ(float_to_half(std::nextafter(middle, 0.0f)), half);
    EXPECT_EQ(float_to_half(std::nextafter(middle, 1e9f)), half + 1);
  }
  EXPECT_EQ(float_to_half(1e30f), 0x7c00);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::infinity()), 0xfc00);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Bf16, NarrowingRoundsToNearestEven) {
  EXPECT_EQ(float_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(float_to_bf16(float_from_bits(0x3f808000)), 0x3f80);  // a tie, to even
  EXPECT_EQ(float_to_bf16(float_from_bits(0x3f818000)), 0x3f82);
  EXPECT_EQ(float_to_bf16(float_from_bits(0x3f808001)), 0x3f81);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(float_from_bits(0x7f800001)))));
  EXPECT_EQ(bf16_to_float(0xc040), -3.0f);
}

}  // namespace
}  // namespace sain::kernels
