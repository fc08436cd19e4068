#include "engine/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace sain::engine {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kHeads = 2, kHeadDim = 4;
constexpr uint32_t kMaxBatch = 7;

/// Layers 0 and 2 see all or what the options say, layers 1 and 3 a window of 16.
ModelConfig model() {
  ModelConfig config;
  config.n_kv_heads = kHeads;
  config.head_dim = kHeadDim;
  config.sliding_window = 16;
  config.is_local = {false, true, false, true};
  return config;
}

KvCacheOptions stop(uint64_t max_length) {
  return {.n_layers = 4, .max_length = max_length, .max_batch = kMaxBatch, .type = KvType::kF32};
}

KvCacheOptions stream(uint32_t n_sinks, uint32_t window) {
  KvCacheOptions options = stop(KvCacheOptions::kEndless);
  options.rule = {.window = window, .n_sinks = n_sinks};
  return options;
}

/// A cache, and what should be in it: each position has a number, which its rows tell apart from all others.
class Conversation {
 public:
  explicit Conversation(const KvCacheOptions& options) : cache_(*KvCache::create(model(), options)) {}

  KvCache& cache() { return cache_; }

  void append(size_t n, float first_number) {
    const kernels::Attention kernels = kernels::select_attention(kernels::Isa::kScalar);
    for (size_t i = 0; i < n; ++i) {
      numbers_.push_back(first_number + static_cast<float>(i));
      for (uint32_t layer = 0; layer < 4; ++layer) {
        std::vector<float> key, value;
        for (uint32_t head = 0; head < kHeads; ++head) {
          for (uint32_t c = 0; c < kHeadDim; ++c) {
            key.push_back(row(layer, head)[c] + numbers_.back());
            value.push_back(-key.back());
          }
        }
        cache_.store(kernels, layer, numbers_.size() - 1, key.data(), value.data());
      }
    }
    cache_.advance(n);
  }

  /// Appends in batches of all sizes, and looks at each what it and the next see.
  void append_and_check(size_t n, float first_number) {
    for (size_t done = 0, batch = 1; done < n; batch = batch % kMaxBatch + 1) {
      const size_t count = std::min(batch, n - done);
      const uint64_t before = cache_.length();
      append(count, first_number + static_cast<float>(done));
      for (uint32_t layer = 0; layer < 4; ++layer) {
        const KvRule& rule = cache_.rule(layer);
        check(layer, 0, std::min<uint64_t>(rule.n_sinks, cache_.length()));
        check(layer, rule.window_begin(before), cache_.length());
      }
      done += count;
    }
  }

  /// What the next position sees.
  void check() {
    EXPECT_EQ(cache_.length(), numbers_.size());
    for (uint32_t layer = 0; layer < 4; ++layer) {
      check(layer, cache_.rule(layer).window_begin(cache_.length()), cache_.length());
    }
  }

  bool truncate(size_t n) {
    const bool done = cache_.truncate(n);
    if (done) numbers_.resize(std::min(n, numbers_.size()));
    return done;
  }

  bool adopt(const KvPrefix& prefix, const Conversation& from) {
    const bool done = cache_.adopt(prefix);
    if (done) numbers_.assign(from.numbers_.begin(), from.numbers_.begin() + static_cast<ptrdiff_t>(prefix.length()));
    return done;
  }

 private:
  static std::vector<float> row(uint32_t layer, uint32_t head) {
    const float base = 10000 * static_cast<float>(layer * kHeads + head + 1);
    return {base, base + 0.25f, base + 0.5f, base + 0.75f};
  }

