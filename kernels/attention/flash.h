// Attention of a block of tokens, written once for vectors of any width: S is a struct of kernels/simd/.
//
// A step takes kAttentionBlock positions: scores, exponentials, weighted values. For many rows (queries of the block)
// keys and values become panels of 16 floats in scratch memory, and both products are small matrix products on
// register tiles. For few tokens, as in decoding, nothing is copied: each cached element is converted in a register and
// used for all rows of a token.
//
// In an anonymous namespace, so that nothing compiled for one instruction set reaches the other files.
#pragma once

#include <stddef.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/layout.h"
#include "kernels/attention/rows.h"
#include "kernels/simd/exp.h"

namespace sain::kernels {
namespace {

/// Attention over rows of types KeyRow and ValueRow. S also says how the registers are used: a tile has up to kTileRows
/// rows and kTilePanels panels, and up to kFewRows rows go without panels.
template <class S, class KeyRow, class ValueRow, size_t kTileRows, size_t kTilePanels, size_t kFewRows>
class Flash {
 public:
  static void run(const AttentionArgs& args) {
    const size_t n_rows = args.n_tokens * args.group;
    const AttentionScratch s = attention_scratch(args.scratch, n_rows, args.head_dim);
    for (size_t r = 0; r < n_rows; ++r) {
      s.max[r] = -kInfinity;
      s.total[r] = 0;
    }
    const size_t n_sums = n_rows * attention_padded(args.head_dim);
    for (size_t i = 0; i < n_sums; i += kLanes) S::store(s.sums + i, S::zero());
    for (size_t i = 0; i < args.n_ranges; ++i) {
      const AttentionRange& range = args.ranges[i];
      if (range.begin == range.end) continue;
      copy_queries(args, range, s);
      shift_max(args, range, -1, s);
      for (size_t first = range.begin; first < range.end; first += kAttentionBlock) {
        const size_t n = range.end - first < kAttentionBlock ? range.end - first : kAttentionBlock;
        step(args, range, first, n, s);
      }
      shift_max(args, range, 1, s);
    }
    finish(args, s);
  }

 private:
  using F = typename S::F;
  static constexpr size_t kLanes = S::kLanes;
  static constexpr size_t kPanelVectors = kAttentionPanel / kLanes;
  static constexpr float kInfinity = __builtin_inff();

  static void copy_queries(const AttentionArgs& args, const AttentionRange& range, const AttentionScratch& s) {
    const F scale = S::set1(args.scale);
    const size_t n = args.group * args.head_dim;  // of a token
    for (size_t t = 0; t < args.n_tokens; ++t) {
      const float* from = range.queries + t * args.query_stride;
      float* to = s.queries + t * n;
      size_t i = 0;
      for (; i + kLanes <= n; i += kLanes) S::store(to + i, S::mul(scale, S::load(from + i)));
      if (i < n) S::store_first(to + i, S::mul(scale, S::load_first(from + i, n - i)), n - i);
    }
  }

  /// All that a row has seen is relative to its max. So scores are shifted by shifting that the other way while the
  /// range lasts.
  static void shift_max(const AttentionArgs& args, const AttentionRange& range, float sign, const AttentionScratch& s) {
    if (range.shift == nullptr) return;
    for (size_t r = 0; r < args.n_tokens * args.group; ++r) s.max[r] += sign * range.shift[r];
  }

