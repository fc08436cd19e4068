// The operators for vectors of any width: S is a struct of kernels/simd/. In an anonymous namespace, so that
// nothing compiled for one instruction set reaches the other files.
#pragma once

#include <stddef.h>

#include "kernels/simd/exp.h"

namespace sain::kernels {
namespace {

/// The greatest of what `value` makes of vectors of x, -infinity at least; and of x itself in the tail.
template <class S, class Value>
typename S::F greatest_of(const float* x, size_t n, const Value& value) {
  using F = typename S::F;
  const F least = S::set1(-__builtin_inff());
  F greatest[4] = {least, least, least, least};  // chains enough to hide the latency
  size_t i = 0;
  for (; i + 4 * S::kLanes <= n; i += 4 * S::kLanes) {
    for (size_t c = 0; c < 4; ++c) greatest[c] = S::max(value(S::load(x + i + c * S::kLanes)), greatest[c]);
  }
  for (; i + S::kLanes <= n; i += S::kLanes) greatest[0] = S::max(value(S::load(x + i)), greatest[0]);
  for (; i < n; ++i) greatest[1] = S::max(value(S::set1(x[i])), greatest[1]);
  return S::max(S::max(greatest[0], greatest[1]), S::max(greatest[2], greatest[3]));
}

template <class S>
size_t reduce_argmax_f32(const float* x, size_t n) {
  using F = typename S::F;
  const F least = S::set1(-__builtin_inff());
  const float greatest = S::max_lane(greatest_of<S>(x, n, [&](F v) { return S::finite_or(v, least); }));
  if (greatest == -__builtin_inff()) return 0;
  // The first that equals it.
  const F wanted = S::set1(greatest);
  size_t i = 0;
  while (i + S::kLanes <= n && !S::any_equal(S::load(x + i), wanted)) i += S::kLanes;
  while (x[i] != greatest) ++i;
  return i;
}

template <class S>
float reduce_max_f32(const float* x, size_t n) {
  using F = typename S::F;
  return S::max_lane(greatest_of<S>(x, n, [](F v) { return v; }));
}

template <class S>
size_t reduce_find_above_f32(const float* x, size_t begin, size_t n, float threshold) {
  const typename S::F limit = S::set1(threshold);
  size_t i = begin;
  while (i + S::kLanes <= n && !S::any_less(limit, S::load(x + i))) i += S::kLanes;
  while (i < n && !(x[i] > threshold)) ++i;
  return i < n ? i : n;
}

template <class S>
double reduce_exp_sum_f32(const float* x, float shift, size_t n) {
  using F = typename S::F;
  const F shifts = S::set1(shift);
  typename S::D low = S::zero_d(), high = S::zero_d();
  size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) {
    S::add_to(exp_f32<S, ExpDomain::kAtMost0>(S::sub(S::load(x + i), shifts)), low, high);
  }
  double sum = S::sum_d(S::add_d(low, high));
  for (; i < n; ++i) sum += static_cast<double>(exp_f32(x[i] - shift));
  return sum;
}

}  // namespace
}  // namespace sain::kernels
