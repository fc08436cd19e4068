#include "engine/cpu/forward.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <optional>
#include <vector>

#include "engine/session.h"
#include "tests/support/random_blocks.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_adapter.h"
#include "tests/support/tiny_model.h"
#include "tests/support/wide_model.h"

// Sanitizers bring operators of their own, which know what came from where.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SAIN_SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SAIN_SANITIZED
#endif

#ifndef SAIN_SANITIZED
namespace {

std::atomic<size_t> n_allocations = 0;

}  // namespace

// Counts what the whole program allocates; arrays come through here too.
void* operator new(size_t bytes) {
  ++n_allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
#endif

namespace sain::engine::cpu {
namespace {

using formats::Token;
using testing::TinyModel;

/// A model whose matrices are Q4_0 where their rows allow it.
class ForwardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TinyModel tiny;
    for (auto& [name, tensor] : tiny.tensors) {
      if (tensor.shape.size() != 2 || tensor.shape[0] % 32 != 0) continue;
      tensor.dtype = DType::kQ4_0;
      tensor.data = testing::random_blocks(DType::kQ4_0, tensor.shape[0] * tensor.shape[1], 3);
    }
    load(tiny);
  }

  void load(const TinyModel& tiny) {
    auto loaded = Model::load({.path = tiny.write(folder_ / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_.emplace(*std::move(loaded));
    ASSERT_NE(model_->weights().output.packed, nullptr);
    testing::TinyAdapter adapter;
    adapter.add_layers(tiny, 5);
    for (const char* name : {"token_embd.weight", "output.weight"}) adapter.add(tiny, name, 3);
    auto adapted = Adapter::load(adapter.write(folder_ / "adapter.gguf"), *model_);
    ASSERT_TRUE(adapted) << adapted.error().message;
    adapter_ = *std::move(adapted);
  }

  Forward forward(Arithmetic arithmetic = Arithmetic::kInt8, const Adapter* adapter = nullptr) {
    auto made = Forward::create(*model_, pool_, arithmetic, {}, adapter, prefill_batch(model_->config(), {}));
    EXPECT_TRUE(made) << made.error().message;
    return *std::move(made);
  }
  KvCache cache(KvType type = KvType::kF32) {
    auto made = KvCache::create(model_->config(), {.n_layers = TinyModel::kLayers,
                                                   .max_length = TinyModel::kContext,
                                                   .max_batch = TinyModel::kContext,
                                                   .type = type});
    EXPECT_TRUE(made) << made.error().message;
    return *std::move(made);
  }
  bool run(Forward& f, std::span<const Token> tokens, KvCache& cache, const std::stop_token& stop = {},
           KeyCenters* centers = nullptr) {
    ThreadPool::Turn turn(pool_);
    const Segment segment = {tokens, &cache, centers};
    return f.run({&segment, 1}, TinyModel::kLayers, &turn, stop);
  }
  /// Of the last run's tokens [first, first + count).
  MatrixView<float> logits(Forward& f, size_t first, size_t count) {
    const ThreadPool::Turn turn(pool_);
    const MatrixView<float> out(logits_.data(), count, TinyModel::kVocab);
    f.logits({f.hidden().row(first), count, f.hidden().cols}, out);
    return out;
  }
  static std::vector<float> copy(MatrixView<float> logits) {
    return std::vector<float>(logits.data, logits.data + logits.rows * logits.cols);
  }

  testing::TemporaryFolder folder_;
  std::optional<Model> model_;
  std::shared_ptr<const Adapter> adapter_;
  ThreadPool pool_;
  std::vector<float> logits_ = std::vector<float>(Forward::kMaxLogits * TinyModel::kVocab);
};

#ifndef SAIN_SANITIZED
TEST_F(ForwardTest, NothingIsAllocated) {
  for (const Adapter* adapter : {static_cast<const Adapter*>(nullptr), adapter_.get()}) {
    Forward f = forward(Arithmetic::kInt8, adapter);
    KvCache c = cache();
    const std::vector<Token> prompt(60, 7), token = {10};
    const size_t before = n_allocations;
    run(f, prompt, c);
    for (int i = 0; i < 20; ++i) {
      run(f, token, c);
      logits(f, 0, 1);
    }
    EXPECT_EQ(n_allocations, before);
    EXPECT_GT(before, 0u);  // or they are not counted
  }
}

// Past the window, so that every token forgets one.
TEST_F(ForwardTest, AStreamAllocatesNothing) {
  auto session =
      Session::create(*model_, pool_, {.context_length = 40, .policy = ContextPolicy::kStream, .n_sinks = 4});
  ASSERT_TRUE(session) << session.error().message;
  const std::vector<Token> token = {10};
  ASSERT_TRUE(session->prefill(std::vector<Token>(100, 7)));
  const size_t before = n_allocations;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(session->prefill(token));
  EXPECT_EQ(n_allocations, before);
}
#endif

// One token takes the direct path through the packed weights, many take tiles; both see the same 8-bit activations.
TEST_F(ForwardTest, ManyTokensAtOnceEqualOneByOne) {
  std::vector<Token> tokens;
  for (Token t = 0; t < 50; ++t) tokens.push_back(2 + t * 7 % 90);
  Forward f = forward();
  KvCache together = cache(), apart = cache();
  run(f, tokens, together);
  const std::vector<float> expected = copy(logits(f, 0, tokens.size()));
  float largest = 0;
  for (const float logit : expected) largest = std::max(largest, std::abs(logit));
  for (size_t t = 0; t < tokens.size(); ++t) {
    run(f, {&tokens[t], 1}, apart);
    const std::vector<float> found = copy(logits(f, 0, 1));
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_NEAR(found[i], expected[t * found.size() + i], 0.02f * largest) << "token " << t << ", logit " << i;
    }
  }
}

// Past 256 positions, where attention is divided into parts.
TEST_F(ForwardTest, AFewTokensGetTheBitsThatEachGetsAlone) {
  for (const Arithmetic arithmetic : {Arithmetic::kInt8, Arithmetic::kF32}) {
    for (const Adapter* adapter : {static_cast<const Adapter*>(nullptr), adapter_.get()}) {
      Forward f = forward(arithmetic, adapter);
      const size_t most = std::min(alike_rows(*model_, arithmetic), kernels::kAttentionFewTokens);
      ASSERT_GT(most, 1u);
      KvCache together = cache(), apart = cache();
      std::vector<Token> tokens(300);
      for (size_t t = 0; t < tokens.size(); ++t) tokens[t] = static_cast<Token>(2 + t * 7 % 90);
      for (size_t n = 1; together.length() + n <= tokens.size(); n = n % most + 1) {
        const std::span<const Token> batch = std::span(tokens).subspan(together.length(), n);
        run(f, batch, together);
        const std::vector<float> found = copy(logits(f, 0, n));
        std::vector<float> expected;
        for (const Token token : batch) {
          run(f, {&token, 1}, apart);
          const std::vector<float> alone = copy(logits(f, 0, 1));
          expected.insert(expected.end(), alone.begin(), alone.end());
        }
        ASSERT_EQ(found, expected) << n << " tokens up to " << together.length();
      }
    }
  }
}

// Segments of one token, of a few, and of more than attention takes as few; caches of any type, at any position.
TEST_F(ForwardTest, SegmentsGetTheBitsThatEachGetsAlone) {
  struct Conversation {
    KvCache together, apart;
    KeyCenters centers;
    std::vector<Token> tokens;
  };
  load(testing::wide_model());
  for (const Adapter* adapter : {static_cast<const Adapter*>(nullptr), adapter_.get()}) {
    Forward f = forward(Arithmetic::kInt8, adapter);
    std::vector<Conversation> conversations;
    for (const KvType type : {KvType::kF32, KvType::kF16, KvType::kQ8_0, KvType::kQ4_0, KvType::kF16}) {
      const auto n = static_cast<Token>(conversations.size());
      std::vector<Token> prompt(static_cast<size_t>(3 + 70 * n), 5 + n);  // the last ones past 256 positions
      conversations.push_back({cache(type), cache(type), KeyCenters(*model_), {2 + n}});
      for (KvCache* of : {&conversations.back().together, &conversations.back().apart})
        run(f, prompt, *of, {}, &conversations.back().centers);
    }
    size_t n_left = alike_rows(*model_, Arithmetic::kInt8) - conversations.size();  // at least 12 without
    for (const auto& [of, wanted] : {std::pair<size_t, size_t>{1, 3}, {3, 20}}) {
      const size_t n = std::min(n_left, wanted);
      conversations[of].tokens.resize(1 + n, 11);
      n_left -= n;
    }
    std::vector<Segment> segments;
    for (Conversation& c : conversations) segments.push_back({c.tokens, &c.together, &c.centers});
    for (int pass = 0; pass < 3; ++pass) {
      ASSERT_TRUE(f.run(segments, TinyModel::kLayers));
      const MatrixView<const float> hidden = f.hidden();
      const std::vector<float> found(hidden.data, hidden.row(hidden.rows));
      std::vector<float> expected;
      for (Conversation& c : conversations) {
        ASSERT_TRUE(run(f, c.tokens, c.apart, {}, &c.centers));
        expected.insert(expected.end(), f.hidden().data, f.hidden().row(f.hidden().rows));
      }
      ASSERT_EQ(found, expected) << "pass " << pass;
    }
  }
}

TEST_F(ForwardTest, AStopRequestAppendsNothing) {
  const std::vector<Token> tokens = {3, 14, 15, 92, 65}, more = {35, 89, 79};
  Forward f = forward();
  KvCache c = cache(), unstopped = cache();
  for (KvCache* of : {&c, &unstopped}) ASSERT_TRUE(run(f, tokens, *of));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(run(f, tokens, c, stop.get_token()));
  EXPECT_EQ(c.length(), tokens.size());
  run(f, more, c);
  const std::vector<float> found = copy(logits(f, 0, more.size()));
  run(f, more, unstopped);
  EXPECT_EQ(found, copy(logits(f, 0, more.size())));
}

TEST_F(ForwardTest, Int8IsNearF32) {
  const std::vector<Token> tokens = {3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46, 26};
  Forward int8 = forward(), f32 = forward(Arithmetic::kF32);
  KvCache a = cache(), b = cache();
  run(int8, tokens, a);
  run(f32, tokens, b);
  const std::vector<float> found = copy(logits(int8, 0, tokens.size())), expected = copy(logits(f32, 0, tokens.size()));
  double error = 0, magnitude = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    error += std::pow(double{found[i]} - double{expected[i]}, 2);
    magnitude += std::pow(double{expected[i]}, 2);
  }
  EXPECT_GT(error, 0);
  EXPECT_LT(std::sqrt(error / magnitude), 0.02);
}

}  // namespace
}  // namespace sain::engine::cpu
