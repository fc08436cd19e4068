// Sessions that go on without end: ContextPolicy::kStream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <memory>
#include <random>

#include "engine/session.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tiny_oracle.h"

namespace sain::engine {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::some_tokens;
using testing::TinyModel;
using testing::TinyOracle;

SessionOptions stream(uint32_t n_sinks, uint32_t window) {
  return {.context_length = n_sinks + window,
          .precision = Precision::kExact,
          .policy = ContextPolicy::kStream,
          .n_sinks = n_sinks};
}

class NullSink : public TokenSink {
 public:
  void on_text(std::string_view) override {}
};

class StreamTest : public ::testing::Test {
 protected:
  void load(const TinyModel& tiny) {
    auto loaded = Model::load({.path = tiny.write(folder_ / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_ = std::make_unique<Model>(*std::move(loaded));
  }
  void SetUp() override { load(TinyModel()); }

  Session session(const SessionOptions& options) { return session(options, pool_); }
  Session session(const SessionOptions& options, ThreadPool& pool) {
    auto created = Session::create(*model_, pool, options);
    EXPECT_TRUE(created) << created.error().message;
    return *std::move(created);
  }

  /// Appends `tokens`, `batch` at a time, and compares the logits of all of them. `tolerance`: of a logit, of about 5.
  static void expect_answers(Session& session, std::span<const Token> tokens, size_t batch,
                             const std::vector<TinyOracle::Row>& expected, double tolerance) {
    for (size_t first = 0; first < tokens.size(); first += batch) {
      const size_t count = std::min(batch, tokens.size() - first);
      const Status status =
          session.prefill_all(tokens.subspan(first, count), [&](size_t i, std::span<const float> logits) {
            for (size_t l = 0; l < logits.size() && !HasFailure(); ++l) {
              EXPECT_NEAR(logits[l], expected[first + i][l], tolerance)
                  << "token " << first + i << ", logit " << l << ", batches of " << batch;
            }
          });
      ASSERT_TRUE(status) << status.error().message;
      if (HasFailure()) return;
    }
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<Model> model_;
  ThreadPool pool_{2};
};

constexpr double kTolerance = 1e-4;
constexpr size_t kBatches[] = {1, 2, 3, 7, 16, 48, 90, 200};

TEST_F(StreamTest, AnswersAsTheEquationsSay) {
  const std::vector<Token> tokens = some_tokens(200);
  const struct { uint32_t n_sinks, window; } cases[] = {{0, 16}, {1, 1}, {4, 1}, {4, 20}, {30, 10}, {8, 64}, {4, 300}};
  for (const auto& c : cases) {
    SCOPED_TRACE(::testing::Message() << c.n_sinks << " sinks, window " << c.window);
    const auto expected = TinyOracle(TinyModel(), {.n_sinks = c.n_sinks, .window = c.window}).logits(tokens);
    for (const size_t batch : kBatches) {
      Session s = session(stream(c.n_sinks, c.window));
      expect_answers(s, tokens, batch, expected, kTolerance);
    }
  }
}

TEST_F(StreamTest, LocalLayersKeepTheirWindowAndHaveNoSinks) {
  TinyModel tiny("gemma3");
  tiny.set("attention.sliding_window_pattern", uint32_t{2});
  tiny.set("rope.freq_base", 1e6f);
  load(tiny);
  const std::vector<Token> tokens = some_tokens(200);
  for (const uint32_t window : {5u, 40u}) {  // less and more than the local layers'
    const auto expected =
        TinyOracle(
            tiny,
            {.n_sinks = 4, .window = window, .is_local = [](size_t layer) { return layer == 0; }, .rope_base = 1e6})
            .logits(tokens);
    for (const size_t batch : kBatches) {
      Session s = session(stream(4, window));
      expect_answers(s, tokens, batch, expected, kTolerance);
    }
  }
}

// Enough positions that threads share those of one head.
TEST_F(StreamTest, ThreadsThatShareAHead) {
  TinyModel tiny;
  tiny.set("context_length", 4000u);
  load(tiny);
  const std::vector<Token> tokens = some_tokens(800);
  const auto expected = TinyOracle(tiny, {.n_sinks = 4, .window = 560}).logits(tokens);
  for (const unsigned n_threads : {1u, 2u, 5u}) {
    ThreadPool pool(n_threads);
    Session s = session(stream(4, 560), pool);
    expect_answers(s, std::span(tokens).first(700), 350, expected, kTolerance);
    expect_answers(s, std::span(tokens).last(100), 1, {expected.end() - 100, expected.end()}, kTolerance);
  }
}

/// H row, for a head of 8 elements.
TinyOracle::Row spread(const TinyOracle::Row& row) {
  TinyOracle::Row out(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    for (size_t j = 0; j < row.size(); ++j)
      out[i] += (std::popcount(i & j) % 2 == 0 ? row[j] : -row[j]) / std::sqrt(8.0);
  }
  return out;
}

/// A head's row as it comes out of a cache.
TinyOracle::Row stored(KvType type, const TinyOracle::Row& row) {
  const std::vector<float> x(row.begin(), row.end());
  std::vector<std::byte> bytes(kernels::kv_row_bytes(type, x.size()));
  kernels::select_attention(kernels::Isa::kScalar).store_for_type(type)(x.data(), bytes.data(), x.size());
  constexpr DType kDtypes[] = {DType::kF32, DType::kF16, DType::kQ8_0, DType::kQ4_0};
  const DType dtype = kDtypes[static_cast<size_t>(type)];
  static_assert(TinyModel::kHeadDim <= 32);  // one block
  std::vector<float> out(32);
  kernels::select_dequantize(kernels::Isa::kScalar)[dtype](
      bytes.data(), out.data(), type == KvType::kF32 || type == KvType::kF16 ? x.size() : out.size());
  return TinyOracle::Row(out.begin(), out.begin() + static_cast<ptrdiff_t>(x.size()));
}

// An element that rounds the other way than in the oracle moves the logits, by less where the steps are finer; a wrong
// position moves them by 1 and more.
TEST_F(StreamTest, EveryTypeOfCache) {
  const std::vector<Token> tokens = some_tokens(200);
  const struct {
    KvType type;
    double tolerance;
  } cases[] = {{KvType::kF32, kTolerance}, {KvType::kF16, 1e-2}, {KvType::kQ8_0, 5e-2}, {KvType::kQ4_0, 0.5}};
  for (const auto& c : cases) {
    SCOPED_TRACE(static_cast<int>(c.type));
    TinyOracle::Options oracle;
    oracle.n_sinks = 4;
    oracle.window = 30;
    const bool spreads_values = c.type == KvType::kQ4_0, spreads_keys = c.type == KvType::kQ8_0 || spreads_values;
    oracle.store_key = [&](const TinyOracle::Row& row) {
      const KvType type = kernels::key_type(c.type);
      return spreads_keys ? spread(stored(type, spread(row))) : stored(type, row);
    };
    oracle.store_value = [&](const TinyOracle::Row& row) {
      return spreads_values ? spread(stored(c.type, spread(row))) : stored(c.type, row);
    };
    const auto expected = TinyOracle(TinyModel(), oracle).logits(tokens);
    for (const size_t batch : kBatches) {
      SessionOptions options = stream(4, 30);
      options.kv_type = c.type;
      Session s = session(options);
      expect_answers(s, tokens, batch, expected, c.tolerance);
    }
  }
}

// As Qwen2's: a part of all keys that is far larger than the rest, which 8 bits for both would drown (the logits are
// then 3 and more away). The stream is long enough for several blocks of KeyCenters.
TEST_F(StreamTest, KeysOfALargeBias) {
  TinyModel tiny("qwen2");
  tiny.set("rope.freq_base", 1e6f);
  std::vector<float> bias(TinyModel::kKvHeads * TinyModel::kHeadDim);
  bias[3] = 60, bias[7] = -90, bias[8 + 2] = 40, bias[8 + 7] = 100, bias[1] = 2;
  for (const char* name : {"blk.0.attn_k.bias", "blk.1.attn_k.bias"}) tiny.put(name, {bias.size()}, bias);
  load(tiny);
  const std::vector<Token> tokens = some_tokens(1800);
  const auto expected = TinyOracle(tiny, {.n_sinks = 4, .window = 40, .rope_base = 1e6}).logits(tokens);
  for (const KvType type : {KvType::kF32, KvType::kQ8_0}) {
    for (const size_t batch : {1, 64, 480}) {
      SessionOptions options = stream(4, 40);
      options.kv_type = type;
      Session s = session(options);
      expect_answers(s, tokens, batch, expected, type == KvType::kF32 ? 1e-2 : 0.6);
    }
  }
}

TEST_F(StreamTest, NothingChangesUntilSomethingIsForgotten) {
  const std::vector<Token> tokens = some_tokens(64);
  const auto expected = TinyOracle(TinyModel(), {}).logits(tokens);
  Session s = session(stream(4, 60));
  expect_answers(s, tokens, 64, expected, kTolerance);
}

TEST_F(StreamTest, HistoryIsWhatIsKept) {
  const std::vector<Token> tokens = some_tokens(100);
  for (const size_t batch : {1, 3, 50}) {
    Session s = session(stream(3, 7));
    for (size_t n = 0; n < tokens.size();) {
      const size_t count = std::min(batch, tokens.size() - n);
      ASSERT_TRUE(s.prefill(std::span(tokens).subspan(n, count)));
      n += count;
      std::vector<Token> kept;
      for (size_t i = 0; i < n; ++i) {
        if (i < 3 || i + 7 >= n) kept.push_back(tokens[i]);
      }
      EXPECT_THAT(s.history(), ElementsAreArray(kept));
      EXPECT_EQ(s.n_tokens(), n);
      EXPECT_EQ(s.context_length(), 10u);
    }
  }
}

TEST_F(StreamTest, TruncateForgetsAllOnceSomethingIsForgotten) {
  const std::vector<Token> tokens = some_tokens(100);
  const auto expected = TinyOracle(TinyModel(), {.n_sinks = 4, .window = 20}).logits(tokens);
  Session s = session(stream(4, 20));
  expect_answers(s, std::span(tokens).first(24), 24, expected, kTolerance);
  s.truncate(10);
  EXPECT_EQ(s.n_tokens(), 10u);
  EXPECT_THAT(s.history(), ElementsAreArray(std::span(tokens).first(10)));
  expect_answers(s, std::span(tokens).subspan(10), 30, {expected.begin() + 10, expected.end()}, kTolerance);
  s.truncate(100);
  EXPECT_EQ(s.n_tokens(), 100u);
  s.truncate(99);
  EXPECT_EQ(s.n_tokens(), 0u);
  EXPECT_THAT(s.history(), IsEmpty());
  expect_answers(s, tokens, 30, expected, kTolerance);
  s.reset();
  EXPECT_THAT(s.history(), IsEmpty());
  expect_answers(s, tokens, 30, expected, kTolerance);
}

TEST_F(StreamTest, GeneratesBeyondTheContext) {
  Session s = session(stream(4, 12));
  NullSink sink;
  const auto answer = s.generate(some_tokens(50), {.max_tokens = 200, .ignore_end = true}, {}, sink);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->finish_reason, FinishReason::kLength);
  EXPECT_EQ(answer->tokens.size(), 200u);
  EXPECT_EQ(s.n_tokens(), 250u);
  EXPECT_EQ(s.history().back(), answer->tokens.back());

  // What is drawn is the most likely by the equations; a second that is as likely may come instead.
  std::vector<Token> all = some_tokens(50);
  all.insert(all.end(), answer->tokens.begin(), answer->tokens.end());
  const auto expected = TinyOracle(TinyModel(), {.n_sinks = 4, .window = 12}).logits(all);
  for (size_t i = 49; i + 1 < all.size(); ++i) {
    const double drawn = expected[i][static_cast<size_t>(all[i + 1])];
    EXPECT_NEAR(drawn, *std::max_element(expected[i].begin(), expected[i].end()), kTolerance);
  }
}

TEST_F(StreamTest, RefusesWhatLeavesNoWindow) {
  const struct {
    uint32_t context_length, n_sinks;
    const char* message;
  } cases[] = {{4, 4, "sinks: expected fewer than the context's 4 tokens, found 4"},
               {0, 320, "sinks: expected fewer than the context's 320 tokens, found 320"},
               {321, 4, "context length: expected at most the model's 320, found 321"}};
  for (const auto& c : cases) {
    const auto refused = Session::create(
        *model_, pool_, {.context_length = c.context_length, .policy = ContextPolicy::kStream, .n_sinks = c.n_sinks});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace sain::engine
