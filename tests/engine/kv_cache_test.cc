#include "engine/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sain::engine {
namespace {

using ::testing::HasSubstr;

TEST(KvCacheTest, MoreThanAnAddressSpaceHoldsIsAnError) {
  ModelConfig config;
  config.n_kv_heads = 8;
  config.head_dim = 128;
  const auto cache = KvCache::create(config, 1u << 16, 1u << 28, KvType::kF32);
  ASSERT_FALSE(cache);
  EXPECT_EQ(cache.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(cache.error().message, HasSubstr("the keys of the KV cache: 72057594037927936 bytes"));
}

}  // namespace
}  // namespace sain::engine
