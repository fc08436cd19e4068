#include "engine/vulkan/operators.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "engine/kv_prefix.h"
#include "engine/rope_table.h"
#include "kernels/attention/attention.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/half.h"
#include "kernels/packed.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "tests/support/random_blocks.h"
#include "tests/support/random_floats.h"
#include "tests/support/vulkan_fixture.h"

namespace sain::engine::vulkan {
namespace {

using kernels::Isa;
using sain::testing::all_limits;
using sain::testing::limits_name;
using sain::testing::random_floats;

using VulkanOperators = sain::testing::VulkanTest;

TEST_P(VulkanOperators, RmsNorm) {
  constexpr float kEpsilon = 1e-6f;
  for (uint32_t n : {1u, 31u, 64u, 600u}) {
    constexpr uint32_t kTokens = 3;
    const std::vector<float> x = random_floats(kTokens * n, 1, 10), weight = random_floats(n, 2);
    const std::vector<float> before = random_floats(kTokens * n, 3);
    const Slice y = put(before), sum = put(before);
    run([&](CommandList& list) -> Status {
      Norm norm = {.x = put(x), .weight = put(weight), .y = y, .n = n, .n_tokens = kTokens, .epsilon = kEpsilon};
      SAIN_RETURN_IF_ERROR(operators_->rms_norm(list, norm));
      norm.y = sum;
      norm.result = Norm::Result::kAdd;
      return operators_->rms_norm(list, norm);
    });
    const std::vector<float> got = get<float>(y), got_sum = get<float>(sum);
    std::vector<float> expected(n);
    for (size_t t = 0; t < kTokens; ++t) {
      kernels::select_rms_norm(Isa::kScalar)(&x[t * n], weight.data(), kEpsilon, expected.data(), n);
      for (size_t i = 0; i < n; ++i) {
        ASSERT_NEAR(got[t * n + i], expected[i], 2e-6 * std::abs(expected[i])) << n << " elements, " << i;
        ASSERT_NEAR(got_sum[t * n + i], before[t * n + i] + expected[i], 2e-6 * (1 + std::abs(expected[i])));
      }
    }
  }
}

TEST_P(VulkanOperators, EmbeddingRowsOfAllTypes) {
  for (DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K,
                      DType::kQ6_K, DType::kF16, DType::kF32}) {
    SCOPED_TRACE(dtype_info(dtype).name);
    const uint32_t cols = kernels::is_packable(dtype) ? 768 : 20;
    constexpr uint32_t kRows = 37;
    std::vector<std::byte> bytes;
    if (kernels::is_packable(dtype)) {
      bytes = sain::testing::random_blocks(dtype, kRows * cols, 4);
    } else {
      const std::vector<float> values = random_floats(kRows * cols, 5);
      for (float value : values) {
        const uint16_t half = kernels::float_to_half(value);
        const std::byte* from = reinterpret_cast<const std::byte*>(&value);
        if (dtype == DType::kF16) from = reinterpret_cast<const std::byte*>(&half);
        bytes.insert(bytes.end(), from, from + row_bytes(dtype, 1));
      }
    }
    const WeightMatrix w = {
        .name = "e", .data = bytes.data(), .packed = nullptr, .dtype = dtype, .rows = kRows, .cols = cols};
    const WeightMatrix* matrices[] = {&w};
    arenas_.emplace_back(*device_, MemoryKind::kWeights, device_matrix_bytes(w));
    const auto dequantize = kernels::select_dequantize(Isa::kScalar);
    const DeviceMatrix matrix =
        *place(device_->capabilities().piece_bytes(), arenas_.back(), *uploader_, dequantize, pool_, matrices);
    const std::vector<uint32_t> tokens = {0, 36, 17, 6, 6};
    const Slice x = space(tokens.size() * cols * 4);
    run([&](CommandList& list) {
      return operators_->embed(list, matrix, 3, put(tokens), static_cast<uint32_t>(tokens.size()), x);
    });
    const std::vector<float> got = get<float>(x);
    std::vector<float> expected(cols);
    for (size_t t = 0; t < tokens.size(); ++t) {
      dequantize[dtype](w.row(tokens[t]), expected.data(), cols);
      float largest = 0;
      for (float value : expected) largest = std::max(largest, std::abs(value));
      for (size_t i = 0; i < cols; ++i)
        ASSERT_NEAR(got[t * cols + i], 3 * expected[i], 2e-6f * largest) << t << ", " << i;
    }
  }
}

TEST_P(VulkanOperators, ArgmaxTakesTheFirstOfTheGreatestAndMovesOn) {
  struct State {
    shaders::DecodeState state = {};
  };
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  for (uint32_t n : {1u, 255u, 256u, 40001u}) {
    std::vector<float> values = random_floats(n, 6);
    values[n / 2] = values[n - 1] = 100;
    values[n / 3] = nan;
    if (n / 2 == n / 3) values[n / 2] = 100;
    const Slice pairs = space(Operators::argmax_bytes()), tokens = put(std::vector<uint32_t>{9, 9});
    State before;
    before.state.position = 41;
    before.state.n_chosen = shaders::kHistory + 2;
    const Slice state = put(std::vector<State>{before});
    run([&](CommandList& list) { return operators_->argmax(list, put(values), n, 5, pairs, tokens, state); });
    EXPECT_EQ(get<uint32_t>(tokens), (std::vector<uint32_t>{n / 2, 9})) << n;
    const shaders::DecodeState after = get<State>(state)[0].state;
    EXPECT_EQ(after.position, 46u);
    EXPECT_EQ(after.n_chosen, shaders::kHistory + 3);
    EXPECT_EQ(after.history[2], n / 2);
    EXPECT_EQ(after.history[3], 0u);
  }
  // Nothing to choose from is still a token of the vocabulary; an infinity is the greatest.
  using Choice = std::pair<std::vector<float>, uint32_t>;
  for (const Choice& choice :
       {Choice{{nan, nan}, 0}, Choice{{-inf, nan, -inf}, 0}, Choice{{1, inf, inf}, 1}, Choice{{-inf, -3}, 1}}) {
    const std::vector<float>& few = choice.first;
    const Slice tokens = put(std::vector<uint32_t>{9});
    run([&](CommandList& list) {
      return operators_->argmax(list, put(few), static_cast<uint32_t>(few.size()), 1, space(Operators::argmax_bytes()),
                                tokens, put(std::vector<State>(1)));
    });
    EXPECT_EQ(get<uint32_t>(tokens)[0], choice.second);
  }
}

/// Some tokens after others, in a layer's cache.
struct AttentionCase {
  uint32_t head_dim, n_heads, n_kv_heads, n_tokens;
  uint32_t position;  // of the first token
  uint32_t window = 0, n_sinks = 0;
  uint32_t n_splits = 1;
  float soft_cap = 0;
  RopeLayout layout = RopeLayout::kHalves;
  bool has_head_norms = false;
  uint32_t rotary_dim = 0;  // 0: head_dim
  enum class Way { kPlain, kInt8, kMatrix } way = Way::kPlain;
};

std::ostream& operator<<(std::ostream& out, const AttentionCase& c) {
  return out << "head_dim " << c.head_dim << ", heads " << c.n_heads << "/" << c.n_kv_heads << ", tokens " << c.n_tokens
             << " at " << c.position << ", window " << c.window << ", sinks " << c.n_sinks << ", splits " << c.n_splits;
}

class VulkanAttention : public sain::testing::VulkanTest {
 protected:
  static constexpr float kScale = 0.2f, kEpsilon = 1e-5f;

