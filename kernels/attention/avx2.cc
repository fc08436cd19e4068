#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/versions.h"
#include "kernels/half.h"

namespace sain::kernels {
namespace {

inline __m256 load8(const float* x) {
  return _mm256_loadu_ps(x);
}
inline __m256 load8(const uint16_t* x) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
}
inline float load1(const float* x) {
  return *x;
}
inline float load1(const uint16_t* x) {
  return half_to_float(*x);
}

template <class T>
float dot(const float* query, const T* key, size_t n) {
  __m256 even = _mm256_setzero_ps(), odd = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    even = _mm256_fmadd_ps(_mm256_loadu_ps(query + i), load8(key + i), even);
    odd = _mm256_fmadd_ps(_mm256_loadu_ps(query + i + 8), load8(key + i + 8), odd);
  }
  const __m256 all = _mm256_add_ps(even, odd);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  float sum = _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  for (; i < n; ++i) sum += query[i] * load1(key + i);
  return sum;
}

template <class T>
void attention(const AttentionArgs& args) {
  const T* keys = static_cast<const T*>(args.keys);
  const T* values = static_cast<const T*>(args.values);
  for (size_t p = 0; p < args.n; ++p) args.scores[p] = dot(args.query, keys + p * args.stride, args.head_dim);
  attention_softmax(args);
  // Stripes of 32 elements stay in registers over all positions.
  size_t i = 0;
  for (; i + 32 <= args.head_dim; i += 32) {
    __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t p = 0; p < args.n; ++p) {
      const __m256 weight = _mm256_broadcast_ss(args.scores + p);
      const T* value = values + p * args.stride + i;
      for (size_t c = 0; c < 4; ++c) sum[c] = _mm256_fmadd_ps(weight, load8(value + 8 * c), sum[c]);
    }
    for (size_t c = 0; c < 4; ++c) _mm256_storeu_ps(args.out + i + 8 * c, sum[c]);
  }
  for (; i < args.head_dim; ++i) {
    float sum = 0;
    for (size_t p = 0; p < args.n; ++p) sum += args.scores[p] * load1(values + p * args.stride + i);
    args.out[i] = sum;
  }
}

}  // namespace

void attention_f32_avx2(const AttentionArgs& args) {
  attention<float>(args);
}
void attention_f16_avx2(const AttentionArgs& args) {
  attention<uint16_t>(args);
}

void attention_store_f16_avx2(const float* x, void* out, size_t n) {
  const __m256 largest = _mm256_set1_ps(65504.0f);
  const __m256 smallest = _mm256_set1_ps(-65504.0f);
  uint16_t* halves = static_cast<uint16_t*>(out);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    // min and max return their second operand where either is NaN: so a NaN stays one.
    const __m256 clamped = _mm256_min_ps(largest, _mm256_max_ps(smallest, _mm256_loadu_ps(x + i)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(halves + i), _mm256_cvtps_ph(clamped, _MM_FROUND_TO_NEAREST_INT));
  }
  attention_store_f16_scalar(x + i, halves + i, n - i);
}

}  // namespace sain::kernels
#endif
