// The types of a cached row, read with vectors of any width: S is a struct of kernels/simd/. In an anonymous
// namespace, so that nothing compiled for one instruction set reaches the other files.
//
// load<S>(row, block, i) gives S::kLanes elements from 32 * block + i on, i < 32 a multiple of S::kLanes (and a
// constant where speed counts: then nothing is computed for it); load_first<S>(row, block, i, n) the first n of them,
// and then numbers that nobody uses.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/blocks.h"

namespace sain::kernels {
namespace {

struct RowF32 {
  template <class S>
  static typename S::F load(const void* row, size_t block, size_t i) {
    return S::load(static_cast<const float*>(row) + 32 * block + i);
  }
  template <class S>
  static typename S::F load_first(const void* row, size_t block, size_t i, size_t n) {
    return S::load_first(static_cast<const float*>(row) + 32 * block + i, n);
  }
};

struct RowF16 {
  template <class S>
  static typename S::F load(const void* row, size_t block, size_t i) {
    return S::load_f16(static_cast<const uint16_t*>(row) + 32 * block + i);
  }
  template <class S>
  static typename S::F load_first(const void* row, size_t block, size_t i, size_t n) {
    return S::load_first_f16(static_cast<const uint16_t*>(row) + 32 * block + i, n);
  }
};

struct RowQ8_0 {
  template <class S>
  static typename S::F load(const void* row, size_t block, size_t i) {
    const BlockQ8_0& b = static_cast<const BlockQ8_0*>(row)[block];
    return S::mul(S::set1_f16(b.d), S::load_i8(b.qs + i));
  }
  template <class S>
  static typename S::F load_first(const void* row, size_t block, size_t i, size_t) {
    return load<S>(row, block, i);  // the last block is whole
  }
};

struct RowQ4_0 {
  template <class S>
  static typename S::F load(const void* row, size_t block, size_t i) {
    const BlockQ4_0& b = static_cast<const BlockQ4_0*>(row)[block];
    return S::mul(S::set1_f16(b.d), S::load_nibbles(b.qs + i % 16, i < 16 ? 0 : 4));
  }
  template <class S>
  static typename S::F load_first(const void* row, size_t block, size_t i, size_t) {
    return load<S>(row, block, i);
  }
};

}  // namespace
}  // namespace sain::kernels
