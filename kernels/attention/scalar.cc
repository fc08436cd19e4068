#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/layout.h"
#include "kernels/attention/versions.h"
#include "kernels/blocks.h"
#include "kernels/half.h"
#include "kernels/simd/exp.h"

namespace sain::kernels {
namespace {

void convert(const float* row, float* out, size_t n) {
  memcpy(out, row, n * sizeof(float));
}
void convert(const uint16_t* row, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = half_to_float(row[i]);
}
void convert(const BlockQ8_0* row, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = half_to_float(row[i / 32].d) * static_cast<float>(row[i / 32].qs[i % 32]);
}
void convert(const BlockQ4_0* row, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const uint8_t byte = row[i / 32].qs[i % 16];
    out[i] = half_to_float(row[i / 32].d) * static_cast<float>((i % 32 < 16 ? byte & 15 : byte >> 4) - 8);
  }
}

/// n rows, stride bytes apart, to (n, head_dim) floats.
template <class T>
void convert_rows(const char* rows, size_t stride, size_t n, size_t head_dim, float* out) {
  for (size_t j = 0; j < n; ++j) convert(reinterpret_cast<const T*>(rows + j * stride), out + j * head_dim, head_dim);
}

float dot(const float* a, const float* b, size_t n) {
  constexpr size_t kLanes = 8;
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  }
  float sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

/// One query takes in the positions `seen` of the block whose keys and values are in `s`.
void step(const AttentionArgs& args, const AttentionScratch& s, const float* query, size_t row, Visible seen,
          float shift_of_scores) {
  float* scores = s.scores;
  float* sums = s.sums + row * args.head_dim;
  float max = s.max[row];
  for (size_t j = seen.begin; j < seen.end; ++j) {
    float score = args.scale * dot(query, s.keys + j * args.head_dim, args.head_dim) + shift_of_scores;
    if (args.soft_cap != 0) score = args.soft_cap * tanhf(score / args.soft_cap);
    scores[j] = score;
    if (score > max) max = score;
  }
  const float shift = max == -INFINITY ? 0 : max;
  const float keep = exp_f32(s.max[row] - shift);
  s.max[row] = max;
  s.total[row] *= keep;
  for (size_t i = 0; i < args.head_dim; ++i) sums[i] *= keep;
  for (size_t j = seen.begin; j < seen.end; ++j) {
    const float weight = exp_f32(scores[j] - shift);
    const float* value = s.values + j * args.head_dim;
    s.total[row] += weight;
    for (size_t i = 0; i < args.head_dim; ++i) sums[i] += weight * value[i];
  }
}

void finish(const AttentionArgs& args, const AttentionScratch& s) {
  for (size_t row = 0; row < args.n_tokens * args.group; ++row) {
    const float* sums = s.sums + row * args.head_dim;
    float* out = args.out + row / args.group * args.out_stride + row % args.group * args.head_dim;
    const float inverse = s.total[row] == 0 ? 0 : 1.0f / s.total[row];
    if (args.partial.max != nullptr) {
      const size_t at = row / args.group * args.partial.stride + row % args.group;
      args.partial.max[at] = s.max[row];
      args.partial.sum[at] = s.total[row];
      memcpy(out, sums, args.head_dim * sizeof(float));
    } else {
      for (size_t i = 0; i < args.head_dim; ++i) out[i] = sums[i] * inverse;
    }
  }
}

template <class Key, class Value>
void attention(const AttentionArgs& args) {
  const size_t n_rows = args.n_tokens * args.group;
  const AttentionScratch s = attention_scratch(args.scratch, n_rows, args.head_dim);
  for (size_t row = 0; row < n_rows; ++row) {
    s.max[row] = -INFINITY;
    s.total[row] = 0;
  }
  memset(s.sums, 0, n_rows * args.head_dim * sizeof(float));
  for (size_t r = 0; r < args.n_ranges; ++r) {
    const AttentionRange& range = args.ranges[r];
    for (size_t first = range.begin; first < range.end; first += kAttentionBlock) {
      const size_t n = range.end - first < kAttentionBlock ? range.end - first : kAttentionBlock;
      const char* keys = static_cast<const char*>(range.keys) + (first - range.begin) * args.key_stride;
      const char* values = static_cast<const char*>(range.values) + (first - range.begin) * args.value_stride;
      convert_rows<Key>(keys, args.key_stride, n, args.head_dim, s.keys);
      convert_rows<Value>(values, args.value_stride, n, args.head_dim, s.values);
      for (size_t row = 0; row < n_rows; ++row) {
        const size_t token = row / args.group;
        const Visible seen = attention_visible(args, range, token, first, n);
        if (seen.begin == seen.end) continue;
        const float* query = range.queries + token * args.query_stride + row % args.group * args.head_dim;
        step(args, s, query, row, seen, range.shift == nullptr ? 0 : range.shift[row]);
      }
    }
  }
  finish(args, s);
}

/// Not fminf and fmaxf: these would make a number of NaN.
float clamp_to_half(float x) {
  constexpr float kLargest = 65504.0f;
  const float from_below = x < -kLargest ? -kLargest : x;
  return from_below > kLargest ? kLargest : from_below;
}

/// A block's elements, clamped, zeros after the first n. Returns the one of the greatest magnitude, the first of
/// several; NaN if there is one.
float load_block(const float* x, size_t n, float (&block)[32]) {
  float extreme = 0;
  bool has_nan = false;
  for (size_t i = 0; i < 32; ++i) {
    block[i] = i < n ? clamp_to_half(x[i]) : 0.0f;
    has_nan = has_nan || block[i] != block[i];
    if (fabsf(block[i]) > fabsf(extreme)) extreme = block[i];
  }
  return has_nan ? NAN : extreme;
}

/// x / d to the nearest whole number, ties to even, within [low, high]; 0 where d is 0 or NaN.
int quantum(float x, float inverse, int low, int high) {
  constexpr float kRound = 12582912;  // 1.5 * 2^23
  const float scaled = x * inverse;
  if (!(scaled > static_cast<float>(low))) return scaled == scaled ? low : 0;
  if (scaled > static_cast<float>(high)) return high;
  return static_cast<int>((scaled + kRound) - kRound);
}

}  // namespace

