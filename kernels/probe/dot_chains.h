// Probe::multiply_int8 where the machine has vpdpbusd or sdot. A version gives a class V: its Register, set(byte),
// zero(), add_products(sum, weights, activations), and sum(a, b) and kLanes of 32-bit lanes.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sain::kernels {
namespace {

inline constexpr int kDotChains = 10;

/// vpdpbusd takes 4 or 5 cycles and starts up to twice a cycle: ten chains keep it busy. Not in an array: compilers
/// keep those in memory.
template <class V>
uint32_t multiply_in_chains(size_t n_rounds) {
  using Register = typename V::Register;
  const Register weights = V::set(3), activations = V::set(5);
  Register a = V::zero(), b = a, c = a, d = a, e = a, f = a, g = a, h = a, k = a, l = a;
  for (size_t i = 0; i < n_rounds; ++i) {
    V::add_products(a, weights, activations);
    V::add_products(b, weights, activations);
    V::add_products(c, weights, activations);
    V::add_products(d, weights, activations);
    V::add_products(e, weights, activations);
    V::add_products(f, weights, activations);
    V::add_products(g, weights, activations);
    V::add_products(h, weights, activations);
    V::add_products(k, weights, activations);
    V::add_products(l, weights, activations);
  }
  const Register low = V::sum(V::sum(V::sum(a, b), V::sum(c, d)), e),
                 high = V::sum(V::sum(V::sum(f, g), V::sum(h, k)), l);
  alignas(64) uint32_t lanes[V::kLanes];
  V::store(lanes, V::sum(low, high));
  uint32_t total = 0;
  for (const uint32_t lane : lanes) total += lane;
  return total;
}

}  // namespace
}  // namespace sain::kernels
