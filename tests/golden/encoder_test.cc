// Embeddings of the real encoder, compared with an fp32 reference (see README.md).
#include "engine/encoder.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "tests/golden/golden.h"

namespace sain::testing {
namespace {

constexpr const char* kModel = "all-minilm-l6-v2";

class EncoderGolden : public ::testing::Test {
 protected:
  engine::Encoder encoder(kernels::Isa isa = kernels::Isa::kAuto) {
    const auto path = router::resolve_model(kModel);
    EXPECT_TRUE(path) << path.error().message;
    auto loaded = engine::Encoder::load(*path, pool_, isa);
    EXPECT_TRUE(loaded) << loaded.error().message;
    return *std::move(loaded);
  }

  engine::ThreadPool pool_;
};

TEST_F(EncoderGolden, TokensAndEmbeddingsAreTheReferences) {
  for (const kernels::Isa isa : {kernels::Isa::kScalar, kernels::Isa::kAuto}) {
    engine::Encoder encoder = this->encoder(isa);
    ASSERT_EQ(encoder.dimension(), 384u);
    const auto golden = golden_json(kModel, "embeddings");
    for (const auto& c : golden["cases"]) {
      const auto text = c["text"].get<std::string>();
      SCOPED_TRACE(text.substr(0, 60));
      const std::vector<formats::Token> tokens = encoder.tokens(text);
      EXPECT_EQ(tokens, c["ids"].get<std::vector<formats::Token>>());
      const auto found = encoder.embed(tokens);
      ASSERT_TRUE(found) << found.error().message;
      const auto expected = c["embedding"].get<std::vector<double>>();
      ASSERT_EQ(found->size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR((*found)[i], expected[i], 3e-6) << "element " << i;
    }
  }
}

TEST_F(EncoderGolden, TextsThatMeanTheSameAreNear) {
  engine::Encoder encoder = this->encoder();
  const auto embed = [&](std::string_view text) { return *encoder.embed(encoder.tokens(text)); };
  const auto cosine = [](const std::vector<float>& a, const std::vector<float>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  const auto parcel = embed("Where is my parcel?");
  EXPECT_NEAR(cosine(parcel, parcel), 1, 1e-5);
  EXPECT_GT(cosine(parcel, embed("The package has not been delivered.")), 0.4);
  EXPECT_LT(cosine(parcel, embed("I like green tea.")), 0.2);
}

TEST_F(EncoderGolden, LongTextsLoseTheirEnd) {
  engine::Encoder encoder = this->encoder();
  std::string text;
  for (int i = 0; i < 600; ++i) text += "word ";
  const auto tokens = encoder.tokens(text);
  EXPECT_EQ(tokens.size(), 512u);
  EXPECT_EQ(tokens.front(), 101);
  EXPECT_EQ(tokens.back(), 102);
  EXPECT_TRUE(encoder.embed(tokens));
  const std::vector<formats::Token> too_long(513, 101);
  const auto refused = encoder.embed(too_long);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "expected 1 to 512 tokens, found 513");
  EXPECT_FALSE(encoder.embed({}));
  const auto unknown = encoder.embed(std::vector<formats::Token>{101, 30522});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message, "token 1: expected an id from 0 to 30521, found 30522");
}

TEST_F(EncoderGolden, IsNoChatModel) {
  const auto path = router::resolve_model(kModel);
  ASSERT_TRUE(path);
  const auto model = engine::Model::load({.path = *path});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kUnsupported);
  const auto chat = router::resolve_model("smollm2-135m-instruct");
  ASSERT_TRUE(chat);
  const auto encoder = engine::Encoder::load(*chat, pool_);
  ASSERT_FALSE(encoder);
  EXPECT_NE(encoder.error().message.find("general.architecture: expected bert, found llama"), std::string::npos);
}

}  // namespace
}  // namespace sain::testing
