// The loops that every vector version of gemm_packed shares. A version gives a class V of operations on rows:
//
//   Codes, Ints, Floats   4 bytes, an int32 or a float of each of kRows rows: one register. A group has 16 / kRows
//   parts Dot<bits>             sums of products of four codes with four activations, over the steps of a span
//   TileDot<F>            the same times a scale, which V::prepare_scales may have brought into another form
//   offset_as_min<F>      whether tiles treat an offset as a min: scale * q - (scale * offset)
//   kPanel, kTileGroups   the shape of the register tile: tokens by groups
//   kDirectTokens         up to so many tokens, unpacking codes for each panel anew costs less than a tile does
//
// With few tokens codes go from the weights to the products directly. With more, a stretch of some groups is unpacked
// into a tile that stays in the first level cache while all tokens pass it. Everything has
// internal linkage: each file compiles it for its own machine.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/gemm_packed/gemm_packed.h"

namespace sain::kernels {
namespace {

#define SAIN_INLINE_LAMBDA __attribute__((always_inline))
#define SAIN_INLINE SAIN_INLINE_LAMBDA inline

template <int kFirst, int kLast, class F>
SAIN_INLINE void unroll(F&& f) {
  if constexpr (kFirst < kLast) {
    f.template operator()<kFirst>();
    unroll<kFirst + 1, kLast>(f);
  }
}

/// What sets the types apart, beside their layout: x = scale * (q - 2^kOffsetShift) or scale * q - min.
template <int kBits_, int kOffsetShift_, bool kMin_, bool kHalves_>
struct Format {
  static constexpr int kBits = kBits_;
  static constexpr int kOffsetShift = kOffsetShift_;  // 0: no offset
  static constexpr bool kMin = kMin_;
  static constexpr int kSpan = kHalves_ ? 4 : 8;  // steps that share a scale
};

template <class Unit>
struct FormatOf;
template <>
struct FormatOf<PackedQ4_0> : Format<4, 3, false, false> {};
template <>
struct FormatOf<PackedQ4_1> : Format<4, 0, true, false> {};
template <>
struct FormatOf<PackedQ5_0> : Format<5, 4, false, false> {};
template <>
struct FormatOf<PackedQ5_1> : Format<5, 0, true, false> {};
template <>
struct FormatOf<PackedQ8_0> : Format<8, 7, false, false> {};
template <>
struct FormatOf<PackedQ4_K> : Format<4, 0, true, false> {};
template <>
struct FormatOf<PackedQ5_K> : Format<5, 0, true, false> {};
template <>
struct FormatOf<PackedQ6_K> : Format<6, 5, false, true> {};

template <class Unit>
constexpr int kSubBlocks = Unit::kElements / static_cast<int>(kQ8Block);

template <class V>
constexpr int kParts = static_cast<int>(kPackedRows) / V::kRows;

/// Where part p of some groups begins in its group.
template <class V, int p>
constexpr int first_row() {
  return V::kRows * (p % kParts<V>);
}

/// The codes of step `i` of sub-block `s`, of one part of the rows.
template <class V, int part, int i, class Unit>
SAIN_INLINE typename V::Codes codes(const Unit& unit, int s) {
  constexpr int kBits = FormatOf<Unit>::kBits, kOffset = 4 * V::kRows * part;
  if constexpr (kBits == 8) {
    return V::load_codes(unit.qs[i] + kOffset);
  } else {
    const uint8_t* qs;
    const uint8_t* qh = nullptr;
    if constexpr (kSubBlocks<Unit> == 1) {
      qs = unit.qs[i / 2];
      if constexpr (kBits == 5) qh = unit.qh;
    } else {
      qs = unit.sub[s].qs[i / 2];
      if constexpr (kBits == 5) qh = unit.sub[s].qh;
      if constexpr (kBits == 6) qh = unit.sub[s].qh[i / 4];
    }
    const typename V::Codes pair = V::load_codes(qs + kOffset);
    const typename V::Codes low = i % 2 == 0 ? V::low_nibbles(pair) : V::high_nibbles(pair);
    if constexpr (kBits == 4) return low;
    if constexpr (kBits == 5) return V::template or_bits<4 - i, 0x10>(low, V::load_codes(qh + kOffset));
    if constexpr (kBits == 6) return V::template or_bits<4 - 2 * (i % 4), 0x30>(low, V::load_codes(qh + kOffset));
  }
}

/// f32 scale and min of each row; K types multiply theirs by the unit's.
template <class V>
struct Scales {
  typename V::Floats scale[2], min;
};

template <class V, int part, class Unit>
SAIN_INLINE Scales<V> unit_scales(const Unit& unit) {
  constexpr int kOffset = V::kRows * part;
  Scales<V> out;
  out.scale[0] = V::floats_of_halves(unit.d + kOffset);
  if constexpr (requires { unit.dmin; }) out.min = V::floats_of_halves(unit.dmin + kOffset);
  if constexpr (requires { unit.m; }) out.min = V::negate(V::floats_of_halves(unit.m + kOffset));
  return out;
}

template <class V, int part, class Unit>
SAIN_INLINE Scales<V> sub_block_scales(const Unit& unit, const Scales<V>& of_unit, int s) {
  constexpr int kOffset = V::kRows * part;
  Scales<V> out = of_unit;
  if constexpr (requires { unit.dmin; }) {
    const typename V::Ints low = V::ints_of_bytes(unit.scales.low[s] + kOffset);
    const typename V::Ints pair = V::ints_of_bytes(unit.scales.high[s / 2] + kOffset);
    const typename V::Ints high = s % 2 == 0 ? pair : V::template bits<4, 15>(pair);
    const typename V::Ints scale = V::or_ints(V::template bits<0, 15>(low), V::template bits<-4, 0x30>(high));
    const typename V::Ints min = V::or_ints(V::template bits<4, 15>(low), V::template bits<-2, 0x30>(high));
    out.scale[0] = V::mul(of_unit.scale[0], V::to_floats(scale));
    out.min = V::mul(of_unit.min, V::to_floats(min));
  } else if constexpr (kSubBlocks<Unit> != 1) {
    for (int h = 0; h < 2; ++h) {
      const typename V::Ints scale = V::ints_of_signed_bytes(unit.sub[s].scales[h] + kOffset);
      out.scale[h] = V::mul(of_unit.scale[0], V::to_floats(scale));
    }
  }
  return out;
}

/// A field of token c of n.
template <class V>
SAIN_INLINE typename V::Floats one_float(const uint8_t* record, Q8Field field, size_t n, size_t c) {
  return V::one_float(record + q8_offset(field, n, c));
}

/// Minus the sum of q over span `h`, times 2^kShift, of token c of n.
template <class V, class F, int kShift>
SAIN_INLINE typename V::Ints minus_sum_of_codes(const uint8_t* record, size_t n, size_t c, int h) {
  const Q8Field sum = F::kSpan == 8 ? Q8Field::kMinusSum : h == 0 ? Q8Field::kMinusFirstSum : Q8Field::kMinusLastSum;
  return V::template shifted<kShift>(record + q8_offset(sum, n, c));
}

/// The same in units of the activations: what mins are multiplied by.
template <class V, class F>
SAIN_INLINE typename V::Floats minus_sum(const uint8_t* record, size_t n, size_t c, int h) {
  if constexpr (F::kSpan == 8) return one_float<V>(record, Q8Field::kMinusScaledSum, n, c);
  return V::mul(one_float<V>(record, Q8Field::kScale, n, c),
                V::to_floats(minus_sum_of_codes<V, F, 0>(record, n, c, h)));
}

/// Minus the offset's part of the products of span `h` with token c of n.
template <class V, class F>
SAIN_INLINE typename V::Ints offset_term(const uint8_t* record, size_t n, size_t c, int h) {
  constexpr int kShift = V::template offset_shift<F>();
  if constexpr (kShift == 0) return V::zero_ints();
  return minus_sum_of_codes<V, F, kShift>(record, n, c, h);
}

/// The sums of (q - offset) over a span, for the zero points of the activations.
template <class V, class F>
SAIN_INLINE typename V::Ints offset_of_sums() {
  constexpr int kShift = V::template offset_shift<F>();
  return kShift == 0 ? V::zero_ints() : V::set_ints(-4 * F::kSpan * (1 << kShift));
}

/// How many of part p's rows there are, of `n_rows` from the first part on.
template <class V>
SAIN_INLINE size_t rows_of_part(size_t n_rows, int p) {
  const size_t before = static_cast<size_t>(V::kRows * p);
  const size_t rows = n_rows > before ? n_rows - before : 0;
  return rows < V::kRows ? rows : V::kRows;
}

/// Weights that memory is asked for while others are multiplied.
struct Ahead {
  const uint8_t* at;  // moves on by `step` bytes a sub-block; nullptr: none
  size_t step;
};

/// y[c][0, n_rows) of a group and kTokens tokens, straight from the packed weights.
template <class V, class Unit, int kTokens>
__attribute__((noinline)) void direct(const Unit* unit, size_t n_units, const uint8_t* record, size_t n_rows, float* y,
                                      size_t y_stride, Ahead ahead) {
  using F = FormatOf<Unit>;
  typename V::Floats acc[kParts<V>][kTokens];
  unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA {
    unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA { acc[p][c] = V::zero_floats(); });
  });
  for (const Unit* const end = unit + n_units; unit != end; ++unit) {
    Scales<V> of_unit[kParts<V>];
    unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA { of_unit[p] = unit_scales<V, p>(*unit); });
    for (int s = 0; s < kSubBlocks<Unit>; ++s, record += q8_record_bytes(kTokens)) {
      if (ahead.at != nullptr) {
        for (size_t at = 0; at < ahead.step; at += 64) __builtin_prefetch(ahead.at + at, 0, 2);
        ahead.at += ahead.step;
      }
      Scales<V> scales[kParts<V>];
      typename V::Floats w_sum[kParts<V>];
      unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA {
        scales[p] = sub_block_scales<V, p>(*unit, of_unit[p], s);
        w_sum[p] = V::zero_floats();
      });
      unroll<0, 8 / F::kSpan>([&]<int h>() SAIN_INLINE_LAMBDA {
        typename V::template Dot<F::kBits> dot[kParts<V>][kTokens], sum[kParts<V>];
        unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
          const typename V::Ints start = offset_term<V, F>(record, kTokens, c, h);
          unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA { dot[p][c].start(start); });
        });
        unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA { sum[p].start(offset_of_sums<V, F>()); });
        unroll<0, F::kSpan>([&]<int i>() SAIN_INLINE_LAMBDA {
          typename V::Codes w[kParts<V>];
          unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA {
            w[p] = codes<V, p, F::kSpan * h + i>(*unit, s);
            sum[p].template add<i>(w[p], V::ones());
          });
          unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
            const auto four = V::four_bytes(record + 4 * ((F::kSpan * h + i) * kTokens + c));
            unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA { dot[p][c].template add<i>(w[p], four); });
          });
        });
        unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA {
          const typename V::Floats scale = scales[p].scale[h];
          w_sum[p] = V::fma(scale, V::to_floats(sum[p].ints()), w_sum[p]);
          unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
            const typename V::Floats product = V::mul(scale, V::to_floats(dot[p][c].ints()));
            acc[p][c] = V::fma(one_float<V>(record, Q8Field::kScale, kTokens, c), product, acc[p][c]);
            if constexpr (F::kMin) {
              acc[p][c] = V::fma(minus_sum<V, F>(record, kTokens, c, h), scales[p].min, acc[p][c]);
            }
          });
        });
      });
      unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA {
        if constexpr (F::kMin) w_sum[p] = V::fnma(V::set_floats(32), scales[p].min, w_sum[p]);
        unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
          acc[p][c] = V::fma(one_float<V>(record, Q8Field::kZero, kTokens, c), w_sum[p], acc[p][c]);
        });
      });
    }
  }
  unroll<0, kParts<V>>([&]<int p>() SAIN_INLINE_LAMBDA {
    unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
      V::store(y + c * y_stride + V::kRows * p, acc[p][c], rows_of_part<V>(n_rows, p));
    });
  });
}