  /// All rows take in the positions [first, first + n).
  static void step(const AttentionArgs& args, const AttentionRange& range, size_t first, size_t n,
                   const AttentionScratch& s) {
    const char* keys = static_cast<const char*>(range.keys) + (first - range.begin) * args.key_stride;
    const char* values = static_cast<const char*>(range.values) + (first - range.begin) * args.value_stride;
    const size_t n_rows = args.n_tokens * args.group;
    const auto visible = [&](size_t row) { return attention_visible(args, range, row / args.group, first, n); };
    // What a tile's rows see together: the first row sees the earliest position, the last one the latest.
    const auto visible_to = [&](size_t row, size_t count) {
      return Visible{visible(row).begin, visible(row + count - 1).end};
    };
    const Visible any = visible_to(0, n_rows);
    if (any.begin >= any.end) return;
    if (args.group <= kFewRows && args.n_tokens <= kAttentionFewTokens && args.head_dim % 32 == 0) {
      // Token by token, as if each were alone.
      for_tokens(args, visible, s, [&](auto count, Visible seen, const AttentionScratch& rows) {
        scores_of_few<decltype(count)::kValue>(args, keys, seen, rows);
      });
      exponentials(args, visible, any, s);
      for_tokens(args, visible, s, [&](auto count, Visible seen, const AttentionScratch& rows) {
        values_of_few<decltype(count)::kValue>(args, values, seen, rows);
      });
    } else {
      pack_keys(args, keys, n, s.keys);
      scores_of_many(args, visible_to, s);
      exponentials(args, visible, any, s);
      pack_values(args, values, n, s.values);
      values_of_many(args, visible, s);
    }
  }

  // ---- softmax ----

  /// Scores become e^(score - max); what a row does not see becomes 0. `max` rises, and `total` follows.
  template <class VisibleToRow>
  static void exponentials(const AttentionArgs& args, const VisibleToRow& visible, Visible any,
                           const AttentionScratch& s) {
    const size_t n_rows = args.n_tokens * args.group;
    const size_t begin = any.begin / kLanes * kLanes, end = (any.end + kLanes - 1) / kLanes * kLanes;
    for (size_t r = 0; r < n_rows; ++r) {
      float* scores = s.scores + r * kAttentionBlock;
      if (args.soft_cap != 0) cap(scores, begin, end, args.soft_cap);
      const Visible seen = visible(r);
      for (size_t j = begin; j < seen.begin; ++j) scores[j] = -kInfinity;
      for (size_t j = seen.end; j < end; ++j) scores[j] = -kInfinity;
      F max = S::set1(s.max[r]);
      for (size_t j = begin; j < end; j += kLanes) max = S::max(S::load(scores + j), max);
      const float greatest = S::max_lane(max);
      s.shift[r] = greatest == -kInfinity ? 0 : greatest;
      s.keep[r] = s.max[r];
      s.max[r] = greatest;
    }
    for (size_t r = 0; r < n_rows; r += kLanes) {  // the arrays are padded
      const F keep = exp_f32<S, ExpDomain::kAtMost0>(S::sub(S::load(s.keep + r), S::load(s.shift + r)));
      S::store(s.keep + r, keep);
      S::store(s.total + r, S::mul(S::load(s.total + r), keep));
    }
    for (size_t r = 0; r < n_rows; ++r) {
      float* scores = s.scores + r * kAttentionBlock;
      const F shift = S::set1(s.shift[r]);
      F sum = S::zero();
      for (size_t j = begin; j < end; j += kLanes) {
        const F weight = exp_f32<S, ExpDomain::kAtMost0>(S::sub(S::load(scores + j), shift));
        S::store(scores + j, weight);
        sum = S::add(sum, weight);
      }
      s.total[r] += S::sum(sum);
    }
  }

  /// tanh(x) = 1 - 2 / (e^2x + 1), off by less than 2e-7: a score by less than that of its cap.
  static void cap(float* scores, size_t begin, size_t end, float soft_cap) {
    const F twice = S::set1(2.0f / soft_cap), one = S::set1(1.0f), largest = S::set1(soft_cap);
    for (size_t j = begin; j < end; j += kLanes) {
      const F e = exp_f32<S>(S::mul(S::load(scores + j), twice));
      const F tanh = S::sub(one, S::div(S::set1(2.0f), S::add(e, one)));
      S::store(scores + j, S::mul(largest, tanh));
    }
  }

  // ---- many rows: panels and tiles ----

  template <class Row, bool kWhole>
  static F load_element(const char* row, size_t i, size_t head_dim) {
    if (kWhole || i + kLanes <= head_dim) return Row::template load<S>(row, i / 32, i % 32);
    return i < head_dim ? Row::template load_first<S>(row, i / 32, i % 32, head_dim - i) : S::zero();
  }

