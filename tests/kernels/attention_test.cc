#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/blocks.h"
#include "kernels/half.h"
#include "tests/support/isas.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::isas_here;
using sain::testing::random_floats;

constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kQ8_0, KvType::kQ4_0};

struct Shape {
  size_t head_dim, group, n_tokens;
  size_t n_positions;  // in the cache; the block's tokens are the last ones
  size_t window = 0;
  float soft_cap = 0;
  size_t n_sinks = 0;
  size_t first = 0;  // the range with the window begins here
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  return out << "head_dim " << s.head_dim << ", group " << s.group << ", tokens " << s.n_tokens << ", positions "
             << s.n_positions << ", window " << s.window << ", cap " << s.soft_cap << ", sinks " << s.n_sinks
             << ", from " << s.first;
}

/// A block of attention with buffers of exactly the size that the contract asks for, so that a sanitizer sees any
/// step outside.
struct Problem {
  Shape shape;
  KvType type;
  size_t key_bytes, value_bytes, n_rows;
  std::vector<float> queries, sink_queries, shift, sink_shift;
  std::vector<std::byte> keys, values;  // rows one after the other

  Problem(const Shape& s, KvType kv_type) : shape(s), type(kv_type) {
    key_bytes = kv_row_bytes(key_type(type), s.head_dim);
    value_bytes = kv_row_bytes(type, s.head_dim);
    n_rows = s.n_tokens * s.group;
    queries = random_floats(n_rows * s.head_dim, 1);
    sink_queries = random_floats(n_rows * s.head_dim, 2);
    keys = rows(key_type(type), 3);
    values = rows(type, 4);
  }

  std::vector<std::byte> rows(KvType row_type, uint64_t seed) const {
    const size_t row_bytes = kv_row_bytes(row_type, shape.head_dim);
    std::vector<std::byte> out(shape.n_positions * row_bytes);
    const auto floats = random_floats(shape.n_positions * shape.head_dim, seed);
    const StoreKvFn store = select_attention(Isa::kScalar).store_for_type(row_type);
    for (size_t p = 0; p < shape.n_positions; ++p) {
      store(floats.data() + p * shape.head_dim, out.data() + p * row_bytes, shape.head_dim);
    }
    return out;
  }

  std::vector<AttentionRange> ranges() const {
    const std::vector<AttentionRange> all = {{sink_queries.data(), keys.data(), values.data(), 0, shape.n_sinks,
                                              AttentionMask::kCausal, sink_shift.empty() ? nullptr : sink_shift.data()},
                                             from_to(shape.first, shape.n_positions)};
    return shape.n_sinks != 0 ? all : std::vector<AttentionRange>{all[1]};
  }

  AttentionRange from_to(size_t begin, size_t end) const {
    return {
        queries.data(),         keys.data() + begin * key_bytes,       values.data() + begin * value_bytes, begin, end,
        AttentionMask::kWindow, shift.empty() ? nullptr : shift.data()};
  }

  struct Answer {
    std::vector<float> out, max, sum;
  };

  /// Partial results where `is_partial`, which leave out undivided.
  Answer run(Isa isa, const std::vector<AttentionRange>& of, bool is_partial = false) const {
    std::vector<float> scratch(attention_scratch_floats(n_rows, shape.head_dim), std::nanf(""));
    Answer answer = {std::vector<float>(n_rows * shape.head_dim, -1), std::vector<float>(n_rows),
                     std::vector<float>(n_rows)};
    AttentionArgs args = {
        .ranges = of.data(),
        .n_ranges = of.size(),
        .n_tokens = shape.n_tokens,
        .group = shape.group,
        .head_dim = shape.head_dim,
        .query_stride = shape.group * shape.head_dim,
        .key_stride = key_bytes,
        .value_stride = value_bytes,
        .position = shape.n_positions - shape.n_tokens,
        .window = shape.window,
        .scale = 0.3f,
        .soft_cap = shape.soft_cap,
        .scratch = scratch.data(),
        .out = answer.out.data(),
        .out_stride = shape.group * shape.head_dim,
        .partial = {},
    };
    if (is_partial) args.partial = {answer.max.data(), answer.sum.data(), shape.group};
    select_attention(isa).for_type(type)(args);
    return answer;
  }

