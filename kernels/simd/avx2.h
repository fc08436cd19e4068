// Vectors of 8 floats (AVX2, FMA, F16C), as operators that are written once for several instruction sets use them;
// avx512.h has the same names. Only files named avx2.cc include this.
//
// In an anonymous namespace, so that nothing compiled for this instruction set reaches the other files.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/half.h"

#ifdef __AVX2__
#include <immintrin.h>

namespace sain::kernels {
namespace {

struct Avx2 {
  using F = __m256;
  static constexpr size_t kLanes = 8;

  static F zero() { return _mm256_setzero_ps(); }
  static F set1(float x) { return _mm256_set1_ps(x); }
  static F load(const float* x) { return _mm256_loadu_ps(x); }
  static void store(float* out, F x) { _mm256_storeu_ps(out, x); }

  /// The first n < kLanes elements; the others are 0, or not written.
  static F load_first(const float* x, size_t n) { return _mm256_maskload_ps(x, first(n)); }
  static void store_first(float* out, F x, size_t n) { _mm256_maskstore_ps(out, first(n), x); }

  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }    // a * b + c
  static F fnma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a * b
  static F max(F a, F b) { return _mm256_max_ps(a, b); }              // b where either is NaN
  static F min(F a, F b) { return _mm256_min_ps(a, b); }              // likewise
  static F round(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  /// 2^n for whole n from -127 (where it is 0) to 128 (infinity).
  static F power_of_2(F n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
  }

  // Sums in double.
  using D = __m256d;
  static D zero_d() { return _mm256_setzero_pd(); }
  static D add_d(D a, D b) { return _mm256_add_pd(a, b); }
  static void add_squares(F x, D& low, D& high) {
    const D x_low = _mm256_cvtps_pd(_mm256_castps256_ps128(x)), x_high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    low = _mm256_fmadd_pd(x_low, x_low, low);
    high = _mm256_fmadd_pd(x_high, x_high, high);
  }
  static void add_to(F x, D& low, D& high) {
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
  }
  static double sum_d(D x) {
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }

  // Pairs of neighbours.
  static F even_twice(F x) { return _mm256_moveldup_ps(x); }       // x0 x0 x2 x2 ...
  static F odd_twice(F x) { return _mm256_movehdup_ps(x); }        // x1 x1 x3 x3 ...
  static F swap_pairs(F x) { return _mm256_permute_ps(x, 0xb1); }  // x1 x0 x3 x2 ...
  static F sub_add(F a, F b) { return _mm256_addsub_ps(a, b); }    // a0 - b0, a1 + b1, ...
  /// The even (odd) elements of low and high, in order.
  static F evens(F low, F high) { return in_order(_mm256_shuffle_ps(low, high, 0x88)); }
  static F odds(F low, F high) { return in_order(_mm256_shuffle_ps(low, high, 0xdd)); }

  /// x where it is finite.
  static F finite_or(F x, F otherwise) {
    const F magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
    const F is_finite = _mm256_cmp_ps(magnitude, _mm256_set1_ps(__builtin_inff()), _CMP_LT_OQ);
    return _mm256_blendv_ps(otherwise, x, is_finite);
  }
  static bool any_less(F a, F b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)) != 0; }
  static bool any_equal(F a, F b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)) != 0; }

  static float sum(F x) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
  }
  static float max_lane(F x) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
  }

  /// The sums of four vectors, as four floats.
  static void store_sums(float* out, F a, F b, F c, F d) {
    const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
  }

  /// rows[i][j] and rows[j][i] change places.
  static void transpose(F (&rows)[kLanes]) {
    F pair[8], quad[8];
    for (size_t i = 0; i < 8; i += 2) {
      pair[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
      pair[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4) {
      quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
      quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
      quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
      quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
    }
    for (size_t i = 0; i < 4; ++i) {
      rows[i] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20);
      rows[i + 4] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31);
    }
  }

  // Elements of other types.
  static F load_f16(const uint16_t* x) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))); }
  static F load_first_f16(const uint16_t* x, size_t n) {
    uint16_t padded[kLanes] = {};
    for (size_t i = 0; i < n; ++i) padded[i] = x[i];
    return load_f16(padded);
  }
  static F load_i8(const int8_t* x) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
  }
  /// The low (shift 0) or high (4) halves of the first bytes at x, each less 8.
  static F load_nibbles(const uint8_t* x, int shift) {
    const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
    const __m256i shifted = shift == 0 ? bytes : _mm256_srli_epi32(bytes, 4);
    const __m256i nibbles = _mm256_and_si256(shifted, _mm256_set1_epi32(15));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(nibbles, _mm256_set1_epi32(8)));
  }
  static F set1_f16(uint16_t x) { return _mm256_set1_ps(_cvtsh_ss(x)); }

 private:
  static F in_order(F x) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(x), 0xd8)); }
  static __m256i first(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace sain::kernels
#endif
