// The operators for vectors of any width: S is a struct of kernels/simd/. In an anonymous namespace, so that
// nothing compiled for one instruction set reaches the other files.
#pragma once

#include <stddef.h>

#include "kernels/simd/exp.h"

namespace sain::kernels {
namespace {

/// x / (1 + e^-y)
template <class S>
typename S::F gated_by_sigmoid(typename S::F x, typename S::F y) {
  return S::div(x, S::add(S::set1(1.0f), exp_f32<S>(S::sub(S::zero(), y))));
}

struct Silu {
  template <class S>
  static typename S::F of(typename S::F x) {
    return gated_by_sigmoid<S>(x, x);
  }
};

/// As (1 + tanh(z)) / 2 = 1 / (1 + e^-2z).
struct Gelu {
  template <class S>
  static typename S::F of(typename S::F x) {
    const typename S::F cubic = S::mul(S::mul(x, x), S::mul(x, S::set1(0.044715f)));
    return gated_by_sigmoid<S>(x, S::mul(S::set1(1.5957691216057308f), S::add(x, cubic)));  // 2 sqrt(2 / pi)
  }
};

template <class S, class Function>
void gate_f32(const float* gate, const float* up, float* out, size_t n) {
  size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) {
    S::store(out + i, S::mul(Function::template of<S>(S::load(gate + i)), S::load(up + i)));
  }
  if (i < n) {
    const size_t rest = n - i;
    const typename S::F x = Function::template of<S>(S::load_first(gate + i, rest));
    S::store_first(out + i, S::mul(x, S::load_first(up + i, rest)), rest);
  }
}

template <class S>
void swiglu_f32(const float* gate, const float* up, float* out, size_t n) {
  gate_f32<S, Silu>(gate, up, out, n);
}

template <class S>
void geglu_f32(const float* gate, const float* up, float* out, size_t n) {
  gate_f32<S, Gelu>(gate, up, out, n);
}

/// max(x, 0) - |x| erfc(|x| / sqrt(2)) / 2, with erfc by a polynomial in 1 / (1 + p z) times e^-z^2 (Abramowitz and
/// Stegun, Handbook of Mathematical Functions, 7.1.26: within 1.5e-7).
struct ExactGelu {
  template <class S>
  static typename S::F of(typename S::F x) {
    using F = typename S::F;
    const F magnitude = S::max(S::sub(S::zero(), x), x);
    const F z = S::mul(magnitude, S::set1(0.7071067811865475f));
    const F t = S::div(S::set1(1.0f), S::fma(S::set1(0.3275911f), z, S::set1(1.0f)));
    F erfc = S::set1(1.061405429f);
    constexpr float kPolynomial[] = {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f};
    for (const float a : kPolynomial) erfc = S::fma(erfc, t, S::set1(a));
    erfc = S::mul(S::mul(erfc, t), exp_f32<S, ExpDomain::kAtMost0>(S::sub(S::zero(), S::mul(z, z))));
    return S::fnma(S::mul(S::set1(0.5f), magnitude), erfc, S::max(S::zero(), x));
  }
};

template <class S>
void gelu_f32(const float* x, float* out, size_t n) {
  size_t i = 0;
  for (; i + S::kLanes <= n; i += S::kLanes) S::store(out + i, ExactGelu::of<S>(S::load(x + i)));
  if (i < n) S::store_first(out + i, ExactGelu::of<S>(S::load_first(x + i, n - i)), n - i);
}

}  // namespace
}  // namespace sain::kernels