  /// What the cache holds.
  std::vector<double> row(KvType row_type, const std::vector<std::byte>& of, size_t p) const {
    std::vector<double> out(shape.head_dim);
    const std::byte* bytes = of.data() + p * kv_row_bytes(row_type, shape.head_dim);
    for (size_t i = 0; i < shape.head_dim; ++i) {
      if (row_type == KvType::kF32) {
        float x;
        std::memcpy(&x, bytes + 4 * i, 4);
        out[i] = double{x};
      } else if (row_type == KvType::kF16) {
        uint16_t x;
        std::memcpy(&x, bytes + 2 * i, 2);
        out[i] = double{half_to_float(x)};
      } else if (row_type == KvType::kQ8_0) {
        const auto& block = reinterpret_cast<const BlockQ8_0*>(bytes)[i / 32];
        out[i] = double{half_to_float(block.d)} * block.qs[i % 32];
      } else {
        const auto& block = reinterpret_cast<const BlockQ4_0*>(bytes)[i / 32];
        const int q = i % 32 < 16 ? block.qs[i % 16] & 15 : block.qs[i % 16] >> 4;
        out[i] = double{half_to_float(block.d)} * (q - 8);
      }
    }
    return out;
  }

  /// The formula in double precision.
  std::vector<double> expected() const {
    std::vector<double> out(n_rows * shape.head_dim);
    std::vector<std::vector<double>> key_rows, value_rows;
    for (size_t p = 0; p < shape.n_positions; ++p) {
      key_rows.push_back(row(key_type(type), keys, p));
      value_rows.push_back(row(type, values, p));
    }
    for (size_t r = 0; r < n_rows; ++r) {
      std::vector<std::pair<double, size_t>> scores;
      const auto add = [&](const std::vector<float>& of, const std::vector<float>& shifts, size_t p) {
        const double* key = key_rows[p].data();
        double score = 0;
        for (size_t i = 0; i < shape.head_dim; ++i) score += double{of[r * shape.head_dim + i]} * key[i];
        score *= 0.3;
        if (!shifts.empty()) score += double{shifts[r]};
        if (shape.soft_cap != 0) score = double{shape.soft_cap} * std::tanh(score / double{shape.soft_cap});
        scores.push_back({score, p});
      };
      const size_t end = shape.n_positions - shape.n_tokens + r / shape.group + 1;
      for (size_t p = 0; p < std::min(shape.n_sinks, end); ++p) add(sink_queries, sink_shift, p);
      const size_t begin = shape.window != 0 && end > shape.window ? end - shape.window : 0;
      for (size_t p = std::max(begin, shape.first); p < end; ++p) add(queries, shift, p);
      double largest = -INFINITY, sum = 0;
      for (const auto& score : scores) largest = std::max(largest, score.first);
      for (auto& score : scores) sum += score.first = std::exp(score.first - largest);
      for (const auto& [weight, p] : scores) {
        const double* value = value_rows[p].data();
        for (size_t i = 0; i < shape.head_dim; ++i) out[r * shape.head_dim + i] += weight / sum * value[i];
      }
    }
    return out;
  }
};

/// Values have a spread of 1. A score is a sum of head_dim products of such numbers; its rounding errors, at most
/// head_dim * 2^-24 times the sum of the products' magnitudes but in truth its square root, move the weights.
double tolerance(const Shape& shape) {
  return 4e-7 * (4 + static_cast<double>(shape.head_dim)) + 1e-6 * double{shape.soft_cap};
}

class AttentionTest : public ::testing::TestWithParam<Isa> {
 protected:
  static void check(const Shape& shape, KvType type) {
    SCOPED_TRACE(::testing::Message() << shape << ", type " << static_cast<int>(type));
    const Problem problem(shape, type);
    const auto expected = problem.expected();
    const auto out = problem.run(GetParam(), problem.ranges()).out;
    for (size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], expected[i], tolerance(shape)) << "element " << i;
  }
};

