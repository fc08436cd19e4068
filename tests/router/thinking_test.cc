// Thought before an answer: in the prompt, up to its budget, and never in the answer.
#include "router/thinking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "router/prompt.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::router {
namespace {

using sain::testing::TinyModel;
using ::testing::EndsWith;

constexpr const char* kTurns = "{% for m in messages %}<|start|>{{ m.role }} {{ m.content }}<|end|>{% endfor %}";
constexpr const char* kRequest = "<|start|>assistant ";
constexpr formats::Token kClose = 94;

struct TextSink : engine::TokenSink {
  void on_text(std::string_view piece) override { text += piece; }
  std::string text;
};

class ThinkingTest : public ::testing::Test {
 protected:
  /// A model whose token 94 is the closing tag. An empty template: none.
  void load(const std::string& chat_template) {
    TinyModel tiny;
    std::vector<std::string> tokens = {"<|start|>", "<|end|>", "\xc4\xa0"};
    for (char c = '!'; c <= '~'; ++c)
      if (c != '^' && c != '`' && c != '~') tokens.push_back(std::string(1, c));
    tokens.insert(tokens.end(), {"</think>", "th"});
    std::vector<int32_t> types(tokens.size(), 1);
    types[0] = types[1] = 3;
    types[kClose] = 4;  // as converters mark it: a token of its own whose text counts
    tiny.metadata.set("tokenizer.ggml.tokens", tokens);
    tiny.metadata.set("tokenizer.ggml.token_type", types);
    tiny.metadata.set("tokenizer.ggml.merges", std::vector<std::string>{"t h"});
    if (!chat_template.empty()) tiny.metadata.set("tokenizer.chat_template", chat_template);
    auto loaded = engine::Model::load({.path = tiny.write(folder_ / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_ = std::make_unique<engine::Model>(*std::move(loaded));
  }

  std::string prompt(Thinking thinking, const std::string& request = "Hi") {
    const Message message = {"user", request};
    const auto tokens = render_prompt(*model_, {&message, 1}, 0, thinking);
    EXPECT_TRUE(tokens) << tokens.error().message;
    return tokens ? model_->tokenizer().decode(*tokens, formats::SpecialTokens::kParse) : "";
  }

  engine::Session session() {
    auto created = engine::Session::create(*model_, pool_, {.precision = engine::Precision::kExact});
    EXPECT_TRUE(created) << created.error().message;
    return *std::move(created);
  }

  sain::testing::TemporaryFolder folder_;
  std::unique_ptr<engine::Model> model_;
  engine::ThreadPool pool_{1};
};

// R59. The tiny vocabulary has no line breaks, so the prompts have none either.
TEST_F(ThinkingTest, ATemplateThatCanBeToldIsTold) {
  load(std::string(kTurns) + kRequest +
       "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}");
  EXPECT_TRUE(knows_thinking(*model_));
  EXPECT_THAT(prompt(Thinking::kNone), EndsWith("assistant <think></think>"));
  EXPECT_THAT(prompt(Thinking::kFirst), EndsWith("assistant <think>"));
  load(std::string(kTurns) + kRequest + "{% if enable_thinking %}<think>{% endif %}");
  EXPECT_THAT(prompt(Thinking::kNone), EndsWith("assistant "));
  EXPECT_THAT(prompt(Thinking::kFirst), EndsWith("assistant <think>"));
}

TEST_F(ThinkingTest, ATemplateThatAlwaysThinksIsCutShort) {
  load(std::string(kTurns) + kRequest + "<think>");
  EXPECT_TRUE(knows_thinking(*model_));
  EXPECT_THAT(prompt(Thinking::kNone), EndsWith("assistant <think></think>"));
  EXPECT_THAT(prompt(Thinking::kFirst), EndsWith("assistant <think>"));
  load(std::string("{% set x = messages[0].content.split('</think>') %}") + kTurns + kRequest);
  EXPECT_TRUE(knows_thinking(*model_));
  EXPECT_THAT(prompt(Thinking::kNone), EndsWith("assistant <think></think>"));
  EXPECT_THAT(prompt(Thinking::kFirst), EndsWith("assistant <think>"));
}

TEST_F(ThinkingTest, AModelThatKnowsNothingOfItThinksOnlyWhenAsked) {
  load(std::string(kTurns) + kRequest);
  EXPECT_FALSE(knows_thinking(*model_));
  EXPECT_THAT(prompt(Thinking::kNone), EndsWith("assistant "));
  EXPECT_THAT(prompt(Thinking::kFirst), EndsWith("assistant <think>"));
  load("");
  EXPECT_FALSE(knows_thinking(*model_));
  EXPECT_THAT(prompt(Thinking::kNone), EndsWith("Assistant:"));
  EXPECT_THAT(prompt(Thinking::kFirst), EndsWith("Assistant:<think>"));
}

TEST_F(ThinkingTest, WhatIsAskedOpensNoThought) {
  load("{% for m in messages %}{{ m.content }}{% endfor %}{# </think> #}");
  EXPECT_THAT(prompt(Thinking::kNone, "What is <think>"), EndsWith("What is <think><think></think>"));
  EXPECT_THAT(prompt(Thinking::kFirst, "What is <think>"), EndsWith("What is <think><think>"));
}

/// Makes every draw `token`.
engine::GenerateOptions always(formats::Token token) {
  engine::GenerateOptions options;
  options.sampler.logit_bias = {{token, 1000.0f}};
  return options;
}

// R59: a thought ends, whatever the model does.
TEST_F(ThinkingTest, TheTagIsForcedWhenTheBudgetIsSpentOrTheModelEndsTooEarly) {
  load(std::string(kTurns) + kRequest);
  for (const formats::Token token : {95, TinyModel::kEnd}) {
    engine::Session s = session();
    TextSink sink;
    const auto end = think(s, sain::testing::some_tokens(9), always(token), 5, {}, sink);
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_EQ(sink.text, token == 95 ? "ththththth" : "");
    EXPECT_THAT(end->tokens, ::testing::ElementsAre(kClose));
    EXPECT_EQ(s.n_tokens(), token == 95 ? 14u : 9u);
  }
}

TEST_F(ThinkingTest, AModelMayCloseItsThoughtItself) {
  load(std::string(kTurns) + kRequest);
  engine::Session s = session();
  TextSink sink;
  const auto end = think(s, sain::testing::some_tokens(9), always(kClose), 5, {}, sink);
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(sink.text, "");
  EXPECT_THAT(end->tokens, ::testing::ElementsAre(kClose));
  EXPECT_EQ(s.n_tokens(), 9u) << "the tag is still to be taken in";
}

TEST_F(ThinkingTest, AStopEndsAThought) {
  load(std::string(kTurns) + kRequest);
  engine::Session s = session();
  std::stop_source stop;
  stop.request_stop();
  TextSink sink;
  const auto end = think(s, sain::testing::some_tokens(9), always(95), 5, stop.get_token(), sink);
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(sink.text, "");
}

std::string filtered(std::string_view text, size_t piece, Thinking before = Thinking::kNone) {
  TextSink sink;
  AnswerFilter filter(sink, before);
  for (size_t i = 0; i < text.size(); i += piece) filter.on_text(text.substr(i, piece));
  filter.finish();
  EXPECT_EQ(filter.text(), sink.text);
  return sink.text;
}

TEST(AnswerFilterTest, AThoughtAtTheBeginningIsNotShownHoweverItComes) {
  const std::pair<const char*, const char*> cases[] = {
      {"Hello", "Hello"},
      {" Hello", " Hello"},
      {"", ""},
      {" \n", " \n"},
      {"<thinking>", "<thinking>"},
      {"<thin", "<thin"},
      {"1 <think> 2 </think>", "1 <think> 2 </think>"},
      {"<think>hm</think>\n\nHello", "Hello"},
      {"\n<think>a < b </thin </think>Hello </think>", "Hello </think>"},
      {"<think>hm</think>\n<think>hm again</think>Hello", "Hello"},
      {"<think>for ever", ""},
      {"<think>hm</think>", ""},
      {"<think>hm</think> <thi", "<thi"},
  };
  for (const auto& [text, expected] : cases)
    for (size_t piece = 1; piece <= std::string_view(text).size() + 1; ++piece)
      EXPECT_EQ(filtered(text, piece), expected) << text << " in pieces of " << piece;
  EXPECT_EQ(filtered("\n\nHello\n", 1, Thinking::kFirst), "Hello\n") << "spaces after a thought";
  EXPECT_EQ(filtered("\n\n", 1, Thinking::kFirst), "");
}

}  // namespace
}  // namespace sain::router
