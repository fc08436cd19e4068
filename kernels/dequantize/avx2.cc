// 32 codes as bytes in one register, then widened to 4 x 8 floats, scaled and stored. Each product and sum is rounded
// like the scalar twin's, so the bits are the same.
#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/blocks.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/dequantize/scales.h"
#include "kernels/dequantize/versions.h"
#include "kernels/half.h"

namespace sain::kernels {
namespace {

__m256i load256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
__m128i load128(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
__m128i load64(const void* from) {
  return _mm_loadl_epi64(static_cast<const __m128i*>(from));
}
__m256i bytes(int value) {
  return _mm256_set1_epi8(static_cast<char>(value));
}
__m256 broadcast_half(uint16_t half) {
  return _mm256_set1_ps(_cvtsh_ss(half));
}

/// The four quarters of 32 signed bytes, as floats.
struct Floats32 {
  __m256 part[4];
};

Floats32 widen(__m256i q) {
  const __m128i low = _mm256_castsi256_si128(q), high = _mm256_extracti128_si256(q, 1);
  return {{_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low)),
           _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8))),
           _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high)),
           _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)))}};
}

/// out[i] = scale * q[i], with `scale0` for i < 16 and `scale1` above.
void store_scaled(__m256i q, __m256 scale0, __m256 scale1, float* out) {
  const Floats32 x = widen(q);
  _mm256_storeu_ps(out, _mm256_mul_ps(scale0, x.part[0]));
  _mm256_storeu_ps(out + 8, _mm256_mul_ps(scale0, x.part[1]));
  _mm256_storeu_ps(out + 16, _mm256_mul_ps(scale1, x.part[2]));
  _mm256_storeu_ps(out + 24, _mm256_mul_ps(scale1, x.part[3]));
}

/// out[i] = scale * q[i] - min, two roundings; halves as above.
void store_scaled_less(__m256i q, __m256 scale0, __m256 scale1, __m256 min0, __m256 min1, float* out) {
  const Floats32 x = widen(q);
  _mm256_storeu_ps(out, _mm256_sub_ps(_mm256_mul_ps(scale0, x.part[0]), min0));
  _mm256_storeu_ps(out + 8, _mm256_sub_ps(_mm256_mul_ps(scale0, x.part[1]), min0));
  _mm256_storeu_ps(out + 16, _mm256_sub_ps(_mm256_mul_ps(scale1, x.part[2]), min1));
  _mm256_storeu_ps(out + 24, _mm256_sub_ps(_mm256_mul_ps(scale1, x.part[3]), min1));
}

void store_scaled_plus(__m256i q, __m256 scale, __m256 m, float* out) {
  const Floats32 x = widen(q);
  for (int i = 0; i < 4; ++i) _mm256_storeu_ps(out + 8 * i, _mm256_add_ps(_mm256_mul_ps(scale, x.part[i]), m));
}

/// The codes of a block of 32: low halves of 16 bytes, then their high halves.
__m256i unpack_nibbles(const uint8_t qs[16]) {
  const __m128i packed = load128(qs);
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(packed, 4), packed), bytes(15));
}

__m256i low_nibbles(__m256i packed) {
  return _mm256_and_si256(packed, bytes(15));
}
__m256i high_nibbles(__m256i packed) {
  return _mm256_and_si256(_mm256_srli_epi16(packed, 4), bytes(15));
}

/// `value` in each byte of `from` that has all bits of `mask`, else 0.
__m256i where_bit(__m256i from, __m256i mask, int value) {
  return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(from, mask), mask), bytes(value));
}

/// Bit i of `qh` as 16 or 0 in byte i.
__m256i fifth_bits(const uint8_t qh[4]) {
  int32_t word;
  __builtin_memcpy(&word, qh, sizeof(word));
  const __m256i spread = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
  const __m256i mask = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
  return where_bit(_mm256_shuffle_epi8(_mm256_set1_epi32(word), spread), mask, 16);
}

/// scales[i] = d * codes[i], of 8 signed bytes.
void store_scales8(__m128i codes, uint16_t d, float* scales) {
  _mm256_storeu_ps(scales, _mm256_mul_ps(broadcast_half(d), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes))));
}

void store_scales16(__m128i codes, uint16_t d, float* scales) {
  store_scales8(codes, d, scales);
  store_scales8(_mm_srli_si128(codes, 8), d, scales + 8);
}

void decode(const BlockQ4_0& block, float* out) {
  const __m256 d = broadcast_half(block.d);
  store_scaled(_mm256_sub_epi8(unpack_nibbles(block.qs), bytes(8)), d, d, out);
}