TEST_P(AttentionTest, AgreesWithDoubleArithmetic) {
  for (const size_t head_dim : {1, 7, 8, 31, 32, 64, 80, 96, 128, 256}) {
    for (const size_t group : {1, 3, 7, 8}) {
      for (const size_t n_tokens : {1, 2, 5}) {
        for (const KvType type : kTypes) check({head_dim, group, n_tokens, 77}, type);
      }
    }
  }
}

TEST_P(AttentionTest, AnyNumberOfTokensAndPositions) {
  for (const size_t n_tokens : {1, 2, 3, 13, 16, 21, 64, 70}) {
    for (const size_t before : {0, 1, 63, 64, 130}) check({32, 3, n_tokens, n_tokens + before}, KvType::kF16);
  }
  for (const size_t n_positions : {1, 2, 3, 4, 5, 63, 64, 65, 128, 129, 300}) {
    for (const size_t group : {1, 2, 4, 5, 8, 9}) check({64, group, 1, n_positions}, KvType::kF16);
  }
}

TEST_P(AttentionTest, Windows) {
  for (const size_t window : {1, 2, 40, 64, 100, 1000}) {
    for (const size_t n_tokens : {1, 9, 70}) {
      check({16, 3, n_tokens, 200, window}, KvType::kF32);
      check({64, 2, n_tokens, 200, window}, KvType::kF16);
    }
  }
}

TEST_P(AttentionTest, SoftCap) {
  for (const float cap : {0.5f, 5.0f, 50.0f}) {
    for (const size_t n_tokens : {1, 20}) {
      check({64, 3, n_tokens, 100, 0, cap}, KvType::kF16);
      check({7, 3, n_tokens, 100, 30, cap}, KvType::kF32);
    }
  }
}

TEST_P(AttentionTest, SinksHaveQueriesOfTheirOwn) {
  for (const size_t n_tokens : {1, 20}) {
    for (const size_t n_sinks : {1, 4, 8}) {
      Shape shape = {64, 3, n_tokens, 150, 50};
      shape.n_sinks = n_sinks;
      shape.first = 80;
      check(shape, KvType::kF16);
    }
  }
}

// As at the beginning of a stream: tokens that are sinks themselves, and see the sinks up to their own.
TEST_P(AttentionTest, SinksAreCausalAndHaveNoWindow) {
  for (const size_t window : {1, 3, 100}) {
    for (const size_t n_tokens : {1, 5, 21, 40}) {
      Shape shape = {64, 3, n_tokens, std::max<size_t>(n_tokens, 12), window};
      shape.n_sinks = shape.first = 8;
      check(shape, KvType::kF16);
    }
  }
}

TEST_P(AttentionTest, ShiftsOfARangeAreAddedToItsScores) {
  for (const size_t n_tokens : {1, 20}) {
    for (const size_t part : {150, 64, 37}) {
      for (const KvType type : {KvType::kF16, KvType::kQ4_0}) {
        Shape shape = {64, 3, n_tokens, 150, 90};
        shape.n_sinks = 4;
        Problem problem(shape, type);
        problem.shift = random_floats(problem.n_rows, 5, 30);
        problem.sink_shift = problem.shift;  // near it, or sinks would be all or nothing
        for (float& x : problem.sink_shift) x += 1.5f;
        const auto expected = problem.expected();
        std::vector<AttentionRange> ranges = {problem.ranges()[0]};
        for (size_t begin = 0; begin < 150; begin += part) {
          ranges.push_back(problem.from_to(begin, std::min<size_t>(begin + part, 150)));
        }
        const auto out = problem.run(GetParam(), ranges).out;
        // Shifting a max by 100 and back rounds it to 2^-17 of 1.
        for (size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], expected[i], tolerance(shape) + 2e-5) << i;
      }
    }
  }
}