/// A stretch of one group, unpacked: 13 KB for 16 sub-blocks.
struct alignas(64) Tile {
  struct {
    uint8_t codes[8][64];
    float scale[2][16];  // what V makes of it: see V::prepare_scales
    float min[2][16];
    float sum[16];  // of the weights
  } blocks[kMaxTileBlocks];
  float row_scale[16];
};

/// Sub-blocks [first, first + n) of a group; `first` begins a unit.
template <class V, class Unit>
__attribute__((noinline)) void unpack_tile(const uint8_t* group, size_t first, size_t n, Tile& out) {
  using F = FormatOf<Unit>;
  const Unit* unit = reinterpret_cast<const Unit*>(group) + first / kSubBlocks<Unit>;
  for (size_t b = 0; b < n; ++unit) {
    for (int s = 0; s < kSubBlocks<Unit>; ++s, ++b) {
      auto& block = out.blocks[b];
      unroll<0, kParts<V>>([&]<int part>() SAIN_INLINE_LAMBDA {
        constexpr int kRow = V::kRows * part;
        const Scales<V> scales = sub_block_scales<V, part>(*unit, unit_scales<V, part>(*unit), s);
        typename V::Floats w_sum = V::zero_floats();
        unroll<0, 8 / F::kSpan>([&]<int h>() SAIN_INLINE_LAMBDA {
          typename V::template Dot<F::kBits> sum;
          sum.start(offset_of_sums<V, F>());
          unroll<0, F::kSpan>([&]<int i>() SAIN_INLINE_LAMBDA {
            const typename V::Codes w = codes<V, part, F::kSpan * h + i>(*unit, s);
            V::store_codes(block.codes[F::kSpan * h + i] + 4 * kRow, w);
            sum.template add<i>(w, V::ones());
          });
          w_sum = V::fma(scales.scale[h], V::to_floats(sum.ints()), w_sum);
          V::store(block.scale[h] + kRow, scales.scale[h], V::kRows);
          if constexpr (V::template offset_as_min<F>()) {
            V::store(block.min[h] + kRow, V::mul(scales.scale[h], V::set_floats(1 << F::kOffsetShift)), V::kRows);
          }
        });
        if constexpr (F::kMin) {
          w_sum = V::fnma(V::set_floats(32), scales.min, w_sum);
          V::store(block.min[0] + kRow, scales.min, V::kRows);
        }
        V::store(block.sum + kRow, w_sum, V::kRows);
      });
    }
  }
  V::template prepare_scales<F>(out, n);
}

