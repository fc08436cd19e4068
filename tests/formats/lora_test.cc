#include "formats/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/tiny_adapter.h"

namespace sain::formats {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TinyAdapter;
using testing::TinyModel;

constexpr const char* kMatrix = "blk.1.ffn_down.weight";

TinyAdapter adapter() {
  TinyAdapter made;
  made.add(TinyModel(), kMatrix, 3);
  return made;
}

/// What is said about a file, which must name it.
std::string refusal(const TinyAdapter& adapter, ErrorCode code) {
  const std::string bytes = adapter.bytes();
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "a.gguf");
  const Error error = file ? LoraFile::from_gguf(*file).error() : file.error();
  EXPECT_EQ(error.code, code) << error.message;
  EXPECT_THAT(error.message, StartsWith("a.gguf: "));
  return error.message;
}

TEST(LoraFile, PairsTensorsByTheMatrixTheyAreFor) {
  TinyAdapter made = adapter();
  made.add(TinyModel(), "token_embd.weight", 5);
  const std::string bytes = made.bytes();
  const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "a.gguf");
  ASSERT_TRUE(file) << file.error().message;
  const auto lora = LoraFile::from_gguf(*file);
  ASSERT_TRUE(lora) << lora.error().message;
  EXPECT_EQ(lora->architecture, "llama");
  EXPECT_EQ(lora->alpha, 6);
  ASSERT_EQ(lora->pairs.size(), 2u);
  const LoraPair& matrix = lora->pairs[0];
  EXPECT_EQ(matrix.base, kMatrix);
  EXPECT_EQ(matrix.rank(), 3u);
  EXPECT_EQ(matrix.rows(), TinyModel::kModel);
  EXPECT_EQ(matrix.cols(), TinyModel::kFeedForward);
  const LoraPair& embedding = lora->pairs[1];
  EXPECT_EQ(embedding.rank(), 5u);
  EXPECT_EQ(embedding.rows(), TinyModel::kVocab);
  EXPECT_EQ(embedding.cols(), TinyModel::kModel);
}

TEST(LoraFile, RefusesOtherKindsOfFiles) {
  TinyAdapter made = adapter();
  made.metadata.set("general.type", "model");
  EXPECT_THAT(refusal(made, ErrorCode::kUnsupported), HasSubstr("general.type: expected 'adapter', found 'model'"));
  made.metadata.remove("general.type");
  EXPECT_THAT(refusal(made, ErrorCode::kNotFound), HasSubstr("general.type"));
  made = adapter();
  made.metadata.set("adapter.type", "ia3");
  EXPECT_THAT(refusal(made, ErrorCode::kUnsupported), HasSubstr("adapter.type: expected 'lora', found 'ia3'"));
  made = adapter();
  made.metadata.set("adapter.alora.invocation_tokens", std::vector<uint32_t>{1, 2});
  EXPECT_THAT(refusal(made, ErrorCode::kUnsupported), HasSubstr("adapter.alora.invocation_tokens"));
  made = adapter();
  made.tensors.clear();
  EXPECT_THAT(refusal(made, ErrorCode::kCorrupt), HasSubstr("expected tensors, found none"));
}

TEST(LoraFile, RefusesAnAlphaThatMeansNothing) {
  for (const float alpha : {std::numeric_limits<float>::infinity(), std::nanf(""), 0.0f}) {
    TinyAdapter made = adapter();
    made.metadata.set("adapter.lora.alpha", alpha);
    EXPECT_THAT(refusal(made, ErrorCode::kCorrupt), HasSubstr("adapter.lora.alpha"));
  }
  TinyAdapter made = adapter();
  made.metadata.remove("adapter.lora.alpha");
  EXPECT_THAT(refusal(made, ErrorCode::kNotFound), HasSubstr("adapter.lora.alpha"));
}

TEST(LoraFile, RefusesHalfAPair) {
  TinyAdapter made = adapter();
  made.tensors.erase("blk.1.ffn_down.weight.lora_b");
  EXPECT_THAT(refusal(made, ErrorCode::kCorrupt),
              HasSubstr("tensor blk.1.ffn_down.weight.lora_a: expected .lora_b with it, found none"));
  made = adapter();
  made.tensors.erase("blk.1.ffn_down.weight.lora_a");
  EXPECT_THAT(refusal(made, ErrorCode::kCorrupt), HasSubstr("expected .lora_a with it, found none"));
}

TEST(LoraFile, RefusesRanksThatDiffer) {
  TinyAdapter made = adapter();
  made.put("blk.1.ffn_down.weight.lora_b", 4, TinyModel::kModel, 1);
  EXPECT_THAT(refusal(made, ErrorCode::kCorrupt),
              HasSubstr("blk.1.ffn_down.weight.lora_b: expected the rank of blk.1.ffn_down.weight.lora_a, 3, found 4"));
  made = adapter();
  made.add(TinyModel(), "token_embd.weight", 5);
  made.put("token_embd.weight.lora_b", 4, TinyModel::kModel, 1);
  EXPECT_THAT(refusal(made, ErrorCode::kCorrupt), HasSubstr("token_embd.weight.lora_a, 5, found 4"));
  made = adapter();
  made.tensors["blk.1.ffn_down.weight.lora_a"].shape = {TinyModel::kFeedForward, 1, 3};
  EXPECT_THAT(refusal(made, ErrorCode::kCorrupt), HasSubstr("lora_a: expected a matrix, found 3 dimensions"));
}

// A file cannot say that a rank is 0: the format refuses it.
TEST(LoraFile, RefusesTheRankZero) {
  const std::string bytes = adapter().bytes();
  std::string damaged = bytes;
  const std::string name = "blk.1.ffn_down.weight.lora_a";
  const size_t rank = bytes.find(name) + name.size() + 4 + 8;  // after the number of dimensions and the first of them
  ASSERT_EQ(bytes[rank], 3);
  damaged[rank] = 0;
  const auto file = GgufFile::parse(std::as_bytes(std::span(damaged)), "a.gguf");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, AllOf(HasSubstr("a.gguf: "), HasSubstr(name)));
}

TEST(LoraFile, RefusesWhatIsNoFactor) {
  for (const char* name :
       {"blk.0.attn_norm.weight", "output_norm.weight", "blk.0.attn_q.bias", ".lora_c", "a.lora_a "}) {
    TinyAdapter made = adapter();
    made.put(name, TinyModel::kModel, 1, 1);
    EXPECT_THAT(refusal(made, ErrorCode::kUnsupported), HasSubstr(name));
  }
}

}  // namespace
}  // namespace sain::formats
