#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/gemm_packed/eight_rows.h"
#include "kernels/gemm_packed/versions.h"

namespace sain::kernels {
namespace {

/// vpmaddubsw sums two products of a row in 16 bits, which hold as many of these sums as the
/// codes are narrow; then vpmaddwd brings them to 32 bits.
struct Avx2 : EightRows {
  static constexpr size_t kDirectTokens = 12;

  /// 8-bit codes are taken as signed: unsigned ones would overflow.
  template <class F>
  static constexpr int offset_shift() {
    return F::kBits == 8 ? 0 : F::kOffsetShift;
  }

  /// Tiles multiply with 16-bit scales, in the vpmaddwd that is needed anyway: row_scale has what they are units of.
  template <class F>
  static constexpr bool offset_as_min() {
    return F::kOffsetShift != 0 && F::kBits != 8;
  }
  template <class F>
  static void prepare_scales(Tile& tile, size_t n_blocks) {
    // A block's sum is at most 2 * 2^15 * (8 / chain) * scale, and must stay below 2^31.
    constexpr float kMost = 32767.0f * Dot<F::kBits>::kChain / 8;
    const __m256 sign = _mm256_set1_ps(-0.0f);
    for (int row = 0; row < 16; row += 8) {
      __m256 most = _mm256_setzero_ps();
      for (size_t b = 0; b < n_blocks; ++b) {
        for (int h = 0; h < 8 / F::kSpan; ++h) {
          const __m256 scale = _mm256_loadu_ps(tile.blocks[b].scale[h] + row);
          most = _mm256_max_ps(_mm256_andnot_ps(sign, scale), most);
        }
      }
      // Rows without a scale may still have mins.
      most = _mm256_blendv_ps(_mm256_set1_ps(1), most, _mm256_cmp_ps(most, _mm256_setzero_ps(), _CMP_GT_OQ));
      const __m256 inverse = _mm256_div_ps(_mm256_set1_ps(kMost), most);
      _mm256_storeu_ps(tile.row_scale + row, _mm256_mul_ps(most, _mm256_set1_ps(1 / kMost)));
      for (size_t b = 0; b < n_blocks; ++b) {
        for (int h = 0; h < 8 / F::kSpan; ++h) {
          float* scale = tile.blocks[b].scale[h] + row;
          const __m256i units = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(scale), inverse));
          const __m256i low = _mm256_and_si256(units, _mm256_set1_epi32(0xffff));
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(scale), _mm256_or_si256(low, _mm256_slli_epi32(units, 16)));
          float* min = tile.blocks[b].min[h] + row;
          _mm256_storeu_ps(min, _mm256_mul_ps(_mm256_loadu_ps(min), inverse));
        }
        float* sum = tile.blocks[b].sum + row;
        _mm256_storeu_ps(sum, _mm256_mul_ps(_mm256_loadu_ps(sum), inverse));
      }
    }
  }

  template <int kBits>
  struct Dot {
    // With |y| <= 127, 32767 holds 8 sums of two products with 4-bit codes, 4 with 5-bit, 2 with 6-bit codes.
    static constexpr int kChain = kBits == 4 ? 8 : kBits == 5 ? 4 : kBits == 6 ? 2 : 1;
    __m256i narrow, wide;

    SAIN_INLINE void start(Ints init) { wide = init; }
    template <int i>
    SAIN_INLINE void add(Codes w, __m256i y) {
      add_times<i>(w, y, _mm256_set1_epi16(1));
    }
    template <int i>
    SAIN_INLINE void add_times(Codes w, __m256i y, __m256i factor) {
      __m256i products;
      if constexpr (kBits == 8) {  // |w| * (y with w's sign): at most 2 * 128 * 127
        const __m256i signed_w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
        products = _mm256_maddubs_epi16(_mm256_abs_epi8(signed_w), _mm256_sign_epi8(y, signed_w));
      } else {
        products = _mm256_maddubs_epi16(w, y);
      }
      if constexpr (i % kChain == 0) {
        narrow = products;
      } else {
        narrow = _mm256_add_epi16(narrow, products);
        asm("" : "+x"(narrow));  // else GCC sums in another order and spills every product
      }
      if constexpr (i % kChain == kChain - 1) {
        wide = _mm256_add_epi32(wide, _mm256_madd_epi16(narrow, factor));
      }
    }
    SAIN_INLINE Ints ints() const { return wide; }
  };

  template <class F>
  struct TileDot : Dot<F::kBits> {
    template <int i>
    SAIN_INLINE void add(Codes w, __m256i y, const float* scale) {
      Dot<F::kBits>::template add_times<i>(w, y, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scale)));
    }
    SAIN_INLINE Floats scaled(const float*) const { return _mm256_cvtepi32_ps(this->wide); }
  };
};

}  // namespace

const GemmPacked kGemmPackedAvx2 = gemm_packed_table<Avx2>();

}  // namespace sain::kernels
#endif