/// Adds (or, with `first`, sets) the products of kGroups tiles, side by side, with a panel of kTokens tokens.
template <class V, class F, int kGroups, int kTokens>
__attribute__((noinline)) void multiply_tiles(const Tile* tiles, size_t n_blocks, const uint8_t* record, bool first,
                                              size_t n_rows, float* y, size_t y_stride) {
  constexpr int kAllParts = kGroups * kParts<V>;
  constexpr bool kMin = F::kMin || V::template offset_as_min<F>();
  typename V::Floats acc[kAllParts][kTokens];
  unroll<0, kAllParts>([&]<int p>() SAIN_INLINE_LAMBDA {
    unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA { acc[p][c] = V::zero_floats(); });
  });
  for (size_t b = 0; b < n_blocks; ++b, record += q8_record_bytes(kTokens)) {
    unroll<0, 8 / F::kSpan>([&]<int h>() SAIN_INLINE_LAMBDA {
      typename V::template TileDot<F> dot[kAllParts][kTokens];
      unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
        const typename V::Ints start =
            V::template offset_as_min<F>() ? V::zero_ints() : offset_term<V, F>(record, kTokens, c, h);
        unroll<0, kAllParts>([&]<int p>() SAIN_INLINE_LAMBDA { dot[p][c].start(start); });
      });
      const float* scale[kAllParts];
      unroll<0, kAllParts>(
          [&]<int p>() SAIN_INLINE_LAMBDA { scale[p] = tiles[p / kParts<V>].blocks[b].scale[h] + first_row<V, p>(); });
      unroll<0, F::kSpan>([&]<int i>() SAIN_INLINE_LAMBDA {
        typename V::Codes w[kAllParts];
        unroll<0, kAllParts>([&]<int p>() SAIN_INLINE_LAMBDA {
          w[p] = V::load_codes(tiles[p / kParts<V>].blocks[b].codes[F::kSpan * h + i] + 4 * first_row<V, p>());
        });
        unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
          const auto four = V::four_bytes(record + 4 * ((F::kSpan * h + i) * kTokens + c));
          unroll<0, kAllParts>([&]<int p>() SAIN_INLINE_LAMBDA { dot[p][c].template add<i>(w[p], four, scale[p]); });
        });
      });
      unroll<0, kAllParts>([&]<int p>() SAIN_INLINE_LAMBDA {
        const auto& block = tiles[p / kParts<V>].blocks[b];
        typename V::Floats min, sum;
        if constexpr (kMin) min = V::load(block.min[h] + first_row<V, p>(), V::kRows);
        if constexpr (h == 0) sum = V::load(block.sum + first_row<V, p>(), V::kRows);
        unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
          typename V::Floats& y_c = acc[p][c];
          y_c = V::fma(one_float<V>(record, Q8Field::kScale, kTokens, c), dot[p][c].scaled(scale[p]), y_c);
          if constexpr (kMin) y_c = V::fma(minus_sum<V, F>(record, kTokens, c, h), min, y_c);
          if constexpr (h == 0) y_c = V::fma(one_float<V>(record, Q8Field::kZero, kTokens, c), sum, y_c);
        });
      });
    });
  }
  unroll<0, kAllParts>([&]<int p>() SAIN_INLINE_LAMBDA {
    const typename V::Floats scale = V::load(tiles[p / kParts<V>].row_scale + first_row<V, p>(), V::kRows);
    const size_t rows = rows_of_part<V>(n_rows, p);
    unroll<0, kTokens>([&]<int c>() SAIN_INLINE_LAMBDA {
      float* out = y + c * y_stride + V::kRows * p;
      V::store(out, V::fma(scale, acc[p][c], first ? V::zero_floats() : V::load(out, rows)), rows);
    });
  });
}

