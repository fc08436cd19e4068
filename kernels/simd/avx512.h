// Vectors of 16 floats (AVX-512 F, BW, DQ, VL), with the names of avx2.h. Only files named avx512.cc include this.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/half.h"

#ifdef __AVX512F__
#include <immintrin.h>

namespace sain::kernels {
namespace {

struct Avx512 {
  using F = __m512;
  static constexpr size_t kLanes = 16;

  static F zero() { return _mm512_setzero_ps(); }
  static F set1(float x) { return _mm512_set1_ps(x); }
  static F load(const float* x) { return _mm512_loadu_ps(x); }
  static void store(float* out, F x) { _mm512_storeu_ps(out, x); }

  /// The first n < kLanes elements; the others are 0, or not written.
  static F load_first(const float* x, size_t n) { return _mm512_maskz_loadu_ps(first(n), x); }
  static void store_first(float* out, F x, size_t n) { _mm512_mask_storeu_ps(out, first(n), x); }

  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }    // a * b + c
  static F fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
  static F max(F a, F b) { return _mm512_max_ps(a, b); }              // b where either is NaN
  static F min(F a, F b) { return _mm512_min_ps(a, b); }              // likewise
  static F round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  /// 2^n for whole n from -127 (where it is 0) to 128 (infinity).
  static F power_of_2(F n) {
    const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
  }

  // Sums in double.
  using D = __m512d;
  static D zero_d() { return _mm512_setzero_pd(); }
  static D add_d(D a, D b) { return _mm512_add_pd(a, b); }
  static void add_squares(F x, D& low, D& high) {
    const D x_low = _mm512_cvtps_pd(_mm512_castps512_ps256(x)), x_high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    low = _mm512_fmadd_pd(x_low, x_low, low);
    high = _mm512_fmadd_pd(x_high, x_high, high);
  }
  static void add_to(F x, D& low, D& high) {
    low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(x)));
    high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)));
  }
  static double sum_d(D x) {
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }

  // Pairs of neighbours.
  static F even_twice(F x) { return _mm512_moveldup_ps(x); }       // x0 x0 x2 x2 ...
  static F odd_twice(F x) { return _mm512_movehdup_ps(x); }        // x1 x1 x3 x3 ...
  static F swap_pairs(F x) { return _mm512_permute_ps(x, 0xb1); }  // x1 x0 x3 x2 ...
  static F sub_add(F a, F b) {                                     // a0 - b0, a1 + b1, ...
    return _mm512_mask_sub_ps(_mm512_add_ps(a, b), 0x5555, a, b);
  }
  /// The even (odd) elements of low and high, in order.
  static F evens(F low, F high) { return in_order(_mm512_shuffle_ps(low, high, 0x88)); }
  static F odds(F low, F high) { return in_order(_mm512_shuffle_ps(low, high, 0xdd)); }

  /// x where it is finite.
  static F finite_or(F x, F otherwise) {
    const __mmask16 is_finite = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(__builtin_inff()), _CMP_LT_OQ);
    return _mm512_mask_blend_ps(is_finite, otherwise, x);
  }
  static bool any_less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) != 0; }
  static bool any_equal(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ) != 0; }

  static float sum(F x) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }
  static float max_lane(F x) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  }

  /// The sums of four vectors, as four floats.
  static void store_sums(float* out, F a, F b, F c, F d) {
    const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(halves(a), halves(b)), _mm256_hadd_ps(halves(c), halves(d)));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
  }

  /// rows[i][j] and rows[j][i] change places.
  static void transpose(F (&rows)[kLanes]) {
    F pair[16], quad[16], oct[16];
    for (size_t i = 0; i < 16; i += 2) {
      pair[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
      pair[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (size_t i = 0; i < 16; i += 4) {
      quad[i] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0x44);
      quad[i + 1] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0xee);
      quad[i + 2] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
      quad[i + 3] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    // quad[4 * g + c] holds columns c, c + 4, c + 8, c + 12 of rows 4 * g to 4 * g + 3, a column each 128 bits.
    for (size_t c = 0; c < 4; ++c) {
      oct[c] = _mm512_shuffle_f32x4(quad[c], quad[c + 4], 0x88);           // columns c, c + 8 of rows 0 to 7
      oct[c + 4] = _mm512_shuffle_f32x4(quad[c], quad[c + 4], 0xdd);       // columns c + 4, c + 12
      oct[c + 8] = _mm512_shuffle_f32x4(quad[c + 8], quad[c + 12], 0x88);  // the same of rows 8 to 15
      oct[c + 12] = _mm512_shuffle_f32x4(quad[c + 8], quad[c + 12], 0xdd);
    }
    for (size_t c = 0; c < 8; ++c) {
      rows[c] = _mm512_shuffle_f32x4(oct[c], oct[c + 8], 0x88);
      rows[c + 8] = _mm512_shuffle_f32x4(oct[c], oct[c + 8], 0xdd);
    }
  }

  // Elements of other types.
  static F load_f16(const uint16_t* x) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
  }
  static F load_first_f16(const uint16_t* x, size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), x));
  }
  static F load_i8(const int8_t* x) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
  }
  /// The low (shift 0) or high (4) halves of the first bytes at x, each less 8.
  static F load_nibbles(const uint8_t* x, int shift) {
    const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
    const __m512i shifted = shift == 0 ? bytes : _mm512_srli_epi32(bytes, 4);
    const __m512i nibbles = _mm512_and_si512(shifted, _mm512_set1_epi32(15));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(nibbles, _mm512_set1_epi32(8)));
  }
  static F set1_f16(uint16_t x) { return _mm512_set1_ps(_cvtsh_ss(x)); }

 private:
  static F in_order(F x) {
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    return _mm512_castpd_ps(_mm512_permutexvar_pd(order, _mm512_castps_pd(x)));
  }
  static __mmask16 first(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static __m256 halves(F x) { return _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)); }
};

}  // namespace
}  // namespace sain::kernels
#endif