TEST_P(AttentionTest, PartsMergeToTheWhole) {
  for (const size_t head_dim : {7, 64, 128}) {
    for (const size_t n_tokens : {1, 3, 20}) {
      for (const size_t part : {1, 30, 64, 150, 500}) {
        const Problem problem({head_dim, 3, n_tokens, 301, 200}, KvType::kF16);
        SCOPED_TRACE(::testing::Message() << problem.shape << ", part " << part);
        const auto whole = problem.run(GetParam(), problem.ranges()).out;
        std::vector<float> out(whole.size()), parts, max, sum;
        size_t n_parts = 0;
        for (size_t begin = 0; begin < 301; begin += part, ++n_parts) {
          const auto answer =
              problem.run(GetParam(), {problem.from_to(begin, std::min<size_t>(begin + part, 301))}, true);
          parts.insert(parts.end(), answer.out.begin(), answer.out.end());
          max.insert(max.end(), answer.max.begin(), answer.max.end());
          sum.insert(sum.end(), answer.sum.begin(), answer.sum.end());
        }
        merge_attention(n_parts, problem.n_rows, head_dim, max.data(), sum.data(), parts.data(), out.data());
        for (size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], whole[i], 1e-5) << "element " << i;
      }
    }
  }
}

TEST_P(AttentionTest, AFewTokensGetTheBitsThatEachGetsAlone) {
  for (const KvType type : kTypes) {
    for (const Shape& shape : {Shape{64, 3, kAttentionFewTokens, 205},
                               {128, 4, 5, 131},
                               {64, 1, 16, 70},
                               {128, 7, 9, 150},
                               {256, 4, 7, 66},
                               {80, 2, 3, 100},
                               {64, 2, 6, 64, 0, 20}}) {
      SCOPED_TRACE(::testing::Message() << shape << ", type " << static_cast<int>(type));
      const Problem problem(shape, type);
      const std::vector<float> together = problem.run(GetParam(), problem.ranges()).out;
      for (size_t t = 0; t < shape.n_tokens; ++t) {
        Problem alone = problem;  // token t is the last one in the cache
        alone.shape.n_tokens = 1;
        alone.shape.n_positions -= shape.n_tokens - 1 - t;
        alone.n_rows = shape.group;
        const size_t n_floats = shape.group * shape.head_dim;
        alone.queries.erase(alone.queries.begin(), alone.queries.begin() + static_cast<ptrdiff_t>(t * n_floats));
        const std::vector<float> out = alone.run(GetParam(), alone.ranges()).out;
        for (size_t i = 0; i < n_floats; ++i) ASSERT_EQ(out[i], together[t * n_floats + i]) << "token " << t;
      }
    }
  }
}

TEST_P(AttentionTest, NothingSeenGivesZeros) {
  const Problem problem({64, 2, 3, 20}, KvType::kF32);
  for (const auto& ranges : {std::vector<AttentionRange>{}, {problem.from_to(5, 5)}, {problem.from_to(0, 0)}}) {
    for (const float x : problem.run(GetParam(), ranges).out) EXPECT_EQ(x, 0);
  }
  // Token 0 sees nothing of the last position, token 2 does.
  const auto partial = problem.run(GetParam(), {problem.from_to(19, 20)}, true);
  EXPECT_EQ(partial.max[0], -INFINITY);
  EXPECT_EQ(partial.sum[0], 0);
  EXPECT_EQ(partial.sum[5], 1);
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  Problem problem({2, 1, 1, 2}, KvType::kF32);
  problem.queries = {1000, 1000};
  const std::vector<float> keys = {1000, 1000, -1000, -1000}, values = {1, 2, 3, 4};
  std::memcpy(problem.keys.data(), keys.data(), problem.keys.size());
  std::memcpy(problem.values.data(), values.data(), problem.values.size());
  EXPECT_EQ(problem.run(GetParam(), problem.ranges()).out, (std::vector<float>{1, 2}));
}

TEST_P(AttentionTest, NanReachesThoseWhoSeeItOnly) {
  for (const size_t n_tokens : {1, 2, 4, 12, 40}) {
    for (const size_t group : {1, 2, 3}) {
      for (const size_t window : {0, 5, 30}) {
        for (const size_t at : {63, 64, 80, 93, 99}) {
          for (const bool in_values : {false, true}) {
            Problem problem({32, group, n_tokens, 100, window}, KvType::kF32);
            const float nan = std::nanf("");
            std::memcpy((in_values ? problem.values : problem.keys).data() + at * problem.key_bytes, &nan, sizeof(nan));
            const auto out = problem.run(GetParam(), problem.ranges()).out;
            for (size_t r = 0; r < problem.n_rows; ++r) {
              const size_t end = 100 - n_tokens + r / group + 1;
              const bool sees = at < end && (window == 0 || at + window >= end);
              EXPECT_EQ(std::isnan(out[r * 32]), sees) << problem.shape << ", row " << r << ", NaN at " << at;
            }
          }
        }
      }
    }
  }
}

