#include "engine/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/kv_conversation.h"

namespace sain::engine {
namespace {

using ::testing::HasSubstr;

using testing::kv_stop;
using testing::kv_stream;
using testing::KvConversation;

constexpr uint32_t kHeads = KvConversation::kHeads, kHeadDim = KvConversation::kHeadDim;
constexpr uint32_t kMaxBatch = KvConversation::kMaxBatch;

TEST(KvCacheTest, HoldsTheWholeContext) {
  KvConversation conversation(kv_stop(100));
  conversation.append_and_check(100, 0);
}

TEST(KvCacheTest, HoldsSinksAndWindowManyTimesOver) {
  for (const uint32_t n_sinks : {0u, 1u, 4u, 30u}) {
    for (const uint32_t window : {1u, 2u, 15u, 16u, 40u}) {
      KvConversation conversation(kv_stream(n_sinks, window));
      conversation.append_and_check(400, 0);
    }
  }
}

TEST(KvCacheTest, LocalLayersTakeTheirWindowAndABatch) {
  const size_t row_pair = 2 * kHeads * kHeadDim * sizeof(float);
  const auto bytes = [](const KvCacheOptions& options) { return KvConversation(options).cache().bytes(); };
  EXPECT_EQ(bytes(kv_stop(1000)), row_pair * 2 * (1000 + 16 + kMaxBatch - 1));
  EXPECT_EQ(bytes(kv_stop(10)), row_pair * 2 * (10 + 10));
  EXPECT_EQ(bytes(kv_stream(4, 50)), row_pair * 2 * (4 + 50 + 16 + 2 * (kMaxBatch - 1)));
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
  KvConversation conversation(kv_stop(100));
  conversation.append(15, 0);
  EXPECT_TRUE(conversation.truncate(15));
  EXPECT_TRUE(conversation.truncate(16));
  EXPECT_TRUE(conversation.truncate(6));
  conversation.check();
  conversation.append_and_check(60, 500);
}

TEST(KvCacheTest, TruncateRefusesWhatAWindowHasOverwritten) {
  KvConversation conversation(kv_stop(100));
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
  KvConversation conversation(kv_stream(4, 20));
  conversation.append_and_check(100, 0);
  // 26 slots after the sinks: 74 to 99. The local layers have less: 78 to 99.
  EXPECT_FALSE(conversation.truncate(92));
  EXPECT_FALSE(conversation.truncate(3));
  EXPECT_TRUE(conversation.truncate(93));
  conversation.append_and_check(100, 500);
}

TEST(KvCacheTest, ASharedPrefixStaysAsItIs) {
  KvConversation first(kv_stop(200));
  first.append_and_check(45, 0);
  const auto prefix = first.cache().share();
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->length(), 45u);
  first.check();
  KvConversation second(kv_stop(80)), third(kv_stop(200));
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
  KvConversation first(kv_stop(400));
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
    KvConversation other(kv_stop(400));
    ASSERT_TRUE(other.adopt(prefix, first));
    other.check();
    other.append_and_check(30, 5000);
  }
}

TEST(KvCacheTest, TruncatesIntoASharedPrefix) {
  for (const size_t n : {100u, 70u, 69u, 63u, 60u, 53u, 52u, 40u, 30u, 15u, 1u, 0u}) {
    SCOPED_TRACE(n);
    KvConversation first(kv_stop(400)), second(kv_stop(400));
    first.append_and_check(60, 0);
    ASSERT_TRUE(first.cache().share());
    first.append_and_check(10, 100);
    const auto prefix = first.cache().share();
    ASSERT_TRUE(prefix);
    ASSERT_TRUE(second.adopt(*prefix, first));
    second.append_and_check(30, 200);
    // Of the local layers the first piece has 38 to 59, all that their rings of 22 slots had, and the second 60 to 69;
    // the ring has 78 to 99.
    const bool is_there = n == 100 || (n >= 53 && n <= 70) || n == 0;
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
  KvConversation first(kv_stream(4, 30)), second(kv_stream(4, 30));
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
  KvConversation first(kv_stop(100));
  first.append(50, 0);
  const auto prefix = first.cache().share();
  ASSERT_TRUE(prefix);
  KvCacheOptions f16 = kv_stop(100), fewer_layers = kv_stop(100);
  f16.type = KvType::kF16;
  fewer_layers.n_layers = 2;
  for (const KvCacheOptions& options : {f16, fewer_layers, kv_stop(49)}) {
    KvConversation other(options);
    EXPECT_FALSE(other.adopt(*prefix, first));
    EXPECT_EQ(other.cache().length(), 0u);
  }
  for (const KvCacheOptions& options : {kv_stop(50), kv_stream(4, 60), kv_stream(4, 20)}) {
    KvConversation other(options);
    other.append(20, 700);
    EXPECT_TRUE(other.adopt(*prefix, first));
    other.check();
    other.append_and_check(options.max_length == 50 ? 0 : 100, 800);
  }
}

}  // namespace
}  // namespace sain::engine
