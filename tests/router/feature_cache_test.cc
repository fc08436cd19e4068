// Features are computed once for each text, whatever happens to the file.
#include "router/feature_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;

class FeatureCacheTest : public ::testing::Test {
 protected:
  FeatureCache load(unsigned char key = 1, uint32_t n_features = 2) {
    HeadKey head_key{};
    head_key[0] = key;
    return FeatureCache::load(file_, head_key, n_features);
  }
  std::vector<float> get(FeatureCache& cache, std::string_view text) {
    const auto features = cache.get(text, [this](std::string_view t) -> Result<std::vector<float>> {
      ++n_computed_;
      return std::vector<float>{static_cast<float>(t.size()), 0.5F};
    });
    EXPECT_TRUE(features);
    return {features->begin(), features->end()};
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path file_ = folder_ / "router" / "a.features";
  int n_computed_ = 0;
};

TEST_F(FeatureCacheTest, WhatIsKnownIsNotComputedAgain) {
  {
    FeatureCache cache = load();
    EXPECT_THAT(get(cache, "four"), ElementsAre(4, 0.5F));
    EXPECT_THAT(get(cache, "four"), ElementsAre(4, 0.5F));
    EXPECT_EQ(n_computed_, 1);
    ASSERT_TRUE(cache.save());
  }
  FeatureCache cache = load();
  EXPECT_THAT(get(cache, "four"), ElementsAre(4, 0.5F));
  EXPECT_EQ(n_computed_, 1);
  EXPECT_THAT(get(cache, "sixsix"), ElementsAre(6, 0.5F));
  EXPECT_EQ(n_computed_, 2);
}

TEST_F(FeatureCacheTest, WhatNobodyAsksForGoes) {
  FeatureCache cache = load();
  get(cache, "a");
  get(cache, "b");
  ASSERT_TRUE(cache.save());
  get(cache, "b");
  ASSERT_TRUE(cache.save());
  FeatureCache again = load();
  get(again, "b");
  EXPECT_EQ(n_computed_, 2);
  get(again, "a");
  EXPECT_EQ(n_computed_, 3);
}

TEST_F(FeatureCacheTest, OtherFeaturesAndDamageAreNotBelieved) {
  {
    FeatureCache cache = load();
    get(cache, "four");
    ASSERT_TRUE(cache.save());
  }
  for (FeatureCache cache : {load(2), load(1, 1), load(1, 3)}) {
    n_computed_ = 0;
    (void)cache.get("four", [this](std::string_view) -> Result<std::vector<float>> {
      ++n_computed_;
      return std::vector<float>{};
    });
    EXPECT_EQ(n_computed_, 1);
  }
  std::string bytes;
  {
    std::ifstream in(file_, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    std::ofstream(file_, std::ios::binary) << damaged;
    FeatureCache cache = load();
    n_computed_ = 0;
    get(cache, "four");
    EXPECT_EQ(n_computed_, 1) << "byte " << i;
    std::ofstream(file_, std::ios::binary) << bytes.substr(0, i);
    FeatureCache cut = load();
    n_computed_ = 0;
    get(cut, "four");
    EXPECT_EQ(n_computed_, 1) << "cut at " << i;
  }
}

TEST_F(FeatureCacheTest, WhatCannotBeComputedIsAnErrorAndNotKept) {
  FeatureCache cache = load();
  const auto fails = [](std::string_view) -> Result<std::vector<float>> {
    return make_error(ErrorCode::kInvalidArgument, "no tokens");
  };
  EXPECT_FALSE(cache.get("four", fails));
  EXPECT_THAT(get(cache, "four"), ElementsAre(4, 0.5F));
}

}  // namespace
}  // namespace sain::router