void decode(const BlockQ4_1& block, float* out) {
  store_scaled_plus(unpack_nibbles(block.qs), broadcast_half(block.d), broadcast_half(block.m), out);
}

void decode(const BlockQ5_0& block, float* out) {
  const __m256 d = broadcast_half(block.d);
  const __m256i q = _mm256_or_si256(unpack_nibbles(block.qs), fifth_bits(block.qh));
  store_scaled(_mm256_sub_epi8(q, bytes(16)), d, d, out);
}

void decode(const BlockQ5_1& block, float* out) {
  const __m256i q = _mm256_or_si256(unpack_nibbles(block.qs), fifth_bits(block.qh));
  store_scaled_plus(q, broadcast_half(block.d), broadcast_half(block.m), out);
}

void decode(const BlockQ8_0& block, float* out) {
  const __m256 d = broadcast_half(block.d);
  store_scaled(load256(block.qs), d, d, out);
}

void decode(const BlockQ2_K& block, float* out) {
  const __m128i packed = load128(block.scales), mask = _mm_set1_epi8(15);
  float scales[16], mins[16];
  store_scales16(_mm_and_si128(packed, mask), block.d, scales);
  store_scales16(_mm_and_si128(_mm_srli_epi16(packed, 4), mask), block.dmin, mins);
  for (int sub = 0; sub < 16; sub += 2) {
    const __m256i q = _mm256_srli_epi16(load256(block.qs + 32 * (sub / 8)), 2 * (sub / 2 % 4));
    store_scaled_less(_mm256_and_si256(q, bytes(3)), _mm256_set1_ps(scales[sub]), _mm256_set1_ps(scales[sub + 1]),
                      _mm256_set1_ps(mins[sub]), _mm256_set1_ps(mins[sub + 1]), out + 16 * sub);
  }
}

void decode(const BlockQ3_K& block, float* out) {
  int8_t codes[16];
  unpack_q3_scales(block.scales, codes);
  float scales[16];
  store_scales16(load128(codes), block.d, scales);
  const __m256i hmask = load256(block.hmask);
  for (int sub = 0; sub < 16; sub += 2) {
    const __m256i low = _mm256_srli_epi16(load256(block.qs + 32 * (sub / 8)), 2 * (sub / 2 % 4));
    const __m256i high = where_bit(hmask, bytes(1 << sub / 2), 4);
    const __m256i q = _mm256_or_si256(_mm256_and_si256(low, bytes(3)), high);
    store_scaled(_mm256_sub_epi8(q, bytes(4)), _mm256_set1_ps(scales[sub]), _mm256_set1_ps(scales[sub + 1]),
                 out + 16 * sub);
  }
}

/// d * scale and dmin * min of the 8 sub-blocks of Q4_K and Q5_K.
template <class Block>
void load_scales_mins(const Block& block, float scales[8], float mins[8]) {
  uint8_t scale_bytes[8], min_bytes[8];
  unpack_scales_mins(block.scales, scale_bytes, min_bytes);
  store_scales8(load64(scale_bytes), block.d, scales);
  store_scales8(load64(min_bytes), block.dmin, mins);
}

void decode(const BlockQ4_K& block, float* out) {
  float scales[8], mins[8];
  load_scales_mins(block, scales, mins);
  for (int sub = 0; sub < 8; ++sub) {
    const __m256i packed = load256(block.qs + 32 * (sub / 2));
    const __m256 scale = _mm256_set1_ps(scales[sub]), min = _mm256_set1_ps(mins[sub]);
    const __m256i q = sub % 2 == 0 ? low_nibbles(packed) : high_nibbles(packed);
    store_scaled_less(q, scale, scale, min, min, out + 32 * sub);
  }
}

void decode(const BlockQ5_K& block, float* out) {
  float scales[8], mins[8];
  load_scales_mins(block, scales, mins);
  const __m256i qh = load256(block.qh);
  for (int sub = 0; sub < 8; ++sub) {
    const __m256i packed = load256(block.qs + 32 * (sub / 2));
    const __m256 scale = _mm256_set1_ps(scales[sub]), min = _mm256_set1_ps(mins[sub]);
    const __m256i q =
        _mm256_or_si256(sub % 2 == 0 ? low_nibbles(packed) : high_nibbles(packed), where_bit(qh, bytes(1 << sub), 16));
    store_scaled_less(q, scale, scale, min, min, out + 32 * sub);
  }
}