  void check(uint32_t layer, uint64_t begin, uint64_t end) {
    for (uint32_t head = 0; head < kHeads; ++head) {
      size_t n_runs = 0;
      for (uint64_t at = begin; at < end;) {
        const KvCache::Run run = cache_.run(layer, head, at, end);
        ASSERT_EQ(run.begin, at);
        ASSERT_GT(run.end, at);
        ASSERT_LE(run.end, end);
        for (const float *key = static_cast<const float*>(run.keys), *value = static_cast<const float*>(run.values);
             at < run.end; ++at, key += kHeadDim, value += kHeadDim) {
          for (uint32_t c = 0; c < kHeadDim; ++c) {
            const float expected = row(layer, head)[c] + numbers_[at];
            ASSERT_EQ(key[c], expected) << "layer " << layer << ", position " << at << " of " << end;
            ASSERT_EQ(value[c], -expected) << "layer " << layer << ", position " << at << " of " << end;
          }
        }
        ++n_runs;
      }
      ASSERT_LE(n_runs, KvCache::kMaxRuns);
    }
  }

  KvCache cache_;
  std::vector<float> numbers_;
};

TEST(KvCacheTest, HoldsTheWholeContext) {
  Conversation conversation(stop(100));
  conversation.append_and_check(100, 0);
}

TEST(KvCacheTest, HoldsSinksAndWindowManyTimesOver) {
  for (const uint32_t n_sinks : {0u, 1u, 4u, 30u}) {
    for (const uint32_t window : {1u, 2u, 15u, 16u, 40u}) {
      Conversation conversation(stream(n_sinks, window));
      conversation.append_and_check(400, 0);
    }
  }
}

TEST(KvCacheTest, LocalLayersTakeTheirWindowAndABatch) {
  const size_t row_pair = 2 * kHeads * kHeadDim * sizeof(float);
  const auto bytes = [](const KvCacheOptions& options) { return Conversation(options).cache().bytes(); };
  EXPECT_EQ(bytes(stop(1000)), row_pair * 2 * (1000 + 16 + kMaxBatch - 1));
  EXPECT_EQ(bytes(stop(10)), row_pair * 2 * (10 + 10));
  EXPECT_EQ(bytes(stream(4, 50)), row_pair * 2 * (4 + 50 + 16 + 2 * (kMaxBatch - 1)));
}

TEST(KvCacheTest, MoreThanAnAddressSpaceHoldsIsAnError) {
  ModelConfig config;
  config.n_kv_heads = 8;
  config.head_dim = 128;
  config.is_local.resize(1u << 16);
  const auto cache =
      KvCache::create(config, {.n_layers = 1u << 16, .max_length = 1u << 28, .max_batch = 1, .type = KvType::kF32});
  ASSERT_FALSE(cache);
  EXPECT_EQ(cache.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(cache.error().message, HasSubstr("the KV cache: 144115188075855872 bytes"));
}

TEST(KvCacheTest, TruncateForgetsTheLast) {
  Conversation conversation(stop(100));
  conversation.append(15, 0);
  EXPECT_TRUE(conversation.truncate(15));
  EXPECT_TRUE(conversation.truncate(16));
  EXPECT_TRUE(conversation.truncate(6));
  conversation.check();
  conversation.append_and_check(60, 500);
}

TEST(KvCacheTest, TruncateRefusesWhatAWindowHasOverwritten) {
  Conversation conversation(stop(100));
  conversation.append_and_check(60, 0);
  // The rings of the local layers have 22 slots: positions 38 to 59. The token at 53 sees 38 to 53.
  EXPECT_FALSE(conversation.truncate(52));
  conversation.check();
  EXPECT_TRUE(conversation.truncate(53));
  conversation.check();
  EXPECT_FALSE(conversation.truncate(52));
  conversation.append_and_check(5, 500);
  EXPECT_FALSE(conversation.truncate(52));  // 36 and 37 are as lost as before
  EXPECT_TRUE(conversation.truncate(0));
  conversation.append_and_check(60, 600);
}

TEST(KvCacheTest, TruncateOfAStream) {
  Conversation conversation(stream(4, 20));
  conversation.append_and_check(100, 0);
  // 26 slots after the sinks: 74 to 99. The local layers have less: 78 to 99.
  EXPECT_FALSE(conversation.truncate(92));
  EXPECT_FALSE(conversation.truncate(3));
  EXPECT_TRUE(conversation.truncate(93));
  conversation.append_and_check(100, 500);
}

TEST(KvCacheTest, ASharedPrefixStaysAsItIs) {
  Conversation first(stop(200));
  first.append_and_check(45, 0);
  const auto prefix = first.cache().share();
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->length(), 45u);
  first.check();
  Conversation second(stop(80)), third(stop(200));
  ASSERT_TRUE(second.adopt(*prefix, first));
  second.check();
  first.append_and_check(100, 500);
  second.append_and_check(35, 800);
  ASSERT_TRUE(third.adopt(*prefix, first));
  EXPECT_TRUE(first.truncate(0));
  first.append_and_check(60, 900);
  second.check();
  third.append_and_check(20, 950);
}

