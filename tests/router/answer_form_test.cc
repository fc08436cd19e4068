#include "router/answer_form.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::router {
namespace {

AnswerForm form(const std::string& text) {
  return {*formats::Grammar::parse(text), text};
}

class FormCacheTest : public ::testing::Test {
 protected:
  engine::Model load(const testing::TinyModel& tiny, const char* name) {
    return *engine::Model::load({.path = tiny.write(folder_ / name)});
  }
  testing::TemporaryFolder folder_;
  engine::Model model_ = load(testing::TinyModel(), "a.gguf");
  FormCache cache_;
};

TEST_F(FormCacheTest, CompilesAFormOnce) {
  const auto first = cache_.compile(model_, form("root ::= \"t\""));
  EXPECT_EQ(cache_.compile(model_, form("root ::= \"t\"")), first);
  const auto other = cache_.compile(model_, form("root ::= \"h\""));
  EXPECT_NE(other, first);
  EXPECT_EQ(&other->tokens(), &first->tokens()) << "a vocabulary is read once";
  EXPECT_NE(cache_.compile(load(testing::TinyModel("gemma3"), "b.gguf"), form("root ::= \"t\"")), first);
  cache_.clear();
  EXPECT_NE(cache_.compile(model_, form("root ::= \"t\"")), first);
}

TEST_F(FormCacheTest, KeepsTheLastFew) {
  const auto first = cache_.compile(model_, form("root ::= \"t\""));
  for (int i = 0; i < 3; ++i) cache_.compile(model_, form("root ::= \"" + std::to_string(i) + "\""));
  EXPECT_EQ(cache_.compile(model_, form("root ::= \"t\"")), first) << "and counts as used";
  for (int i = 3; i < 6; ++i) cache_.compile(model_, form("root ::= \"" + std::to_string(i) + "\""));
  EXPECT_EQ(cache_.compile(model_, form("root ::= \"t\"")), first);
  for (int i = 6; i < 10; ++i) cache_.compile(model_, form("root ::= \"" + std::to_string(i) + "\""));
  EXPECT_NE(cache_.compile(model_, form("root ::= \"t\"")), first);
}

TEST_F(FormCacheTest, SeveralThreadsMayAsk) {
  std::vector<std::shared_ptr<const engine::CompiledGrammar>> found(4);
  {
    std::vector<std::jthread> threads;
    for (auto& grammar : found) threads.emplace_back([&] { grammar = cache_.compile(model_, form("root ::= \"t\"")); });
  }
  for (const auto& grammar : found) EXPECT_EQ(grammar, found[0]);
}

}  // namespace
}  // namespace sain::router
