#include "tools/make_model/random_row.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/blocks.h"
#include "kernels/half.h"

namespace sain::tools {
namespace {

using kernels::float_to_bf16;
using kernels::float_to_half;

/// SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (2014), section 5.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t next() { return mixed(state_ += 0x9e3779b97f4a7c15); }

  static uint64_t mixed(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }

 private:
  uint64_t state_;
};

// Second moments of uniform integers, for the deviation of what a block decodes to.
constexpr float variance(float n) {
  return (n * n - 1) / 12;  // of n consecutive integers
}
constexpr float square_from(float n, float offset) {  // of 0 .. n - 1, less `offset`
  return variance(n) + ((n - 1) / 2 - offset) * ((n - 1) / 2 - offset);
}
template <size_t kCount>
constexpr float mean_square(const int8_t (&values)[kCount]) {
  float sum = 0;
  for (const int8_t value : values) sum += static_cast<float>(value) * static_cast<float>(value);
  return sum / kCount;
}

/// Scales vary by a quarter up and down, which adds a little to the second moment.
constexpr float kVariationSquare = 1 + 0.5f * 0.5f / 12;

float scale_for(float deviation, float square) {
  return deviation / std::sqrt(square * kVariationSquare);
}

/// `base` varied by 15 of the random bits.
float varied(float base, uint16_t bits) {
  return base * (0.75f + static_cast<float>(bits & 0x7fff) / 65536.0f);
}

/// The same with a random sign, as f16.
uint16_t signed_half(float base, uint16_t bits) {
  return static_cast<uint16_t>(float_to_half(varied(base, bits)) | (bits & 0x8000));
}

/// Fills every block with random bytes, then lets finish(block) turn those of its scales into what they must be.
template <class Block, class Finish>
void fill_blocks(uint64_t seed, std::span<std::byte> row, Finish finish) {
  constexpr size_t kWords = (sizeof(Block) + 7) / 8;
  SplitMix64 random(seed);
  for (size_t i = 0; i + sizeof(Block) <= row.size(); i += sizeof(Block)) {
    uint64_t words[kWords];
    for (uint64_t& word : words) word = random.next();
    Block block;
    std::memcpy(&block, words, sizeof(Block));
    finish(block);
    std::memcpy(row.data() + i, &block, sizeof(Block));
  }
}

/// Types of 32 elements that are d * (code - an offset), with `square` the second moment of what d multiplies.
template <class Block>
void fill_signed(uint64_t seed, std::span<std::byte> row, float deviation, float square) {
  const float d = scale_for(deviation, square);
  fill_blocks<Block>(seed, row, [d](Block& block) { block.d = signed_half(d, block.d); });
}

/// d * code + m of `n_codes` codes: m puts zero in the middle.
template <class Block>
void fill_with_offset(uint64_t seed, std::span<std::byte> row, float deviation, float n_codes) {
  const float d = scale_for(deviation, variance(n_codes)), middle = (n_codes - 1) / 2;
  fill_blocks<Block>(seed, row, [d, middle](Block& block) {
    const float scale = varied(d, block.d);
    block.d = float_to_half(scale);
    block.m = float_to_half(-middle * scale);
  });
}

/// (d * scale) * code - dmin * min, where scale and min are random integers of the upper half of `n_scales` and dmin
/// makes their expectations cancel.
template <class Block, class SetUpperHalf>
void fill_with_minima(uint64_t seed, std::span<std::byte> row, float deviation, float n_codes, float n_scales,
                      SetUpperHalf set_upper_half) {
  const float middle = (n_codes - 1) / 2;
  const float scale_variance = variance(n_scales / 2);
  const float scale_mean = (n_scales / 2 + n_scales - 1) / 2;
  const float scale_square = scale_variance + scale_mean * scale_mean;
  const float d = scale_for(deviation, scale_square * variance(n_codes) + 2 * middle * middle * scale_variance);
  fill_blocks<Block>(seed, row, [&](Block& block) {
    const float scale = varied(d, block.d);
    block.d = float_to_half(scale);
    block.dmin = float_to_half(middle * scale);
    set_upper_half(block.scales);
  });
}

/// Q4_K and Q5_K: bit 5 of a scale or a minimum is bit 5 of the first eight bytes for the first four of each, and bit
/// 7 for the others.
void set_upper_half_of_6_bits(uint8_t (&scales)[12]) {
  for (size_t i = 0; i < 8; ++i) scales[i] |= 0xa0;
}

/// Q2_K: a scale and a minimum of 4 bits a byte.
void set_upper_half_of_4_bits(uint8_t (&scales)[16]) {
  for (uint8_t& pair : scales) pair |= 0x88;
}

/// Scales are powers of two: two neighbours are mixed so that the second moment comes out.
void fill_mxfp4(uint64_t seed, std::span<std::byte> row, float deviation) {
  const float wanted = deviation * deviation / mean_square(kernels::kMxfp4Values);  // square of 2^(e - 128)
  const int exponent = static_cast<int>(std::floor(std::log2(wanted) / 2));
  const float low = std::ldexp(1.0f, 2 * exponent);
  const int low_share = static_cast<int>((4 * low - wanted) / (3 * low) * 256);  // of 256: low * s + 4 low * (1 - s)
  const int e = std::clamp(exponent + 128, 0, 253);
  fill_blocks<kernels::BlockMXFP4>(
      seed, row, [&](kernels::BlockMXFP4& block) { block.e = static_cast<uint8_t>(block.e < low_share ? e : e + 1); });
}

template <class T, class Convert>
void fill_floats(uint64_t seed, std::span<std::byte> row, float deviation, Convert convert) {
  const float scale = deviation * std::sqrt(3.0f) * 0x1p-31f;  // uniform over the integers of 32 bits
  SplitMix64 random(seed);
  for (size_t i = 0; i + sizeof(T) <= row.size(); i += sizeof(T)) {
    const T value = convert(static_cast<float>(static_cast<int32_t>(random.next() >> 32)) * scale);
    std::memcpy(row.data() + i, &value, sizeof(T));
  }
}

}  // namespace