TEST_P(AttentionTest, StoreRoundsToNearestEvenAndSaturates) {
  const std::vector<float> x = {0,
                                -0.0f,
                                1,
                                65504,
                                65519,
                                1e30f,
                                -1e30f,
                                1.0f + 1.0f / 2048,
                                5e-8f,
                                6e-8f,
                                0.3333f,
                                -2.5f,
                                1e-9f,
                                65536,
                                2049,
                                2051,
                                std::numeric_limits<float>::infinity()};
  const std::vector<float> expected = {
      0,           -0.0f, 1, 65504, 65504, 65504, -65504, 1, 5.9604645e-08f, 5.9604645e-08f,
      0.33325195f, -2.5f, 0, 65504, 2048,  2052,  65504};
  std::vector<uint16_t> halves(x.size());
  select_attention(GetParam()).store_for_type(KvType::kF16)(x.data(), halves.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(half_to_float(halves[i]), expected[i]) << x[i];
}

TEST_P(AttentionTest, StoreKeepsNan) {
  std::vector<float> x(17, 1.0f);
  x[2] = x[16] = std::numeric_limits<float>::quiet_NaN();
  std::vector<uint16_t> halves(x.size());
  select_attention(GetParam()).store_for_type(KvType::kF16)(x.data(), halves.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(std::isnan(half_to_float(halves[i])), std::isnan(x[i])) << i;
}

TEST_P(AttentionTest, StoreGivesTheScalarBits) {
  for (const size_t n : {1, 7, 31, 32, 33, 64, 80, 128}) {
    for (const float spread : {0.0f, 1e-7f, 1e-3f, 1.0f, 1e4f, 1e9f}) {
      auto x = random_floats(n, n, spread);
      if (n == 33) x[5] = std::nanf(""), x[32] = INFINITY;
      if (n == 64) x[40] = -x[33], x[33] *= 10, x[40] *= 10;
      for (const KvType type : kTypes) {
        std::vector<std::byte> out(kv_row_bytes(type, n)), expected(out.size());
        select_attention(GetParam()).store_for_type(type)(x.data(), out.data(), n);
        select_attention(Isa::kScalar).store_for_type(type)(x.data(), expected.data(), n);
        EXPECT_EQ(out, expected) << "type " << static_cast<int>(type) << ", n " << n << ", spread " << spread;
      }
    }
  }
}

TEST_P(AttentionTest, QuantizedRowsAreCloseAndNanSpoilsItsBlock) {
  for (const auto& [type, steps] : {std::pair{KvType::kQ8_0, 127.0}, {KvType::kQ4_0, 8.0}}) {
    const Problem problem({64, 1, 1, 1}, type);
    std::vector<std::byte> bytes(kv_row_bytes(type, 64));
    auto x = random_floats(64, 9);
    const auto store = select_attention(GetParam()).store_for_type(type);
    store(x.data(), bytes.data(), 64);
    const auto y = problem.row(type, bytes, 0);
    for (size_t i = 0; i < 64; ++i) {
      double largest = 0;
      for (size_t k = 0; k < 32; ++k) largest = std::max(largest, std::abs(double{x[i / 32 * 32 + k]}));
      // Half a step, a whole one where q4_0 stops at 7; and d is rounded to f16.
      EXPECT_LE(std::abs(y[i] - double{x[i]}), largest / steps * (type == KvType::kQ8_0 ? 0.51 : 1.01));
    }
    x[40] = std::nanf("");
    store(x.data(), bytes.data(), 64);
    const auto spoilt = problem.row(type, bytes, 0);
    for (size_t i = 0; i < 64; ++i) EXPECT_EQ(std::isnan(spoilt[i]), i >= 32);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, AttentionTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