/// f<n>() for the n in 1..kMax that equals `n`.
template <int kMax, class F>
SAIN_INLINE void with_constant(size_t n, F&& f) {
  unroll<1, kMax + 1>([&]<int i>() SAIN_INLINE_LAMBDA {
    if (n == i) f.template operator()<i>();
  });
}

/// A group for all tokens, then the next: after the first panel its weights come from a cache, and the next group's are
/// on their way to it.
template <class V, class Unit>
void multiply_directly(const GemmPackedArgs& args) {
  constexpr size_t kBlockBytes = sizeof(Unit) / kSubBlocks<Unit>;
  const size_t n_units = args.n_cols / Unit::kElements, n_blocks = args.n_cols / kQ8Block;
  const size_t n_later = (args.n_tokens - 1) / V::kPanel;  // panels after the first
  const size_t step = n_later == 0 ? 0 : (kBlockBytes / n_later + 63) / 64 * 64;
  const Unit* unit = static_cast<const Unit*>(args.weights);
  for (size_t row = 0; row < args.n_groups * kPackedRows; row += kPackedRows, unit += n_units) {
    const uint8_t* panel = static_cast<const uint8_t*>(args.panels);
    const uint8_t* next = reinterpret_cast<const uint8_t*>(unit + n_units);
    for (size_t token = 0; token < args.n_tokens; token += V::kPanel) {
      const size_t width = args.n_tokens - token < V::kPanel ? args.n_tokens - token : V::kPanel;
      Ahead ahead = {nullptr, 0};
      if (token != 0) {
        ahead = {next + (token / V::kPanel - 1) * (n_blocks * kBlockBytes / n_later), step};
      } else if (n_later == 0 && args.read_ahead != 0) {
        ahead = {reinterpret_cast<const uint8_t*>(unit) + args.read_ahead, kBlockBytes};
      }
      with_constant<V::kPanel>(width, [&]<int kTokens>() {
        direct<V, Unit, kTokens>(unit, n_units, panel, args.n_rows - row, args.y + token * args.y_stride + row,
                                 args.y_stride, ahead);
      });
      panel += n_blocks * q8_record_bytes(width);
    }
  }
}

