#ifdef __AVX512VNNI__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/probe/probe.h"
#include "kernels/probe/versions.h"

namespace sain::kernels {

namespace {

/// In assembly, so that compilers neither reorder the chains nor copy their registers.
inline void multiply_and_add(__m512i& sum, __m512i weights, __m512i activations) {
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(activations));
}

}  // namespace

/// vpdpbusd takes 4 or 5 cycles and starts up to twice a cycle: ten chains keep it busy. Not in an array: compilers
/// keep those in memory.
uint32_t probe_multiply_int8_avx512(size_t n_rounds) {
  static_assert(kProbeMacsAvx512 == 10 * 64);
  const __m512i weights = _mm512_set1_epi8(3), activations = _mm512_set1_epi8(5);
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a, e = a, f = a, g = a, h = a, k = a, l = a;
  for (size_t i = 0; i < n_rounds; ++i) {
    multiply_and_add(a, weights, activations);
    multiply_and_add(b, weights, activations);
    multiply_and_add(c, weights, activations);
    multiply_and_add(d, weights, activations);
    multiply_and_add(e, weights, activations);
    multiply_and_add(f, weights, activations);
    multiply_and_add(g, weights, activations);
    multiply_and_add(h, weights, activations);
    multiply_and_add(k, weights, activations);
    multiply_and_add(l, weights, activations);
  }
  const __m512i low = _mm512_add_epi32(_mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d)), e);
  const __m512i high = _mm512_add_epi32(_mm512_add_epi32(_mm512_add_epi32(f, g), _mm512_add_epi32(h, k)), l);
  alignas(64) uint32_t lanes[16];
  _mm512_store_si512(lanes, _mm512_add_epi32(low, high));
  uint32_t total = 0;
  for (const uint32_t lane : lanes) total += lane;
  return total;
}

}  // namespace sain::kernels
#endif
