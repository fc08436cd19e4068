#ifdef __AVXVNNI__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/probe/dot_chains.h"
#include "kernels/probe/probe.h"
#include "kernels/probe/versions.h"

namespace sain::kernels {
namespace {

struct AvxVnni {
  using Register = __m256i;
  static constexpr size_t kLanes = 8;

  static Register set(char byte) { return _mm256_set1_epi8(byte); }
  static Register zero() { return _mm256_setzero_si256(); }
  /// In assembly, so that compilers neither reorder the chains nor copy their registers.
  static void add_products(Register& sum, Register weights, Register activations) {
    asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(weights), "x"(activations));
  }
  static Register sum(Register a, Register b) { return _mm256_add_epi32(a, b); }
  static void store(uint32_t* lanes, Register v) { _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), v); }
};

}  // namespace

uint32_t probe_multiply_int8_avx_vnni(size_t n_rounds) {
  static_assert(kProbeMacsAvxVnni == kDotChains * 32);
  return multiply_in_chains<AvxVnni>(n_rounds);
}

}  // namespace sain::kernels
#endif
