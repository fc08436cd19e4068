// The operator for vectors of any width: S is Neon, Avx2 or Avx512 of kernels/simd/. In an anonymous namespace, so that
// nothing compiled for one instruction set reaches the other files.
#pragma once

#include <stddef.h>

#include "kernels/hadamard/hadamard.h"
#include "kernels/hadamard/versions.h"

namespace sain::kernels {
namespace {

/// A step of the scalar version, for all blocks of n floats.
template <class S>
void hadamard_step(const float* from, float* to, size_t n, size_t block) {
  const size_t half = block / 2;
  for (size_t first = 0; first < n; first += block) {
    for (size_t i = first; i < first + half; i += S::kLanes) {
      const typename S::F low = S::load(from + 2 * i - first), high = S::load(from + 2 * i - first + S::kLanes);
      const typename S::F a = S::evens(low, high), b = S::odds(low, high);
      S::store(to + i, S::add(a, b));
      S::store(to + i + half, S::sub(a, b));
    }
  }
}

template <class S>
void hadamard(float* x, size_t n, size_t block) {
  if (block < 2 * S::kLanes) return hadamard_scalar(x, n, block);
  // A step of one block would wait for the step before; those of several go on together.
  constexpr size_t kTogether = 4 * kMaxHadamardBlock;
  float buffer[kTogether];
  const typename S::F scale = S::set1(1.0f / __builtin_sqrtf(static_cast<float>(block)));
  for (size_t count = 0; n > 0; x += count, n -= count) {
    count = n < kTogether ? n : kTogether;
    for (size_t i = 0; i < count; i += S::kLanes) S::store(x + i, S::mul(scale, S::load(x + i)));
    float *from = x, *to = buffer;
    for (size_t step = 1; step < block; step *= 2) {
      hadamard_step<S>(from, to, count, block);
      float* const last = from;
      from = to;
      to = last;
    }
    if (from == x) continue;
    for (size_t i = 0; i < count; i += S::kLanes) S::store(x + i, S::load(from + i));
  }
}

}  // namespace
}  // namespace sain::kernels
