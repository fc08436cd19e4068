// How a version divides its work and its scratch memory.
//
// Everything is `static`: a file compiled for one instruction set must not lend its copy to the others.
#pragma once

#include <stddef.h>

#include "kernels/attention/attention.h"

namespace sain::kernels {

/// Positions a step. With head_dim 128 a step's keys and values are 64 KiB of floats, which stay in a second-level
/// cache beside the queries and sums of 64 rows (96 KiB more).
inline constexpr size_t kAttentionBlock = 64;
/// Columns of a panel: the inner products read keys and values as (k, 16) panels of floats.
inline constexpr size_t kAttentionPanel = 16;

static inline size_t attention_padded(size_t n) {
  return (n + kAttentionPanel - 1) / kAttentionPanel * kAttentionPanel;
}

/// The parts of AttentionArgs::scratch. Each is a multiple of 16 floats.
struct AttentionScratch {
  float* queries;  // (n_rows, head_dim), times scale
  float* scores;   // (n_rows, kAttentionBlock), then their exponentials
  float* sums;     // (n_rows, padded head_dim): out before its division
  float* keys;     // (kAttentionBlock / 16, head_dim, 16)
  float* values;   // (padded head_dim / 16, kAttentionBlock, 16)
  float* max;      // (n_rows): the greatest score so far
  float* shift;    // (n_rows): what this step's exponents are lowered by: max, or 0 where nothing has been seen
  float* keep;     // (n_rows): what sums and total are multiplied by when max rises
  float* total;    // (n_rows): the sum of the exponentials
};

static inline AttentionScratch attention_scratch(float* memory, size_t n_rows, size_t head_dim) {
  const size_t columns = attention_padded(head_dim), rows = attention_padded(n_rows);
  AttentionScratch s;
  s.queries = memory;
  s.scores = s.queries + attention_padded(n_rows * head_dim);
  s.sums = s.scores + n_rows * kAttentionBlock;
  s.keys = s.sums + n_rows * columns;
  s.values = s.keys + kAttentionBlock * head_dim;
  s.max = s.values + columns * kAttentionBlock;
  s.shift = s.max + rows;
  s.keep = s.shift + rows;
  s.total = s.keep + rows;
  return s;
}

/// The positions of a block, counted from its first, that a token sees: [begin, end), or begin == end.
struct Visible {
  size_t begin, end;
};

/// The block is the positions [first, first + n) of `range`.
static inline Visible attention_visible(const AttentionArgs& args, const AttentionRange& range, size_t token,
                                        size_t first, size_t n) {
  const size_t window = range.mask == AttentionMask::kWindow ? args.window : 0;
  const size_t end = args.position + token + 1;  // of what the token sees, as begin
  const size_t begin = window != 0 && end > window ? end - window : 0;
  Visible seen = {begin > first ? begin - first : 0, end > first ? end - first : 0};
  if (seen.end > n) seen.end = n;
  if (seen.begin > seen.end) seen.begin = seen.end;
  return seen;
}

}  // namespace sain::kernels