void decode(const BlockQ6_K& block, float* out) {
  float scales[16];
  store_scales16(load128(block.scales), block.d, scales);
  const auto store = [&](int sub, __m256i low, __m256i high) {
    const __m256i q = _mm256_sub_epi8(_mm256_or_si256(low, high), bytes(32));
    store_scaled(q, _mm256_set1_ps(scales[sub]), _mm256_set1_ps(scales[sub + 1]), out + 16 * sub);
  };
  for (int half = 0; half < 2; ++half) {
    const __m256i ql0 = load256(block.ql + 64 * half), ql1 = load256(block.ql + 64 * half + 32);
    const __m256i qh = load256(block.qh + 32 * half);
    store(8 * half + 0, low_nibbles(ql0), _mm256_slli_epi16(_mm256_and_si256(qh, bytes(0x03)), 4));
    store(8 * half + 2, low_nibbles(ql1), _mm256_slli_epi16(_mm256_and_si256(qh, bytes(0x0c)), 2));
    store(8 * half + 4, high_nibbles(ql0), _mm256_and_si256(qh, bytes(0x30)));
    store(8 * half + 6, high_nibbles(ql1), _mm256_srli_epi16(_mm256_and_si256(qh, bytes(0xc0)), 2));
  }
}

void store_levels(const uint8_t qs[16], const int8_t levels[16], __m256 scale, float* out) {
  const __m256i table = _mm256_broadcastsi128_si256(load128(levels));
  store_scaled(_mm256_shuffle_epi8(table, unpack_nibbles(qs)), scale, scale, out);
}

void decode(const BlockIQ4_NL& block, float* out) {
  store_levels(block.qs, kIq4Values, broadcast_half(block.d), out);
}

void decode(const BlockIQ4_XS& block, float* out) {
  int8_t codes[8];
  unpack_iq4_xs_scales(block.scales_l, block.scales_h, codes);
  float scales[8];
  store_scales8(load64(codes), block.d, scales);
  for (int sub = 0; sub < 8; ++sub) {
    store_levels(block.qs + 16 * sub, kIq4Values, _mm256_set1_ps(scales[sub]), out + 32 * sub);
  }
}

void decode(const BlockMXFP4& block, float* out) {
  store_levels(block.qs, kMxfp4Values, _mm256_set1_ps(e8m0_half_to_float(block.e)), out);
}

template <class Block>
void dequantize_row(const void* blocks, float* out, size_t n) {
  const Block* block = static_cast<const Block*>(blocks);
  for (size_t i = 0; i < n; i += Block::kElements) decode(*block++, out + i);
}

/// The n % 8 last elements of a row of one-element blocks, through a full group of 8.
template <class Convert>
void convert_row(const void* blocks, size_t element_bytes, float* out, size_t n, Convert convert) {
  const char* from = static_cast<const char*>(blocks);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, convert(from + i * element_bytes));
  if (i == n) return;
  char last[8 * sizeof(float)] = {};
  float values[8];
  __builtin_memcpy(last, from + i * element_bytes, (n - i) * element_bytes);
  _mm256_storeu_ps(values, convert(last));
  __builtin_memcpy(out + i, values, (n - i) * sizeof(float));
}

void dequantize_f32(const void* blocks, float* out, size_t n) {
  convert_row(blocks, 4, out, n, [](const char* from) { return _mm256_castsi256_ps(load256(from)); });
}

void dequantize_f16(const void* blocks, float* out, size_t n) {
  convert_row(blocks, 2, out, n, [](const char* from) { return _mm256_cvtph_ps(load128(from)); });
}

void dequantize_bf16(const void* blocks, float* out, size_t n) {
  convert_row(blocks, 2, out, n, [](const char* from) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(from)), 16));
  });
}

}  // namespace

constexpr DequantizeTable kDequantizeAvx2 = DequantizeTable::of({
    {DType::kF32, dequantize_f32},
    {DType::kF16, dequantize_f16},
    {DType::kBF16, dequantize_bf16},
    {DType::kQ4_0, dequantize_row<BlockQ4_0>},
    {DType::kQ4_1, dequantize_row<BlockQ4_1>},
    {DType::kQ5_0, dequantize_row<BlockQ5_0>},
    {DType::kQ5_1, dequantize_row<BlockQ5_1>},
    {DType::kQ8_0, dequantize_row<BlockQ8_0>},
    {DType::kQ2_K, dequantize_row<BlockQ2_K>},
    {DType::kQ3_K, dequantize_row<BlockQ3_K>},
    {DType::kQ4_K, dequantize_row<BlockQ4_K>},
    {DType::kQ5_K, dequantize_row<BlockQ5_K>},
    {DType::kQ6_K, dequantize_row<BlockQ6_K>},
    {DType::kIQ4_NL, dequantize_row<BlockIQ4_NL>},
    {DType::kIQ4_XS, dequantize_row<BlockIQ4_XS>},
    {DType::kMXFP4, dequantize_row<BlockMXFP4>},
});

}  // namespace sain::kernels
#endif
