#ifdef __AVX512VNNI__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/gemm_packed/body.h"
#include "kernels/gemm_packed/versions.h"

namespace sain::kernels {
namespace {

/// A group is one register, and vpdpbusd sums four products of a row into 32 bits.
struct Avx512 {
  using Codes = __m512i;
  using Ints = __m512i;
  using Floats = __m512;
  static constexpr int kRows = 16;
  static constexpr int kPanel = 6;
  static constexpr size_t kDirectTokens = 36;
  static constexpr int kTileGroups = 2;

  template <class F>
  static constexpr int offset_shift() {
    return F::kOffsetShift;
  }

  template <int kBits>
  struct Dot {
    __m512i sum;
    SAIN_INLINE void start(Ints init) { sum = init; }
    template <int>
    SAIN_INLINE void add(Codes w, __m512i y) {
      sum = _mm512_dpbusd_epi32(sum, w, y);
    }
    SAIN_INLINE Ints ints() const { return sum; }
  };

  template <class F>
  static constexpr bool offset_as_min() {
    return false;
  }
  template <class F>
  static SAIN_INLINE void prepare_scales(Tile& tile, size_t) {
    _mm512_storeu_ps(tile.row_scale, _mm512_set1_ps(1));
  }
  template <class F>
  struct TileDot : Dot<F::kBits> {
    template <int i>
    SAIN_INLINE void add(Codes w, __m512i y, const float*) {
      Dot<F::kBits>::template add<i>(w, y);
    }
    SAIN_INLINE Floats scaled(const float* scale) const {
      return _mm512_mul_ps(_mm512_loadu_ps(scale), _mm512_cvtepi32_ps(this->sum));
    }
  };

  static SAIN_INLINE Codes load_codes(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static SAIN_INLINE void store_codes(uint8_t* p, Codes v) { _mm512_storeu_si512(p, v); }
  static SAIN_INLINE Codes low_nibbles(Codes v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
  static SAIN_INLINE Codes high_nibbles(Codes v) {
    return _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15));
  }
  template <int kShift, int kMask>
  static SAIN_INLINE Codes or_bits(Codes low, Codes plane) {
    constexpr unsigned kLeft = kShift > 0 ? kShift : 0, kRight = kShift < 0 ? -kShift : 0;
    const __m512i moved = kRight == 0 ? _mm512_slli_epi16(plane, kLeft) : _mm512_srli_epi16(plane, kRight);
    return _mm512_ternarylogic_epi32(low, moved, _mm512_set1_epi8(kMask), 0xf8);  // low | (moved & mask)
  }
  static SAIN_INLINE __m512i four_bytes(const uint8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, 4);
    return _mm512_set1_epi32(four);
  }
  static SAIN_INLINE __m512i ones() { return _mm512_set1_epi8(1); }

  static SAIN_INLINE Ints zero_ints() { return _mm512_setzero_si512(); }
  static SAIN_INLINE Ints set_ints(int32_t v) { return _mm512_set1_epi32(v); }
  template <int kShift>
  static SAIN_INLINE Ints shifted(const uint8_t* p) {
    return _mm512_slli_epi32(four_bytes(p), kShift);
  }
  static SAIN_INLINE Ints ints_of_bytes(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static SAIN_INLINE Ints ints_of_signed_bytes(const int8_t* p) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  /// (v >> kShift) & kMask; a negative shift is one to the left.
  template <int kShift, int kMask>
  static SAIN_INLINE Ints bits(Ints v) {
    constexpr unsigned kRight = kShift > 0 ? kShift : 0, kLeft = kShift < 0 ? -kShift : 0;
    const __m512i moved = kLeft == 0 ? _mm512_srli_epi32(v, kRight) : _mm512_slli_epi32(v, kLeft);
    return _mm512_and_si512(moved, set_ints(kMask));
  }
  static SAIN_INLINE Ints or_ints(Ints a, Ints b) { return _mm512_or_si512(a, b); }
  static SAIN_INLINE Floats to_floats(Ints v) { return _mm512_cvtepi32_ps(v); }

  static SAIN_INLINE Floats zero_floats() { return _mm512_setzero_ps(); }
  static SAIN_INLINE Floats set_floats(float v) { return _mm512_set1_ps(v); }
  static SAIN_INLINE Floats one_float(const uint8_t* p) { return _mm512_castsi512_ps(four_bytes(p)); }
  static SAIN_INLINE Floats floats_of_halves(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static SAIN_INLINE Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static SAIN_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static SAIN_INLINE Floats fnma(Floats a, Floats b, Floats c) { return _mm512_fnmadd_ps(a, b, c); }
  static SAIN_INLINE Floats negate(Floats v) { return _mm512_sub_ps(_mm512_set1_ps(-0.0f), v); }
  static SAIN_INLINE Floats load(const float* p, size_t rows) {
    if (rows == kRows) return _mm512_loadu_ps(p);
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << rows) - 1), p);
  }
  static SAIN_INLINE void store(float* p, Floats v, size_t rows) {
    if (rows == kRows) return _mm512_storeu_ps(p, v);
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << rows) - 1), v);
  }
};

}  // namespace

const GemmPacked kGemmPackedAvx512 = gemm_packed_table<Avx512>();

}  // namespace sain::kernels
#endif