template <class V, class Unit, int kGroups>
void multiply_by_tiles(const GemmPackedArgs& args, size_t group) {
  using F =
      Format<FormatOf<Unit>::kBits, FormatOf<Unit>::kOffsetShift, FormatOf<Unit>::kMin, FormatOf<Unit>::kSpan == 4>;
  const size_t group_bytes = args.n_cols / Unit::kElements * sizeof(Unit);
  const size_t n_blocks = args.n_cols / kQ8Block, row = group * kPackedRows, n_rows = args.n_rows - row;
  const uint8_t* weights = static_cast<const uint8_t*>(args.weights) + group * group_bytes;
  Tile* tiles = static_cast<Tile*>(args.scratch);
  for (size_t first = 0; first < n_blocks; first += args.tile_blocks) {
    const size_t n = n_blocks - first < args.tile_blocks ? n_blocks - first : args.tile_blocks;
    for (size_t g = 0; g < kGroups; ++g) unpack_tile<V, Unit>(weights + g * group_bytes, first, n, tiles[g]);
    const uint8_t* panel = static_cast<const uint8_t*>(args.panels);
    for (size_t token = 0; token < args.n_tokens; token += V::kPanel) {
      const size_t width = args.n_tokens - token < V::kPanel ? args.n_tokens - token : V::kPanel;
      float* y = args.y + token * args.y_stride + row;
      with_constant<V::kPanel>(width, [&]<int kTokens>() {
        const uint8_t* record = panel + first * q8_record_bytes(kTokens);
        multiply_tiles<V, F, kGroups, kTokens>(tiles, n, record, first == 0, n_rows, y, args.y_stride);
      });
      panel += n_blocks * q8_record_bytes(width);
    }
  }
}

