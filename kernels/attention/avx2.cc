#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/flash.h"
#include "kernels/attention/versions.h"
#include "kernels/blocks.h"
#include "kernels/half.h"
#include "kernels/simd/avx2.h"

namespace sain::kernels {
namespace {

// 6 rows x 16 columns: 12 sums, 2 loads of a panel and a broadcast fill 15 of the 16 registers.
template <class KeyRow, class ValueRow>
using FlashAvx2 = Flash<Avx2, KeyRow, ValueRow, 6, 1, 4>;

}  // namespace

void attention_f32_avx2(const AttentionArgs& args) {
  FlashAvx2<RowF32, RowF32>::run(args);
}
void attention_f16_avx2(const AttentionArgs& args) {
  FlashAvx2<RowF16, RowF16>::run(args);
}
void attention_q8_0_avx2(const AttentionArgs& args) {
  FlashAvx2<RowQ8_0, RowQ8_0>::run(args);
}
void attention_q8_0_q4_0_avx2(const AttentionArgs& args) {
  FlashAvx2<RowQ8_0, RowQ4_0>::run(args);
}

namespace {

/// min and max return their second operand where either is NaN: so a NaN stays one.
__m256 clamp_to_half(__m256 x) {
  return _mm256_min_ps(_mm256_set1_ps(65504.0f), _mm256_max_ps(_mm256_set1_ps(-65504.0f), x));
}

__m256 magnitude(__m256 x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

/// 32 clamped elements.
struct Elements {
  __m256 part[4];
};

/// The greatest magnitude, NaN if there is a NaN.
float greatest_magnitude(const Elements& x) {
  __m256 largest = _mm256_setzero_ps(), nan = _mm256_setzero_ps();
  for (const __m256 part : x.part) {
    largest = _mm256_max_ps(largest, magnitude(part));
    nan = _mm256_or_ps(nan, _mm256_cmp_ps(part, part, _CMP_UNORD_Q));
  }
  return _mm256_movemask_ps(nan) != 0 ? __builtin_nanf("") : Avx2::max_lane(largest);
}

/// Whether the first element of that magnitude is negative.
bool is_first_negative(const Elements& x, float extreme) {
  unsigned of_that = 0, negative = 0;
  for (size_t c = 0; c < 4; ++c) {
    const __m256 is_extreme = _mm256_cmp_ps(magnitude(x.part[c]), _mm256_set1_ps(extreme), _CMP_EQ_OQ);
    of_that |= static_cast<unsigned>(_mm256_movemask_ps(is_extreme)) << 8 * c;
    negative |= static_cast<unsigned>(_mm256_movemask_ps(x.part[c])) << 8 * c;
  }
  return (of_that & -of_that & negative) != 0;
}

/// The elements over d, to the nearest whole number within [low, high], as bytes in order.
__m256i quanta(const Elements& x, float inverse, int low, int high) {
  __m256i q[4];
  for (size_t c = 0; c < 4; ++c) {
    const __m256i whole = _mm256_cvtps_epi32(_mm256_mul_ps(x.part[c], _mm256_set1_ps(inverse)));
    q[c] = _mm256_min_epi32(_mm256_set1_epi32(high), _mm256_max_epi32(_mm256_set1_epi32(low), whole));
  }
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

Elements load_elements(const float* x) {
  Elements out;
  for (size_t c = 0; c < 4; ++c) out.part[c] = clamp_to_half(_mm256_loadu_ps(x + 8 * c));
  return out;
}

}  // namespace

void attention_store_f16_avx2(const float* x, void* out, size_t n) {
  uint16_t* halves = static_cast<uint16_t*>(out);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(halves + i),
                     _mm256_cvtps_ph(clamp_to_half(_mm256_loadu_ps(x + i)), _MM_FROUND_TO_NEAREST_INT));
  }
  attention_store_f16_scalar(x + i, halves + i, n - i);
}

void attention_store_q8_0_avx2(const float* x, void* out, size_t n) {
  BlockQ8_0* block = static_cast<BlockQ8_0*>(out);
  size_t i = 0;
  for (; i + 32 <= n; i += 32, ++block) {
    const Elements elements = load_elements(x + i);
    const float largest = greatest_magnitude(elements);
    block->d = float_to_half(largest / 127.0f);
    const float d = half_to_float(block->d);
    __m256i q = _mm256_setzero_si256();
    if (d > 0) q = quanta(elements, 1.0f / d, -127, 127);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(block->qs), q);
  }
  if (i < n) attention_store_q8_0_scalar(x + i, block, n - i);
}

void attention_store_q4_0_avx2(const float* x, void* out, size_t n) {
  BlockQ4_0* block = static_cast<BlockQ4_0*>(out);
  size_t i = 0;
  for (; i + 32 <= n; i += 32, ++block) {
    const Elements elements = load_elements(x + i);
    const float largest = greatest_magnitude(elements);
    block->d = float_to_half((is_first_negative(elements, largest) ? -largest : largest) / -8.0f);
    const float d = half_to_float(block->d);
    __m256i q = _mm256_setzero_si256();
    if (d != 0 && d == d) q = quanta(elements, 1.0f / d, -8, 7);
    q = _mm256_add_epi8(q, _mm256_set1_epi8(8));
    const __m128i low = _mm256_castsi256_si128(q), high = _mm256_extracti128_si256(q, 1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(block->qs), _mm_or_si128(low, _mm_slli_epi16(high, 4)));
  }
  if (i < n) attention_store_q4_0_scalar(x + i, block, n - i);
}

}  // namespace sain::kernels
#endif
