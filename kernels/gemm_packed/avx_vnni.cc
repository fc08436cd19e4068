#ifdef __AVXVNNI__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/gemm_packed/eight_rows.h"
#include "kernels/gemm_packed/versions.h"

namespace sain::kernels {
namespace {

/// vpdpbusd sums four products of a row into 32 bits, as with AVX-512.
struct AvxVnni : EightRows {
  static constexpr size_t kDirectTokens = 16;

  template <class F>
  static constexpr int offset_shift() {
    return F::kOffsetShift;
  }
  template <class F>
  static constexpr bool offset_as_min() {
    return false;
  }

  template <int kBits>
  struct Dot {
    __m256i sum;
    SAIN_INLINE void start(Ints init) { sum = init; }
    template <int>
    SAIN_INLINE void add(Codes w, __m256i y) {
      sum = _mm256_dpbusd_avx_epi32(sum, w, y);
    }
    SAIN_INLINE Ints ints() const { return sum; }
  };

  template <class F>
  static SAIN_INLINE void prepare_scales(Tile& tile, size_t) {
    for (float& scale : tile.row_scale) scale = 1;
  }
  template <class F>
  struct TileDot : Dot<F::kBits> {
    template <int i>
    SAIN_INLINE void add(Codes w, __m256i y, const float*) {
      Dot<F::kBits>::template add<i>(w, y);
    }
    SAIN_INLINE Floats scaled(const float* scale) const {
      return _mm256_mul_ps(_mm256_loadu_ps(scale), _mm256_cvtepi32_ps(this->sum));
    }
  };
};

}  // namespace

const GemmPacked kGemmPackedAvxVnni = gemm_packed_table<AvxVnni>();

}  // namespace sain::kernels
#endif