  /// kLanes keys from `key` on, as kLanes columns of a panel. kWhole: there are as many, and head_dim is a multiple.
  template <bool kWhole>
  static void pack_key_columns(const AttentionArgs& args, const char* key, size_t count, float* column) {
    for (size_t i = 0; i < args.head_dim; i += kLanes) {
      F rows[kLanes];
      for (size_t l = 0; l < kLanes; ++l) {
        rows[l] =
            kWhole || l < count ? load_element<KeyRow, kWhole>(key + l * args.key_stride, i, args.head_dim) : S::zero();
      }
      S::transpose(rows);
      const size_t n = kWhole || args.head_dim - i > kLanes ? kLanes : args.head_dim - i;
      for (size_t l = 0; l < kLanes; ++l) {
        if (kWhole || l < n) S::store(column + (i + l) * kAttentionPanel, rows[l]);
      }
    }
  }

  static void pack_keys(const AttentionArgs& args, const char* keys, size_t n, float* panels) {
    for (size_t j = 0; j < n; j += kLanes) {
      float* column = panels + j / kAttentionPanel * args.head_dim * kAttentionPanel + j % kAttentionPanel;
      const char* key = keys + j * args.key_stride;
      if (j + kLanes <= n && args.head_dim % kLanes == 0) {
        pack_key_columns<true>(args, key, kLanes, column);
      } else {
        pack_key_columns<false>(args, key, n - j < kLanes ? n - j : kLanes, column);
      }
    }
    // The rest of the last panel: its scores are computed, so they should be numbers.
    for (size_t j = (n + kLanes - 1) / kLanes * kLanes; j < attention_padded(n); j += kLanes) {
      float* column = panels + j / kAttentionPanel * args.head_dim * kAttentionPanel + j % kAttentionPanel;
      for (size_t i = 0; i < args.head_dim; ++i) S::store(column + i * kAttentionPanel, S::zero());
    }
  }

  static void pack_values(const AttentionArgs& args, const char* values, size_t n, float* panels) {
    const size_t whole = args.head_dim / kLanes * kLanes, padded = attention_padded(args.head_dim);
    for (size_t j = 0; j < n; ++j) {
      const char* value = values + j * args.value_stride;
      float* row = panels + j * kAttentionPanel;
      const auto at = [&](size_t i) {
        return row + i / kAttentionPanel * kAttentionBlock * kAttentionPanel + i % kAttentionPanel;
      };
      for (size_t i = 0; i < whole; i += kLanes) S::store(at(i), load_element<ValueRow, true>(value, i, args.head_dim));
      for (size_t i = whole; i < padded; i += kLanes) {
        const F x = load_element<ValueRow, false>(value, i, args.head_dim);
        const size_t n_here = args.head_dim > i ? args.head_dim - i : 0;
        S::store(at(i), S::zero());  // what load_first gives beyond is not for use
        if (n_here != 0) S::store_first(at(i), x, n_here < kLanes ? n_here : kLanes);
      }
    }
  }

  template <class VisibleTo>
  static void scores_of_many(const AttentionArgs& args, const VisibleTo& visible_to, const AttentionScratch& s) {
    const size_t n_rows = args.n_tokens * args.group, panel_floats = args.head_dim * kAttentionPanel;
    for (size_t first = 0; first < kAttentionBlock; first += kTilePanels * kAttentionPanel) {
      for (size_t r = 0; r < n_rows; r += kTileRows) {
        const size_t count = n_rows - r < kTileRows ? n_rows - r : kTileRows;
        const Visible seen = visible_to(r, count);
        if (seen.begin >= seen.end || seen.end <= first) continue;
        if (seen.begin >= first + kTilePanels * kAttentionPanel) continue;
        const size_t n_panels = (seen.end - first + kAttentionPanel - 1) / kAttentionPanel;
        const float* keys = s.keys + first / kAttentionPanel * panel_floats;
        float* scores = s.scores + r * kAttentionBlock + first;
        const Product product = {s.queries + r * args.head_dim,
                                 args.head_dim,
                                 args.head_dim,
                                 keys,
                                 panel_floats,
                                 scores,
                                 kAttentionBlock,
                                 nullptr};
        multiply(product, count, n_panels);
      }
    }
  }