void attention_f32_scalar(const AttentionArgs& args) {
  attention<float, float>(args);
}
void attention_f16_scalar(const AttentionArgs& args) {
  attention<uint16_t, uint16_t>(args);
}
void attention_q8_0_scalar(const AttentionArgs& args) {
  attention<BlockQ8_0, BlockQ8_0>(args);
}
void attention_q8_0_q4_0_scalar(const AttentionArgs& args) {
  attention<BlockQ8_0, BlockQ4_0>(args);
}

void attention_store_f32_scalar(const float* x, void* out, size_t n) {
  memcpy(out, x, n * sizeof(float));
}

void attention_store_f16_scalar(const float* x, void* out, size_t n) {
  uint16_t* halves = static_cast<uint16_t*>(out);
  for (size_t i = 0; i < n; ++i) halves[i] = float_to_half(clamp_to_half(x[i]));
}

void attention_store_q8_0_scalar(const float* x, void* out, size_t n) {
  BlockQ8_0* blocks = static_cast<BlockQ8_0*>(out);
  for (size_t b = 0; b * 32 < n; ++b) {
    float block[32];
    const float extreme = load_block(x + b * 32, n - b * 32 < 32 ? n - b * 32 : 32, block);
    blocks[b].d = float_to_half(fabsf(extreme) / 127.0f);
    const float d = half_to_float(blocks[b].d);
    const float inverse = d > 0 ? 1.0f / d : 0.0f;
    for (size_t i = 0; i < 32; ++i) blocks[b].qs[i] = static_cast<int8_t>(quantum(block[i], inverse, -127, 127));
  }
}

void attention_store_q4_0_scalar(const float* x, void* out, size_t n) {
  BlockQ4_0* blocks = static_cast<BlockQ4_0*>(out);
  for (size_t b = 0; b * 32 < n; ++b) {
    float block[32];
    const float extreme = load_block(x + b * 32, n - b * 32 < 32 ? n - b * 32 : 32, block);
    blocks[b].d = float_to_half(extreme / -8.0f);
    const float d = half_to_float(blocks[b].d);
    const float inverse = d != 0 && d == d ? 1.0f / d : 0.0f;
    for (size_t i = 0; i < 16; ++i) {
      const int low = quantum(block[i], inverse, -8, 7) + 8, high = quantum(block[i + 16], inverse, -8, 7) + 8;
      blocks[b].qs[i] = static_cast<uint8_t>(low | high << 4);
    }
  }
}

}  // namespace sain::kernels
