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

}  // namespace
}  // namespace sain::kernels