  template <class VisibleToRow>
  static void values_of_many(const AttentionArgs& args, const VisibleToRow& visible, const AttentionScratch& s) {
    const size_t n_rows = args.n_tokens * args.group, columns = attention_padded(args.head_dim);
    const float one = 1;
    for (size_t c = 0; c < columns; c += kTilePanels * kAttentionPanel) {
      const auto add = [&](size_t row, size_t count, Visible seen, const float* keep) {
        const Product product = {s.scores + row * kAttentionBlock + seen.begin,
                                 kAttentionBlock,
                                 seen.end > seen.begin ? seen.end - seen.begin : 0,
                                 s.values + c * kAttentionBlock + seen.begin * kAttentionPanel,
                                 kAttentionBlock * kAttentionPanel,
                                 s.sums + row * columns + c,
                                 columns,
                                 keep};
        multiply(product, count, (columns - c) / kAttentionPanel);
      };
      for (size_t r = 0; r < n_rows; r += kTileRows) {
        const size_t count = n_rows - r < kTileRows ? n_rows - r : kTileRows;
        const Visible first = visible(r), last = visible(r + count - 1);
        if (first.begin == first.end && last.begin == last.end) continue;  // then keep is 1
        // What all rows see goes as a tile, the rest row by row: 0 times a value that is NaN would be NaN.
        const Visible common = {last.begin, first.end > last.begin ? first.end : last.begin};
        add(r, count, common, s.keep + r);
        if (first.begin == last.begin && first.end == last.end) continue;
        for (size_t row = r; row < r + count; ++row) {
          const Visible seen = visible(row);
          const Visible before = {seen.begin, seen.end < common.begin ? seen.end : common.begin};
          const Visible after = {seen.begin > common.end ? seen.begin : common.end, seen.end};
          if (before.begin < before.end) add(row, 1, before, &one);
          if (after.begin < after.end) add(row, 1, after, &one);
        }
      }
    }
  }

  /// c = a b, or keep[row] * c + a b.
  struct Product {
    const float* a;  // (rows, k), a_stride apart
    size_t a_stride;
    size_t k;
    const float* b;  // panels of (k, 16), b_stride apart
    size_t b_stride;
    float* c;  // (rows, 16 * panels), c_stride apart
    size_t c_stride;
    const float* keep;  // (rows), or nullptr
  };

  static void multiply(const Product& p, size_t n_rows, size_t n_panels) {
    if constexpr (kTilePanels == 2) {
      if (n_panels >= 2) return tiles<2, kTileRows>(p, n_rows);
    }
    tiles<1, kTileRows>(p, n_rows);
  }

  template <size_t kPanels, size_t kRows>
  static void tiles(const Product& p, size_t n_rows) {
    if constexpr (kRows > 1) {
      if (n_rows < kRows) return tiles<kPanels, kRows - 1>(p, n_rows);
    }
    tile<kPanels, kRows>(p);
  }