TEST(KvCacheTest, SharingAgainCopiesWhatIsNew) {
  Conversation first(stop(400));
  std::vector<KvPrefix> prefixes;
  for (size_t i = 0; i < 2 * KvCache::kMaxPieces + 1; ++i) {
    first.append_and_check(i % 2 == 0 ? 40 : 3, 100 * static_cast<float>(i));
    const auto prefix = first.cache().share();
    ASSERT_TRUE(prefix);
    EXPECT_LE(prefix->pieces.size(), KvCache::kMaxPieces);
    prefixes.push_back(*prefix);
    first.check();
  }
  EXPECT_EQ(prefixes[0].pieces[0].segment, prefixes[1].pieces[0].segment);
  const auto again = first.cache().share();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->pieces.back().segment, prefixes.back().pieces.back().segment);
  for (const KvPrefix& prefix : prefixes) {
    Conversation other(stop(400));
    ASSERT_TRUE(other.adopt(prefix, first));
    other.check();
    other.append_and_check(30, 5000);
  }
}

TEST(KvCacheTest, TruncatesIntoASharedPrefix) {
  for (const size_t n : {100u, 70u, 69u, 63u, 60u, 50u, 40u, 30u, 15u, 1u, 0u}) {
    SCOPED_TRACE(n);
    Conversation first(stop(400)), second(stop(400));
    first.append_and_check(60, 0);
    ASSERT_TRUE(first.cache().share());
    first.append_and_check(10, 100);
    const auto prefix = first.cache().share();
    ASSERT_TRUE(prefix);
    ASSERT_TRUE(second.adopt(*prefix, first));
    second.append_and_check(30, 200);
    // Of the local layers the first piece has 45 to 59, the second 60 to 69; their rings have 22 slots: 78 to 99.
    const bool is_there = n == 100 || (n >= 60 && n <= 70) || n == 0;
    EXPECT_EQ(second.truncate(n), is_there);
    second.check();
    second.append_and_check(50, 300);
    if (!is_there) continue;
    ASSERT_TRUE(second.truncate(0));
    second.append_and_check(100, 400);
    first.check();
  }
}

TEST(KvCacheTest, AStreamSharesWhatItHasNotForgotten) {
  Conversation first(stream(4, 30)), second(stream(4, 30));
  first.append_and_check(34, 0);
  const auto prefix = first.cache().share();
  ASSERT_TRUE(prefix);
  first.append_and_check(100, 100);
  ASSERT_TRUE(second.adopt(*prefix, first));
  second.append_and_check(200, 300);
  const auto none = second.cache().share();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(none.error().message, HasSubstr("a stream of 234 tokens has forgotten some"));
  EXPECT_TRUE(second.truncate(0));
  second.append_and_check(100, 700);
}

TEST(KvCacheTest, AdoptsOnlyWhatFits) {
  Conversation first(stop(100));
  first.append(50, 0);
  const auto prefix = first.cache().share();
  ASSERT_TRUE(prefix);
  KvCacheOptions f16 = stop(100), fewer_layers = stop(100);
  f16.type = KvType::kF16;
  fewer_layers.n_layers = 2;
  for (const KvCacheOptions& options : {f16, fewer_layers, stop(49), stream(4, 60)}) {
    Conversation other(options);
    EXPECT_FALSE(other.adopt(*prefix, first));
    EXPECT_EQ(other.cache().length(), 0u);
  }
  Conversation other(stop(50));
  other.append(20, 700);
  EXPECT_TRUE(other.adopt(*prefix, first));
  other.check();
}

}  // namespace
}  // namespace sain::engine
