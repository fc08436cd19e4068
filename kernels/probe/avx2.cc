#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/probe/probe.h"
#include "kernels/probe/versions.h"

namespace sain::kernels {

uint64_t probe_read_avx2(const void* data, size_t bytes) {
  const char* begin = static_cast<const char*>(data);
  const size_t stream_bytes = bytes / kProbeStreams;
  constexpr size_t kStep = kProbeReadUnit / kProbeStreams;  // of one stream before the next: four cache lines
  __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
  for (size_t i = 0; i < stream_bytes; i += kStep) {
    for (size_t s = 0; s < kProbeStreams; ++s) {
      const char* step = begin + s * stream_bytes + i;
      for (size_t b = 0; b < kStep; b += 128) {
        for (size_t c = 0; c < 4; ++c) {
          const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(step + b + 32 * c));
          sum[c] = _mm256_add_epi64(sum[c], words);
        }
      }
    }
  }
  alignas(32) uint64_t lanes[4];
  const __m256i all = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3]));
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), all);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

namespace {

/// Eight products of 32 bytes summed in 16 bits, as many as codes of 4 bits and activations of 7 leave room for, then
/// widened by one pmaddwd.
__m256i eight_products(__m256i weights, __m256i activations) {
  __m256i pairs = _mm256_setzero_si256();
  for (size_t p = 0; p < 8; ++p) {
    __m256i product;  // in assembly, or compilers would compute it once for all
    asm volatile("vpmaddubsw %2, %1, %0" : "=x"(product) : "x"(weights), "x"(activations));
    pairs = _mm256_add_epi16(pairs, product);
  }
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

}  // namespace

uint32_t probe_multiply_int8_avx2(size_t n_rounds) {
  static_assert(kProbeMacsAvx2 == 4 * 8 * 32);
  const __m256i weights = _mm256_set1_epi8(3), activations = _mm256_set1_epi8(5);
  // Four chains, not in an array: compilers keep those in memory.
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (size_t i = 0; i < n_rounds; ++i) {
    a = _mm256_add_epi32(a, eight_products(weights, activations));
    b = _mm256_add_epi32(b, eight_products(weights, activations));
    c = _mm256_add_epi32(c, eight_products(weights, activations));
    d = _mm256_add_epi32(d, eight_products(weights, activations));
  }
  alignas(32) uint32_t lanes[8];
  const __m256i all = _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), all);
  uint32_t total = 0;
  for (const uint32_t lane : lanes) total += lane;
  return total;
}

}  // namespace sain::kernels
#endif
