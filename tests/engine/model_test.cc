#include "engine/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TinyModel;

class ModelTest : public ::testing::Test {
 protected:
  Result<Model> load(const TinyModel& tiny, LoadOptions options = {}) {
    options.path = tiny.write(folder / "tiny.gguf");
    return Model::load(options);
  }

  testing::TemporaryFolder folder;
};

TEST_F(ModelTest, LoadsConfigurationWeightsAndTokenizer) {
  std::vector<double> progress;
  const auto model =
      load(TinyModel("qwen3"), {.path = {}, .on_progress = [&](double fraction) { progress.push_back(fraction); }});
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->config().architecture, Architecture::kQwen3);
  EXPECT_EQ(model->weights().layers.size(), 2u);
  EXPECT_EQ(model->tokenizer().vocab_size(), 96u);
  EXPECT_EQ(model->tokenizer().encode("the", formats::SpecialTokens::kAsText), std::vector<formats::Token>{95});
  EXPECT_EQ(model->chat_template(), nullptr);
  EXPECT_THAT(model->warnings(), IsEmpty());
  EXPECT_EQ(model->weights_bytes(), model->weights().bytes);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  ASSERT_FALSE(progress.empty());
  EXPECT_EQ(progress.back(), 1);
}

TEST_F(ModelTest, MissingFile) {
  const auto model = Model::load({.path = folder / "none.gguf"});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(model.error().message, HasSubstr("none.gguf"));
}

TEST_F(ModelTest, StopRequestCancelsTheLoad) {
  std::stop_source stop;
  stop.request_stop();
  const auto model = load(TinyModel(), {.path = {}, .stop = stop.get_token()});
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(model.error().message, HasSubstr("tiny.gguf"));
}

TEST_F(ModelTest, ChatTemplateIsCompiled) {
  TinyModel tiny;
  tiny.metadata.set("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}");
  const auto model = load(tiny);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_NE(model->chat_template(), nullptr);
  EXPECT_THAT(model->warnings(), IsEmpty());
}

TEST_F(ModelTest, BadChatTemplateIsAWarning) {
  TinyModel tiny;
  tiny.metadata.set("tokenizer.chat_template", "{% for %}");
  auto model = load(tiny);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->chat_template(), nullptr);
  EXPECT_THAT(model->warnings(), ElementsAre(HasSubstr("tokenizer.chat_template")));

  tiny.metadata.set("tokenizer.chat_template", uint32_t{7});
  model = load(tiny);
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_THAT(model->warnings(), ElementsAre(HasSubstr("tokenizer.chat_template")));
}

TEST_F(ModelTest, FaultsOfEveryPartComeThrough) {
  TinyModel no_layers;
  no_layers.remove("block_count");
  TinyModel no_norm;
  no_norm.tensors.erase("output_norm.weight");
  TinyModel no_tokenizer;
  no_tokenizer.metadata.remove("tokenizer.ggml.model");
  for (const auto& [tiny, part] :
       {std::pair{&no_layers, "llama.block_count"}, std::pair{&no_norm, "output_norm.weight"},
        std::pair{&no_tokenizer, "tokenizer.ggml.model"}}) {
    const auto model = load(*tiny);
    ASSERT_FALSE(model) << part;
    EXPECT_THAT(model.error().message, HasSubstr("tiny.gguf"));
    EXPECT_THAT(model.error().message, HasSubstr(part));
  }
}

}  // namespace
}  // namespace sain::engine