template <class V, class Unit>
void gemm(const GemmPackedArgs& args) {
  if (args.n_tokens <= V::kDirectTokens) return multiply_directly<V, Unit>(args);
  size_t g = 0;
  for (; g + V::kTileGroups <= args.n_groups; g += V::kTileGroups) {
    multiply_by_tiles<V, Unit, V::kTileGroups>(args, g);
  }
  for (; g < args.n_groups; ++g) multiply_by_tiles<V, Unit, 1>(args, g);
}

template <class V>
constexpr GemmPacked gemm_packed_table() {
  GemmPacked table;
  table.by_type[static_cast<size_t>(DType::kQ4_0)] = gemm<V, PackedQ4_0>;
  table.by_type[static_cast<size_t>(DType::kQ4_1)] = gemm<V, PackedQ4_1>;
  table.by_type[static_cast<size_t>(DType::kQ5_0)] = gemm<V, PackedQ5_0>;
  table.by_type[static_cast<size_t>(DType::kQ5_1)] = gemm<V, PackedQ5_1>;
  table.by_type[static_cast<size_t>(DType::kQ8_0)] = gemm<V, PackedQ8_0>;
  table.by_type[static_cast<size_t>(DType::kQ4_K)] = gemm<V, PackedQ4_K>;
  table.by_type[static_cast<size_t>(DType::kQ5_K)] = gemm<V, PackedQ5_K>;
  table.by_type[static_cast<size_t>(DType::kQ6_K)] = gemm<V, PackedQ6_K>;
  table.panel_tokens = V::kPanel;
  table.alike_tokens = V::kDirectTokens;
  table.scratch_bytes = V::kTileGroups * sizeof(Tile);
  table.group_step = V::kTileGroups;
  return table;
}

}  // namespace
}  // namespace sain::kernels
