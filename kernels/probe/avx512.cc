#ifdef __AVX512VNNI__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/probe/dot_chains.h"
#include "kernels/probe/probe.h"
#include "kernels/probe/versions.h"

namespace sain::kernels {
namespace {

struct Avx512 {
  using Register = __m512i;
  static constexpr size_t kLanes = 16;

  static Register set(char byte) { return _mm512_set1_epi8(byte); }
  static Register zero() { return _mm512_setzero_si512(); }
  /// In assembly, so that compilers neither reorder the chains nor copy their registers.
  static void add_products(Register& sum, Register weights, Register activations) {
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(activations));
  }
  static Register sum(Register a, Register b) { return _mm512_add_epi32(a, b); }
  static void store(uint32_t* lanes, Register v) { _mm512_store_si512(lanes, v); }
};

}  // namespace

uint32_t probe_multiply_int8_avx512(size_t n_rounds) {
  static_assert(kProbeMacsAvx512 == kDotChains * 64);
  return multiply_in_chains<Avx512>(n_rounds);
}

}  // namespace sain::kernels
#endif
