// Groups as two registers of eight rows: the operations of body.h's V that AVX2 and AVX-VNNI share.
#pragma once

#ifdef __AVX2__
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/gemm_packed/body.h"

namespace sain::kernels {
namespace {

struct EightRows {
  using Codes = __m256i;
  using Ints = __m256i;
  using Floats = __m256;
  static constexpr int kRows = 8;
  static constexpr int kPanel = 4;
  static constexpr int kTileGroups = 1;

  static SAIN_INLINE Codes load_codes(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static SAIN_INLINE void store_codes(uint8_t* p, Codes v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static SAIN_INLINE Codes low_nibbles(Codes v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
  static SAIN_INLINE Codes high_nibbles(Codes v) { return low_nibbles(_mm256_srli_epi16(v, 4)); }
  template <int kShift, int kMask>
  static SAIN_INLINE Codes or_bits(Codes low, Codes plane) {
    constexpr int kLeft = kShift > 0 ? kShift : 0, kRight = kShift < 0 ? -kShift : 0;
    const __m256i moved = kRight == 0 ? _mm256_slli_epi16(plane, kLeft) : _mm256_srli_epi16(plane, kRight);
    return _mm256_or_si256(low, _mm256_and_si256(moved, _mm256_set1_epi8(kMask)));
  }
  static SAIN_INLINE __m256i four_bytes(const uint8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
  }
  static SAIN_INLINE __m256i ones() { return _mm256_set1_epi8(1); }

  static SAIN_INLINE Ints set_ints(int32_t v) { return _mm256_set1_epi32(v); }
  static SAIN_INLINE Ints zero_ints() { return _mm256_setzero_si256(); }
  template <int kShift>
  static SAIN_INLINE Ints shifted(const uint8_t* p) {
    return _mm256_slli_epi32(four_bytes(p), kShift);
  }
  static SAIN_INLINE Ints ints_of_bytes(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static SAIN_INLINE Ints ints_of_signed_bytes(const int8_t* p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  /// (v >> kShift) & kMask; a negative shift is one to the left.
  template <int kShift, int kMask>
  static SAIN_INLINE Ints bits(Ints v) {
    constexpr int kRight = kShift > 0 ? kShift : 0, kLeft = kShift < 0 ? -kShift : 0;
    const __m256i moved = kLeft == 0 ? _mm256_srli_epi32(v, kRight) : _mm256_slli_epi32(v, kLeft);
    return _mm256_and_si256(moved, set_ints(kMask));
  }
  static SAIN_INLINE Ints or_ints(Ints a, Ints b) { return _mm256_or_si256(a, b); }
  static SAIN_INLINE Floats to_floats(Ints v) { return _mm256_cvtepi32_ps(v); }

  static SAIN_INLINE Floats zero_floats() { return _mm256_setzero_ps(); }
  static SAIN_INLINE Floats set_floats(float v) { return _mm256_set1_ps(v); }
  static SAIN_INLINE Floats one_float(const uint8_t* p) { return _mm256_castsi256_ps(four_bytes(p)); }
  static SAIN_INLINE Floats floats_of_halves(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static SAIN_INLINE Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static SAIN_INLINE Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static SAIN_INLINE Floats fnma(Floats a, Floats b, Floats c) { return _mm256_fnmadd_ps(a, b, c); }
  static SAIN_INLINE Floats negate(Floats v) { return _mm256_sub_ps(_mm256_set1_ps(-0.0f), v); }
  static SAIN_INLINE __m256i mask(size_t rows) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(rows)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static SAIN_INLINE Floats load(const float* p, size_t rows) {
    return rows == kRows ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, mask(rows));
  }
  static SAIN_INLINE void store(float* p, Floats v, size_t rows) {
    rows == kRows ? _mm256_storeu_ps(p, v) : _mm256_maskstore_ps(p, mask(rows), v);
  }
};

}  // namespace
}  // namespace sain::kernels
#endif
