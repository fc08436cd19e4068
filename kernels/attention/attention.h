// Attention of one query head over cached keys and values, and the conversion of rows into the cache.
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// out = softmax(cap(scale * K q)) V over n cached positions, n >= 1.
struct AttentionArgs {
  const float* query;  // (head_dim)
  const void* keys;    // position p's key begins p * stride elements after it: head_dim elements
  const void* values;  // likewise
  size_t stride;       // elements of the cache's type from one position to the next
  size_t n;            // positions attended to
  size_t head_dim;
  float scale;
  float soft_cap;  // 0: none; otherwise a score s becomes soft_cap * tanh(s / soft_cap)
  float* scores;   // (n) scratch
  float* out;      // (head_dim), overwritten
};

using AttentionFn = void (*)(const AttentionArgs& args);

/// One entry for each type that the cache can have.
struct Attention {
  AttentionFn f32;
  AttentionFn f16;
  /// Rounds n floats to f16, to nearest even; beyond 65504 becomes that value with its sign, so that one large
  /// activation cannot turn a whole row into infinities. NaN stays NaN.
  void (*store_f16)(const float* x, void* out, size_t n);
};

Attention select_attention(Isa isa);

}  // namespace sain::kernels