uint64_t row_seed(uint64_t seed, uint64_t tensor, uint64_t row) {
  return SplitMix64::mixed(SplitMix64::mixed(SplitMix64::mixed(seed + 1) + tensor) + row);
}

void fill_random_row(DType dtype, float deviation, uint64_t seed, std::span<std::byte> row) {
  using namespace kernels;  // the blocks
  constexpr float kIq4Square = mean_square(kIq4Values);
  switch (dtype) {
    case DType::kF32:
      return fill_floats<float>(seed, row, deviation, [](float x) { return x; });
    case DType::kF16:
      return fill_floats<uint16_t>(seed, row, deviation, float_to_half);
    case DType::kBF16:
      return fill_floats<uint16_t>(seed, row, deviation, float_to_bf16);
    case DType::kQ4_0:
      return fill_signed<BlockQ4_0>(seed, row, deviation, square_from(16, 8));
    case DType::kQ5_0:
      return fill_signed<BlockQ5_0>(seed, row, deviation, square_from(32, 16));
    case DType::kIQ4_NL:
      return fill_signed<BlockIQ4_NL>(seed, row, deviation, kIq4Square);
    case DType::kQ4_1:
      return fill_with_offset<BlockQ4_1>(seed, row, deviation, 16);
    case DType::kQ5_1:
      return fill_with_offset<BlockQ5_1>(seed, row, deviation, 32);
    case DType::kQ8_0: {
      const float d = scale_for(deviation, variance(255));
      return fill_blocks<BlockQ8_0>(seed, row, [d](BlockQ8_0& block) {
        block.d = signed_half(d, block.d);
        for (int8_t& q : block.qs) q = std::max<int8_t>(q, -127);  // quantizers never write -128
      });
    }
    case DType::kQ2_K:
      return fill_with_minima<BlockQ2_K>(seed, row, deviation, 4, 16, set_upper_half_of_4_bits);
    case DType::kQ4_K:
      return fill_with_minima<BlockQ4_K>(seed, row, deviation, 16, 64, set_upper_half_of_6_bits);
    case DType::kQ5_K:
      return fill_with_minima<BlockQ5_K>(seed, row, deviation, 32, 64, set_upper_half_of_6_bits);
    case DType::kQ3_K:
      return fill_signed<BlockQ3_K>(seed, row, deviation, square_from(64, 32) * square_from(8, 4));
    case DType::kQ6_K:
      return fill_signed<BlockQ6_K>(seed, row, deviation, square_from(256, 128) * square_from(64, 32));
    case DType::kIQ4_XS:
      return fill_signed<BlockIQ4_XS>(seed, row, deviation, square_from(64, 32) * kIq4Square);
    case DType::kMXFP4:
      return fill_mxfp4(seed, row, deviation);
  }
}

}  // namespace sain::tools