  template <size_t kPanels, size_t kRows>
  static void tile(const Product& p) {
    constexpr size_t kColumns = kPanels * kPanelVectors;
    F sum[kRows][kColumns];
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t c = 0; c < kColumns; ++c) {
        sum[r][c] =
            p.keep == nullptr ? S::zero() : S::mul(S::set1(p.keep[r]), S::load(p.c + r * p.c_stride + c * kLanes));
      }
    }
    const float* b0 = p.b;
    const float* b1 = p.b + (kPanels - 1) * p.b_stride;
    for (size_t k = 0; k < p.k; ++k, b0 += kAttentionPanel, b1 += kAttentionPanel) {
      F b[kColumns];
      for (size_t c = 0; c < kColumns; ++c) {
        b[c] = S::load(c < kPanelVectors ? b0 + c * kLanes : b1 + (c - kPanelVectors) * kLanes);
      }
      for (size_t r = 0; r < kRows; ++r) {
        const F a = S::set1(p.a[r * p.a_stride + k]);
        for (size_t c = 0; c < kColumns; ++c) sum[r][c] = S::fma(a, b[c], sum[r][c]);
      }
    }
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t c = 0; c < kColumns; ++c) S::store(p.c + r * p.c_stride + c * kLanes, sum[r][c]);
    }
  }

  // ---- few rows: straight from the cache; head_dim is a multiple of 32 ----

  template <size_t kN>
  struct Count {
    static constexpr size_t kValue = kN;
  };

  /// work(Count<group>, what a token sees, its rows of the scratch memory) for every token that sees anything.
  template <class VisibleToRow, class Work>
  static void for_tokens(const AttentionArgs& args, const VisibleToRow& visible, const AttentionScratch& s,
                         const Work& work) {
    for (size_t row = 0; row < args.n_tokens * args.group; row += args.group) {
      const Visible seen = visible(row);
      if (seen.begin == seen.end) continue;
      AttentionScratch rows = s;
      rows.queries += row * args.head_dim;
      rows.scores += row * kAttentionBlock;
      rows.sums += row * attention_padded(args.head_dim);
      rows.keep += row;
      few_rows([&](auto count) { work(count, seen, rows); }, args.group);
    }
  }

  template <class Work, size_t kN = kFewRows>
  static void few_rows(const Work& work, size_t n_rows) {
    if constexpr (kN > 1) {
      if (n_rows < kN) return few_rows<Work, kN - 1>(work, n_rows);
    }
    work(Count<kN>{});
  }

  template <size_t kRows>
  static void scores_of_few(const AttentionArgs& args, const char* keys, Visible any, const AttentionScratch& s) {
    size_t j = any.begin;
    for (; j + 4 <= any.end; j += 4) {
      const char* key = keys + j * args.key_stride;
      if constexpr (kRows * 4 <= kTileRows * kTilePanels * kPanelVectors) {
        scores_of_keys<kRows, 4>(args, key, 0, s, j);
      } else {  // too many sums for the registers
        scores_of_keys<(kRows + 1) / 2, 4>(args, key, 0, s, j);
        scores_of_keys<kRows / 2, 4>(args, key, (kRows + 1) / 2, s, j);
      }
    }
    for (; j < any.end; ++j) scores_of_keys<kRows, 1>(args, keys + j * args.key_stride, 0, s, j);
  }

  /// Rows [row, row + kRows) times the kKeys keys from `key` on, which are the positions from j on.
  template <size_t kRows, size_t kKeys>
  static void scores_of_keys(const AttentionArgs& args, const char* key, size_t row, const AttentionScratch& s,
                             size_t j) {
    const float* queries = s.queries + row * args.head_dim;
    F sum[kRows][kKeys];
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t l = 0; l < kKeys; ++l) sum[r][l] = S::zero();
    }
    for (size_t i = 0; i < args.head_dim; i += 32) {
      for (size_t l = 0; l < kKeys; ++l) {
        for (size_t c = 0; c < 32; c += kLanes) {
          const F x = KeyRow::template load<S>(key + l * args.key_stride, i / 32, c);
          for (size_t r = 0; r < kRows; ++r) {
            sum[r][l] = S::fma(x, S::load(queries + r * args.head_dim + i + c), sum[r][l]);
          }
        }
      }
    }
    for (size_t r = 0; r < kRows; ++r) {
      float* out = s.scores + (row + r) * kAttentionBlock + j;
      if constexpr (kKeys == 4) {
        S::store_sums(out, sum[r][0], sum[r][1], sum[r][2], sum[r][3]);
      } else {
        for (size_t l = 0; l < kKeys; ++l) out[l] = S::sum(sum[r][l]);
      }
    }
  }

  template <size_t kRows>
  static void values_of_few(const AttentionArgs& args, const char* values, Visible any, const AttentionScratch& s) {
    // As many columns at once as there are registers for sums. A row of values that needs several turns is read in
    // pieces; turns of 16 positions keep these close enough in time for the processor's own prefetch.
    constexpr size_t kSums = kTileRows * kTilePanels * kPanelVectors, kTurn = 16;
    constexpr size_t kWide = 64 / kLanes, kNarrow = 32 / kLanes;
    for (Visible turn = {any.begin, any.begin}; turn.end < any.end; turn.begin = turn.end) {
      turn.end = any.end - turn.begin < kTurn ? any.end : turn.begin + kTurn;
      const bool is_first = turn.begin == any.begin;
      size_t i = 0;
      if constexpr (kRows * kWide <= kSums) {
        for (; i + 64 <= args.head_dim; i += 64) value_columns<kRows, kWide>(args, values, turn, is_first, s, 0, i);
      }
      for (; i < args.head_dim; i += 32) {
        if constexpr (kRows * kNarrow <= kSums) {
          value_columns<kRows, kNarrow>(args, values, turn, is_first, s, 0, i);
        } else {
          value_columns<(kRows + 1) / 2, kNarrow>(args, values, turn, is_first, s, 0, i);
          value_columns<kRows / 2, kNarrow>(args, values, turn, is_first, s, (kRows + 1) / 2, i);
        }
      }
    }
  }

  /// The columns [i, i + kVectors * kLanes), i a multiple of 32, of the sums of rows [row, row + kRows) take in the
  /// positions of `turn`, the step's first or not.
  template <size_t kRows, size_t kVectors>
  static void value_columns(const AttentionArgs& args, const char* values, Visible turn, bool is_first,
                            const AttentionScratch& s, size_t row, size_t i) {
    const size_t columns = attention_padded(args.head_dim);
    F sum[kRows][kVectors];
    for (size_t r = 0; r < kRows; ++r) {
      const F keep = S::set1(is_first ? s.keep[row + r] : 1.0f);
      for (size_t v = 0; v < kVectors; ++v) {
        sum[r][v] = S::mul(keep, S::load(s.sums + (row + r) * columns + i + v * kLanes));
      }
    }
    for (size_t j = turn.begin; j < turn.end; ++j) {
      const char* value = values + j * args.value_stride;
      F weight[kRows];
      for (size_t r = 0; r < kRows; ++r) weight[r] = S::set1(s.scores[(row + r) * kAttentionBlock + j]);
      for (size_t v = 0; v < kVectors; ++v) {
        const F x = ValueRow::template load<S>(value, i / 32 + v * kLanes / 32, v * kLanes % 32);
        for (size_t r = 0; r < kRows; ++r) sum[r][v] = S::fma(weight[r], x, sum[r][v]);
      }
    }
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t v = 0; v < kVectors; ++v) S::store(s.sums + (row + r) * columns + i + v * kLanes, sum[r][v]);
    }
  }

  // ---- the result ----

  static void finish(const AttentionArgs& args, const AttentionScratch& s) {
    const size_t columns = attention_padded(args.head_dim);
    const bool is_partial = args.partial.max != nullptr;
    for (size_t r = 0; r < args.n_tokens * args.group; ++r) {
      const float total = s.total[r];
      const F factor = S::set1(is_partial ? 1.0f : total == 0 ? 0.0f : 1.0f / total);
      const float* sums = s.sums + r * columns;
      float* out = args.out + r / args.group * args.out_stride + r % args.group * args.head_dim;
      size_t i = 0;
      for (; i + kLanes <= args.head_dim; i += kLanes) S::store(out + i, S::mul(factor, S::load(sums + i)));
      if (i < args.head_dim) {
        S::store_first(out + i, S::mul(factor, S::load(sums + i)), args.head_dim - i);
      }
      if (is_partial) {
        const size_t at = r / args.group * args.partial.stride + r % args.group;
        args.partial.max[at] = s.max[r];
        args.partial.sum[at] = total;
      }
    }
  }
};

}  // namespace
}  // namespace sain::kernels
