// Attention of a block of tokens over the cached keys and values of one KV head, in the manner of FlashAttention
// (arXiv 2205.14135, 2307.08691): softmax runs online over blocks of positions, so that scratch memory does not grow
// with the context, and a cached row is read and converted once for all queries of the block.
//
// For token t, query head h of the group that shares the KV head, and the positions p that t sees:
//
//   s_p = scale * <query(t, h), key(p)>;   if soft_cap != 0:  s_p = soft_cap * tanh(s_p / soft_cap)
//   out(t, h) = sum_p e^(s_p - max s) value(p) / sum_p e^(s_p - max s)
//
// or zeros where t sees nothing. A NaN among what a token sees makes its out NaN, and no other token's.
#pragma once

#include <stddef.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// The types of a cached row. A row is head_dim elements of one KV head; rows of the quantized types are blocks of 32
/// (BlockQ8_0, BlockQ4_0 of kernels/blocks.h), the last one filled up with zeros.
enum class KvType { kF32, kF16, kQ8_0, kQ4_0 };
inline constexpr size_t kNumKvTypes = 4;

/// The type of the keys in a cache of a type, which is that of its values. Keys of 4 bits are too coarse for small
/// models: with values in full, a KL divergence of 0.07 to 0.9 nats from a cache in F16, where values of 4 bits come to
/// 0.007 to 0.014 (SmolLM2-135M, Gemma-3-270M, Qwen2.5-Coder-0.5B).
inline constexpr KvType key_type(KvType type) {
  return type == KvType::kQ4_0 ? KvType::kQ8_0 : type;
}

/// Bytes of a row of head_dim elements.
size_t kv_row_bytes(KvType type, size_t head_dim);

enum class AttentionMask {
  kCausal,  // token t, at `position` + t, sees what is not after it: attention sinks
  kWindow,  // and less than `window` before it
};

/// A run of cached positions, with the queries turned (rope) for it: sinks want another turn than the window does.
struct AttentionRange {
  const float* queries;  // query(t, h) begins at queries + t * query_stride + h * head_dim
  const void* keys;      // position p's row begins (p - begin) * key_stride bytes after it
  const void* values;    // likewise, value_stride
  size_t begin, end;     // the positions [begin, end) are there; none where they are equal
  AttentionMask mask;
  const float* shift = nullptr;  // (n_tokens * group): added to a row's scores, for keys that were stored without a
                                 // part that they all share; nullptr: nothing. Only where there is no soft_cap
};

/// What a block of tokens gets of one part of the positions, where several threads share them: out is then the sum
/// above without its division, and merge_attention() brings the parts together.
struct AttentionPartial {
  float* max = nullptr;  // (group) a token: max s, -infinity where the row saw nothing; nullptr: this is the whole
  float* sum = nullptr;  // likewise: sum_p e^(s_p - max s)
  size_t stride = 0;     // floats from one token's to the next's
};

/// With no window, up to so many tokens get the same bits each as it would get alone, over ranges that begin at the
/// same positions: so a draft of several tokens can be checked in one pass.
inline constexpr size_t kAttentionFewTokens = 16;

struct AttentionArgs {
  const AttentionRange* ranges;  // (n_ranges)
  size_t n_ranges;
  size_t n_tokens;      // >= 1, consecutive
  size_t group;         // >= 1: query heads that share the KV head
  size_t head_dim;      // >= 1; multiples of 32 are fastest, of 8 fast
  size_t query_stride;  // floats from one token's queries to the next's
  size_t key_stride;    // bytes from one position's key to the next's
  size_t value_stride;  // and of values
  size_t position;      // of token 0
  size_t window;        // 0: none. See AttentionMask::kWindow
  float scale;
  float soft_cap;            // 0: none
  float* scratch;            // attention_scratch_floats(n_tokens * group, head_dim); fastest where aligned to 64 bytes
  float* out;                // out(t, h) begins at out + t * out_stride + h * head_dim; overwritten, aliases no input
  size_t out_stride;         // floats
  AttentionPartial partial;  // see there
};

size_t attention_scratch_floats(size_t n_rows, size_t head_dim);

using AttentionFn = void (*)(const AttentionArgs& args);

/// Converts n floats into a cache's type: one row for the quantized types (whose last block is then filled up), any
/// number of rows that lie together for the others.
///   f32    the same bits
///   f16    rounded to nearest even; beyond 65504 that value with its sign, so that one large activation cannot turn a
///          whole row into infinities. NaN stays NaN.
///   q8_0   after the same clamp d = max |x| / 127, q = x / d, both rounded to nearest even
///   q4_0   d = m / -8 with m the element of the largest magnitude, q = x / d + 8 at most 15
///   A NaN makes its whole block NaN. All versions give the same bits.
using StoreKvFn = void (*)(const float* x, void* out, size_t n);

struct Attention {
  AttentionFn block[kNumKvTypes];  // by the type of the cache
  StoreKvFn store[kNumKvTypes];    // by the type of the row

  AttentionFn for_type(KvType type) const { return block[static_cast<size_t>(type)]; }
  StoreKvFn store_for_type(KvType type) const { return store[static_cast<size_t>(type)]; }
};

Attention select_attention(Isa isa);

/// Brings n_parts partial results of n_rows rows together: part i has max + i * n_rows, sum + i * n_rows and its
/// unnormalised rows, head_dim apart, at parts + i * n_rows * head_dim. out (n_rows, head_dim) is overwritten; it may
/// not alias the inputs.
void merge_attention(size_t n_parts, size_t n_rows, size_t head_dim, const float* max, const float* sum,
                     const float* parts, float* out);

}  // namespace sain::kernels