  /// Appends all tokens up to the case's last one in batches, on the device, and compares the last batch's attention
  /// with what the scalar kernels make of the same.
  void check(const AttentionCase& c) {
    std::ostringstream name;
    name << c;
    SCOPED_TRACE(name.str());
    const uint32_t length = c.position + c.n_tokens, q_dim = c.n_heads * c.head_dim, kv_dim = c.n_kv_heads * c.head_dim;
    const uint32_t width = q_dim + 2 * kv_dim;
    uint32_t n_slots = c.window == 0 ? length : c.n_sinks + c.window + c.n_tokens - 1;
    if (c.way == AttentionCase::Way::kMatrix) n_slots = (n_slots + 15) / 16 * 16;
    const std::vector<float> qkv = random_floats(length * width, 7);
    const std::vector<float> head_norms = random_floats(2 * c.head_dim, 8);
    const RopeConfig rope = {.layout = c.layout, .rotary_dim = c.rotary_dim != 0 ? c.rotary_dim : c.head_dim};
    const RopeTable table(rope, RopeKind::kGlobal, {});

    Attention args = {.parameters = {.n_heads = c.n_heads,
                                     .n_kv_heads = c.n_kv_heads,
                                     .n_tokens = c.n_tokens,
                                     .n_slots = n_slots,
                                     .n_sinks = c.n_sinks,
                                     .window = c.window,
                                     .scale = kScale,
                                     .soft_cap = c.soft_cap,
                                     .rotary_dim = rope.rotary_dim,
                                     .magnitude = static_cast<float>(table.magnitude()),
                                     .epsilon = kEpsilon},
                      .head_dim = c.head_dim,
                      .layout = c.layout};
    args.frequencies = put(rope_frequencies(table.frequencies()));
    if (c.has_head_norms) args.head_norms = put(head_norms);
    // What has not been written is no number, so that whatever reads it shows.
    const uint8_t fill = c.way == AttentionCase::Way::kMatrix ? 0 : 0xff;
    args.cache = put(std::vector<uint8_t>(kv_cache_bytes(c.n_kv_heads, n_slots, c.head_dim), fill));
    args.q = space(2 * c.n_tokens * q_dim * 4);
    args.out = space(std::max(c.n_tokens * 4, kMatrixTokens * 2) * q_dim);
    if (c.way == AttentionCase::Way::kInt8) args.quantized = space(quantized_bytes(q_dim));
    args.counts = put(std::vector<uint32_t>(c.n_heads));
    args.n_splits = c.n_splits;
    args.parts = space(c.n_tokens * c.n_heads * c.n_splits * (c.head_dim + 2) * 4);
    args.state = space(sizeof(shaders::DecodeState));
    args.qkv = space(c.n_tokens * width * 4);
    CommandList list = *CommandList::create(*device_, *pipelines_);
    ASSERT_TRUE(operators_->rope(list, args));
    list.barrier();
    const Status recorded = c.way == AttentionCase::Way::kInt8     ? operators_->attention_int8(list, args)
                            : c.way == AttentionCase::Way::kMatrix ? operators_->attention_matrix(list, args)
                                                                   : operators_->attention(list, args);
    ASSERT_TRUE(recorded) << recorded.error().message;
    ASSERT_TRUE(list.finish());
    // The batches overlap at the start where the length is no multiple: positions are then written again, the same.
    std::vector<uint32_t> firsts;
    for (uint32_t end = length; end > 0; end = end > c.n_tokens ? end - c.n_tokens : 0) {
      firsts.insert(firsts.begin(), end > c.n_tokens ? end - c.n_tokens : 0);
    }
    for (uint32_t first : firsts) {
      shaders::DecodeState state = {};
      state.position = first;
      write(args.state, std::as_bytes(std::span(&state, 1)));
      write(args.qkv, std::as_bytes(std::span(qkv).subspan(first * width, c.n_tokens * width)));
      const Status ran = list.run();
      ASSERT_TRUE(ran) << ran.error().message;
    }
    compare(c, rope, table, qkv, head_norms, result_of(c, args));
  }

