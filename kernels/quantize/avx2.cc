#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/quantize/quantize.h"
#include "kernels/quantize/versions.h"

namespace sain::kernels {
namespace {

inline float reduce_max(__m256 v) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

inline int32_t reduce_add(__m128i v) {
  v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1)));
}

/// One block of one of `n_tokens` tokens; `out` is where its first step goes, `tail` its first float.
inline void quantize_block(const float* y, size_t n_tokens, uint8_t* out, uint8_t* tail) {
  __m256 v[4];
  for (int i = 0; i < 4; ++i) v[i] = _mm256_loadu_ps(y + 8 * i);
  const __m256 highs = _mm256_max_ps(_mm256_max_ps(v[0], v[1]), _mm256_max_ps(v[2], v[3]));
  const __m256 lows = _mm256_min_ps(_mm256_min_ps(v[0], v[1]), _mm256_min_ps(v[2], v[3]));
  const float high = reduce_max(highs);
  const float low = -reduce_max(_mm256_sub_ps(_mm256_set1_ps(-0.0f), lows));
  const float zero = 0.5f * low + 0.5f * high;
  const float scale = (0.5f * high - 0.5f * low) / 127;
  const float inverse = scale > 0 ? 1 / scale : 0;

  __m256i q[4];
  __m256 taint = _mm256_setzero_ps();  // 0, or NaN where an element is not finite
  for (int i = 0; i < 4; ++i) {
    const __m256 centred = _mm256_mul_ps(_mm256_sub_ps(v[i], _mm256_set1_ps(zero)), _mm256_set1_ps(inverse));
    q[i] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(centred, _mm256_set1_ps(-127)), _mm256_set1_ps(127)));
    taint = _mm256_add_ps(taint, _mm256_mul_ps(v[i], _mm256_setzero_ps()));
  }
  // The packs work within 128-bit halves; the permutation puts steps back into order.
  const __m256i words01 = _mm256_packs_epi32(q[0], q[1]), words23 = _mm256_packs_epi32(q[2], q[3]);
  const __m256i bytes =
      _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words01, words23), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
  const __m256i sums = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  const int32_t first = reduce_add(_mm256_castsi256_si128(sums));
  const int32_t last = reduce_add(_mm256_extracti128_si256(sums, 1));

  alignas(32) int32_t steps[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(steps), bytes);
  for (size_t i = 0; i < 8; ++i) __builtin_memcpy(out + 4 * i * n_tokens, &steps[i], 4);
  const __m128 tainted = _mm_add_ps(_mm256_castps256_ps128(taint), _mm256_extractf128_ps(taint, 1));
  const __m128 tainted2 = _mm_add_ps(tainted, _mm_movehl_ps(tainted, tainted));
  const float finite = _mm_cvtss_f32(_mm_add_ss(tainted2, _mm_movehdup_ps(tainted2)));
  const float floats[3] = {scale, zero + finite, -scale * static_cast<float>(first + last)};
  const int32_t negated[3] = {-(first + last), -first, -last};
  for (size_t i = 0; i < 3; ++i) {
    __builtin_memcpy(tail + 4 * i * n_tokens, &floats[i], 4);
    __builtin_memcpy(tail + 4 * (i + 3) * n_tokens, &negated[i], 4);
  }
}

}  // namespace

void quantize_panel_avx2(const float* x, size_t stride, size_t n_tokens, size_t n, void* panel) {
  uint8_t* record = static_cast<uint8_t*>(panel);
  for (size_t k = 0; k < n; k += kQ8Block, record += q8_record_bytes(n_tokens)) {
    for (size_t c = 0; c < n_tokens; ++c) {
      quantize_block(x + c * stride + k, n_tokens, record + 4 * c, record + kQ8Block * n_tokens + 4 * c);
    }
  }
}

}  // namespace sain::kernels
#endif