  std::vector<float> result_of(const AttentionCase& c, const Attention& args) {
    if (c.way == AttentionCase::Way::kPlain) return get<float>(args.out);
    std::vector<float> result;
    if (c.way == AttentionCase::Way::kMatrix) {
      for (uint16_t half : get<uint16_t>(args.out)) result.push_back(kernels::half_to_float(half));
      return result;
    }
    const std::vector<uint32_t> words = get<uint32_t>(args.quantized);
    for (size_t block = 0; block < words.size(); block += shaders::kQuantizedWords) {
      for (size_t i = 0; i < shaders::kQuantizedBlock; ++i) {
        const auto code = static_cast<int8_t>(words[block + i / 4] >> (i % 4 * 8));
        result.push_back(static_cast<float>(code) * std::bit_cast<float>(words[block + 4]));
      }
    }
    return result;
  }

  void compare(const AttentionCase& c, const RopeConfig& rope, const RopeTable& table, std::vector<float> qkv,
               const std::vector<float>& head_norms, const std::vector<float>& got) {
    const uint32_t length = c.position + c.n_tokens, q_dim = c.n_heads * c.head_dim, kv_dim = c.n_kv_heads * c.head_dim;
    const uint32_t width = q_dim + 2 * kv_dim;
    const KvRule rule = {c.window, c.n_sinks};
    const auto kernels = kernels::select_attention(Isa::kScalar);
    const auto rotate = c.layout == RopeLayout::kAdjacent ? kernels::select_rope(Isa::kScalar).adjacent
                                                          : kernels::select_rope(Isa::kScalar).halves;
    std::vector<float> angles(rope.rotary_dim), sink_q(length * q_dim);
    std::vector<uint16_t> keys(c.n_kv_heads * length * c.head_dim), values(keys.size());
    for (uint32_t t = 0; t < length; ++t) {
      float* row = &qkv[t * width];
      for (uint32_t h = 0; c.has_head_norms && h < c.n_heads + c.n_kv_heads; ++h) {
        float* head = row + h * c.head_dim;
        kernels::select_rms_norm(Isa::kScalar)(head, &head_norms[h < c.n_heads ? 0 : c.head_dim], kEpsilon, head,
                                               c.head_dim);
      }
      if (c.n_sinks != 0) {
        std::copy_n(row, q_dim, &sink_q[t * q_dim]);
        table.fill(rule.place(t), angles.data());
        rotate(&sink_q[t * q_dim], c.n_heads, c.head_dim, angles.data(), rope.rotary_dim);
      }
      table.fill(t, angles.data());
      rotate(row, c.n_heads + c.n_kv_heads, c.head_dim, angles.data(), rope.rotary_dim);
      for (uint32_t h = 0; h < c.n_kv_heads; ++h) {
        const size_t at = (h * length + t) * c.head_dim;
        kernels.store_for_type(kernels::KvType::kF16)(row + q_dim + h * c.head_dim, &keys[at], c.head_dim);
        kernels.store_for_type(kernels::KvType::kF16)(row + q_dim + kv_dim + h * c.head_dim, &values[at], c.head_dim);
      }
    }
    const size_t group = c.n_heads / c.n_kv_heads;
    std::vector<float> scratch(kernels::attention_scratch_floats(group, c.head_dim)), out(group * c.head_dim);
    for (uint32_t t = 0; t < c.n_tokens; ++t) {
      const uint32_t position = c.position + t;
      const size_t n_sinks = std::min(c.n_sinks, position + 1);
      const size_t begin = std::max<size_t>(rule.window_begin(position), n_sinks);
      for (uint32_t h = 0; h < c.n_kv_heads; ++h) {
        const size_t head = h * length * c.head_dim;
        const kernels::AttentionRange ranges[] = {
            {&sink_q[position * q_dim + h * group * c.head_dim], &keys[head], &values[head], 0, n_sinks,
             kernels::AttentionMask::kCausal},
            {&qkv[position * width + h * group * c.head_dim], &keys[head] + begin * c.head_dim,
             &values[head] + begin * c.head_dim, begin, size_t{position} + 1, kernels::AttentionMask::kWindow}};
        kernels.for_type(kernels::KvType::kF16)({.ranges = ranges,
                                                 .n_ranges = 2,
                                                 .n_tokens = 1,
                                                 .group = group,
                                                 .head_dim = c.head_dim,
                                                 .query_stride = q_dim,
                                                 .key_stride = c.head_dim * 2,
                                                 .value_stride = c.head_dim * 2,
                                                 .position = position,
                                                 .window = c.window,
                                                 .scale = kScale,
                                                 .soft_cap = c.soft_cap,
                                                 .scratch = scratch.data(),
                                                 .out = out.data(),
                                                 .out_stride = 0,
                                                 .partial = {}});
        for (size_t i = 0; i < out.size(); ++i) {
          // A key that differs in the last bit of f32 may become another f16: 2^-11 of one of its elements, of which a
          // score gets a part; values are the same.
          const float tolerance = c.way == AttentionCase::Way::kPlain ? 4e-3f : 1.2e-2f;
          ASSERT_NEAR(got[t * q_dim + h * group * c.head_dim + i], out[i], tolerance)
              << "token " << t << ", head " << h << ", " << i;
        }
      }
    }
  }
};

TEST_P(VulkanAttention, OfManyHeadsAndPositions) {
  check({.head_dim = 64, .n_heads = 1, .n_kv_heads = 1, .n_tokens = 1, .position = 0});
  check({.head_dim = 64, .n_heads = 9, .n_kv_heads = 3, .n_tokens = 1, .position = 63});
  check({.head_dim = 64, .n_heads = 14, .n_kv_heads = 2, .n_tokens = 3, .position = 64});
  check({.head_dim = 96, .n_heads = 4, .n_kv_heads = 4, .n_tokens = 4, .position = 70});
  check({.head_dim = 128, .n_heads = 12, .n_kv_heads = 2, .n_tokens = 2, .position = 130});
  check({.head_dim = 256, .n_heads = 4, .n_kv_heads = 1, .n_tokens = 3, .position = 140});
  check({.head_dim = 4, .n_heads = 4, .n_kv_heads = 4, .n_tokens = 5, .position = 6});
}

TEST_P(VulkanAttention, OfAWindowThatWrapsAround) {
  check({.head_dim = 64, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 1, .position = 40, .window = 16});
  check({.head_dim = 64, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 3, .position = 7, .window = 16});
  check({.head_dim = 64, .n_heads = 6, .n_kv_heads = 2, .n_tokens = 3, .position = 300, .window = 70});
}

TEST_P(VulkanAttention, OfSinksAndAWindow) {
  check({.head_dim = 64, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 1, .position = 2, .window = 16, .n_sinks = 4});
  check({.head_dim = 64, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 2, .position = 3, .window = 16, .n_sinks = 4});
  check({.head_dim = 64, .n_heads = 9, .n_kv_heads = 3, .n_tokens = 3, .position = 90, .window = 30, .n_sinks = 4});
  check({.head_dim = 256, .n_heads = 8, .n_kv_heads = 1, .n_tokens = 1, .position = 200, .window = 140, .n_sinks = 5});
}

TEST_P(VulkanAttention, InSplits) {
  check({.head_dim = 64, .n_heads = 9, .n_kv_heads = 3, .n_tokens = 1, .position = 300, .n_splits = 4});
  check({.head_dim = 64, .n_heads = 3, .n_kv_heads = 1, .n_tokens = 2, .position = 20, .n_splits = 3});  // some have
                                                                                                         // nothing
  check({.head_dim = 128,
         .n_heads = 4,
         .n_kv_heads = 1,
         .n_tokens = 1,
         .position = 220,
         .window = 150,
         .n_sinks = 4,
         .n_splits = 2});
}

TEST_P(VulkanAttention, InEightBits) {
  if (!device_->capabilities().int8()) GTEST_SKIP() << "no integer dot products";
  constexpr auto kInt8 = AttentionCase::Way::kInt8;
  check({.head_dim = 64, .n_heads = 3, .n_kv_heads = 1, .n_tokens = 1, .position = 0, .n_splits = 4, .way = kInt8});
  check({.head_dim = 64, .n_heads = 9, .n_kv_heads = 3, .n_tokens = 1, .position = 200, .n_splits = 4, .way = kInt8});
  check({.head_dim = 128, .n_heads = 2, .n_kv_heads = 1, .n_tokens = 1, .position = 600, .n_splits = 2, .way = kInt8});
  check({.head_dim = 256,
         .n_heads = 4,
         .n_kv_heads = 1,
         .n_tokens = 1,
         .position = 220,
         .window = 150,
         .n_sinks = 4,
         .n_splits = 3,
         .soft_cap = 2,
         .way = kInt8});
}

TEST_P(VulkanAttention, OnCooperativeMatrices) {
  if (!operators_->can_matrix()) GTEST_SKIP() << "no cooperative matrices";
  constexpr auto kMatrix = AttentionCase::Way::kMatrix;
  check({.head_dim = 64, .n_heads = 3, .n_kv_heads = 1, .n_tokens = 1, .position = 0, .way = kMatrix});
  check({.head_dim = 64, .n_heads = 9, .n_kv_heads = 3, .n_tokens = 70, .position = 0, .way = kMatrix});
  check({.head_dim = 128, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 100, .position = 133, .way = kMatrix});
  check({.head_dim = 96, .n_heads = 2, .n_kv_heads = 1, .n_tokens = 33, .position = 50, .window = 24, .way = kMatrix});
  check(
      {.head_dim = 256, .n_heads = 2, .n_kv_heads = 1, .n_tokens = 20, .position = 90, .soft_cap = 2, .way = kMatrix});
}

TEST_P(VulkanAttention, WithWhatOtherModelsHave) {
  check({.head_dim = 64, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 2, .position = 20, .soft_cap = 2});
  check(
      {.head_dim = 64, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 2, .position = 20, .layout = RopeLayout::kAdjacent});
  check({.head_dim = 64, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 2, .position = 20, .has_head_norms = true});
  check({.head_dim = 64, .n_heads = 4, .n_kv_heads = 2, .n_tokens = 2, .position = 20, .rotary_dim = 32});
  check({.head_dim = 64,
         .n_heads = 4,
         .n_kv_heads = 2,
         .n_tokens = 1,
         .position = 30,
         .window = 16,
         .n_sinks = 2,
         .layout = RopeLayout::kAdjacent,
         .has_head_norms = true,
         .rotary_dim = 48});
}

TEST_P(VulkanOperators, HeadsThatAreTooLargeAreAnError) {
  CommandList list = *CommandList::create(*device_, *pipelines_);
  Attention args = {.head_dim = 4096};
  args.parameters.n_heads = args.parameters.n_kv_heads = 1;
  const Status status = operators_->attention(list, args);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  ASSERT_TRUE(list.finish());
}

// Angles come from whole numbers, so a million positions later they are as exact.
TEST_P(VulkanOperators, RopeTurnsExactlyAtAnyPosition) {
  constexpr uint32_t kDim = 128;
  const RopeTable table({.rotary_dim = kDim}, RopeKind::kGlobal, {});
  std::vector<float> qkv(3 * kDim, 1), angles(kDim);
  Attention args = {.parameters = {.n_heads = 1,
                                   .n_kv_heads = 1,
                                   .n_tokens = 1,
                                   .n_slots = 8,
                                   .n_sinks = 0,
                                   .window = 8,
                                   .scale = 1,
                                   .soft_cap = 0,
                                   .rotary_dim = kDim,
                                   .magnitude = 1,
                                   .epsilon = 0},
                    .head_dim = kDim};
  args.frequencies = put(rope_frequencies(table.frequencies()));
  args.cache = space(kv_cache_bytes(1, 8, kDim));
  args.q = space(2 * kDim * 4);
  args.qkv = put(qkv);
  for (uint32_t position : {0u, 1u, 3u, 1000u, 123456u, 16'777'217u, 3'000'000'000u}) {
    shaders::DecodeState state = {};
    state.position = position;
    args.state = put(std::vector<shaders::DecodeState>{state});
    run([&](CommandList& list) { return operators_->rope(list, args); });
    const std::vector<float> got = get<float>(args.q);
    table.fill(position, angles.data());
    for (size_t i = 0; i < kDim / 2; ++i) {
      // Beside f32's own rounding, a double's of the CPU's angle: 2^-53 of it.
      const double tolerance = 4e-7 + position * 2.3e-16;
      ASSERT_NEAR(got[i], angles[2 * i] - angles[2 * i + 1], tolerance) << "position " << position << ", pair " << i;
      ASSERT_NEAR(got[i + kDim / 2], angles[2 * i] + angles[2 * i + 1], tolerance) << "position " << position;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Limits, VulkanOperators, all_limits(), limits_name);
INSTANTIATE_TEST_SUITE_P(Limits, VulkanAttention, all_limits(), limits_name);

}  // namespace
}  // namespace sain::engine::vulkan
