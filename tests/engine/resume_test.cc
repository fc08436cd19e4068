// Sessions that start from what others, or earlier programs, have computed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "engine/session.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using testing::some_tokens;
using testing::TinyModel;

std::vector<Token> joined(std::vector<Token> a, const std::vector<Token>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct NoSink : TokenSink {
  void on_text(std::string_view) override {}
};

/// Of models of an architecture.
class ResumeTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto loaded = Model::load({.path = TinyModel(GetParam()).write(folder_ / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_ = std::make_unique<Model>(*std::move(loaded));
  }

  std::shared_ptr<PrefixStore> store(bool has_disk = false) {
    PrefixStoreOptions options;
    if (has_disk) options.directory = folder_ / "prefixes";
    options.warn = [](const std::string& message) { ADD_FAILURE() << message; };
    return std::make_shared<PrefixStore>(options);
  }

  Session session(SessionOptions options, std::shared_ptr<PrefixStore> prefixes = nullptr) {
    options.prefixes = std::move(prefixes);
    auto created = Session::create(*model_, pool_, options);
    EXPECT_TRUE(created) << created.error().message;
    return *std::move(created);
  }

  static void generate(Session& s, std::span<const Token> tokens, uint32_t n, Keep keep) {
    NoSink sink;
    const auto done =
        s.generate(tokens, {.max_tokens = n, .ignore_end = true, .keep_prompt = keep}, std::stop_token(), sink);
    ASSERT_TRUE(done) << done.error().message;
  }

  /// Goes on to the end of `prompt`, and compares with a session that reads it from the beginning.
  void expect_answer(Session& s, const std::vector<Token>& prompt, const SessionOptions& options, float tolerance) {
    const auto found = s.prefill(std::span(prompt).subspan(s.n_tokens()));
    ASSERT_TRUE(found) << found.error().message;
    Session fresh = session(options);
    const auto expected = fresh.prefill(prompt);
    ASSERT_TRUE(expected) << expected.error().message;
    for (size_t i = 0; i < found->size(); ++i) ASSERT_NEAR((*found)[i], (*expected)[i], tolerance) << "logit " << i;
    EXPECT_EQ(s.n_tokens(), prompt.size());
    EXPECT_THAT(s.history(), ElementsAreArray(fresh.history()));
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<Model> model_;
  ThreadPool pool_{2};
};

const SessionOptions kStop = {.precision = Precision::kExact};
const SessionOptions kStream = {
    .context_length = 150, .precision = Precision::kExact, .policy = ContextPolicy::kStream};
const SessionOptions kQ8 = {.precision = Precision::kExact, .kv_type = KvType::kQ8_0};
constexpr float kTolerance = 1e-4f;

TEST_P(ResumeTest, FromWhatAnotherSessionKept) {
  const std::vector<Token> system = some_tokens(90), first = joined(system, some_tokens(20, 2)),
                           second = joined(first, some_tokens(30, 3));
  for (const SessionOptions& options : {kStop, kStream, kQ8}) {
    const auto shared = store();
    Session a = session(options, shared), b = session(options, shared), c = session(options, shared);
    EXPECT_EQ(a.resume(first), 0u);
    generate(a, first, 10, Keep::kMemory);
    EXPECT_EQ(b.resume(second), first.size());
    expect_answer(b, second, options, kTolerance);
    // The prompt again: all but its last token, whose logits are wanted.
    EXPECT_EQ(c.resume(first), first.size() - 1);
    expect_answer(c, first, options, kTolerance);
    // The other went its own way meanwhile.
    EXPECT_EQ(b.resume(joined(second, {5, 6})), second.size());
    expect_answer(b, joined(second, {5, 6}), options, kTolerance);
  }
}

TEST_P(ResumeTest, FromItsOwnConversation) {
  const std::vector<Token> first = some_tokens(40), second = joined(some_tokens(37), some_tokens(20, 4));
  Session s = session(kStop);
  EXPECT_EQ(s.resume(first), 0u);
  generate(s, first, 5, Keep::kMemory);
  EXPECT_EQ(s.resume(second), 37u);
  expect_answer(s, second, kStop, kTolerance);
  EXPECT_EQ(s.resume(joined(second, {7})), second.size());
  EXPECT_EQ(s.resume(some_tokens(30, 5)), 0u);
  expect_answer(s, some_tokens(30, 5), kStop, kTolerance);
  EXPECT_EQ(s.resume({}), 0u);
  EXPECT_THAT(s.history(), IsEmpty());
}

TEST_P(ResumeTest, TheLongestThatIsKnown) {
  const auto shared = store();
  const std::vector<Token> prompt = some_tokens(80);
  Session a = session(kStop, shared), b = session(kStop, shared);
  generate(a, std::span(prompt).first(60), 1, Keep::kMemory);
  generate(b, std::span(prompt).first(30), 1, Keep::kMemory);
  EXPECT_EQ(b.resume(std::span(prompt).first(31)), 30u);  // its own is as long
  EXPECT_EQ(b.resume(prompt), 60u);
  expect_answer(b, prompt, kStop, kTolerance);
}

TEST_P(ResumeTest, AfterARestart) {
  const std::vector<Token> first = some_tokens(100), second = joined(some_tokens(98), some_tokens(20, 2));
  for (const SessionOptions& options : {kStop, kStream, kQ8}) {
    Session before = session(options, store(true));
    EXPECT_EQ(before.resume(first), 0u);
    generate(before, first, 3, Keep::kDisk);
    Session after = session(options, store(true));
    EXPECT_EQ(after.resume(first), 99u);
    expect_answer(after, first, options, kTolerance);
    Session other = session(options, store(true));
    EXPECT_EQ(other.resume(second), 98u);
    expect_answer(other, second, options, kTolerance);
    std::filesystem::remove_all(folder_ / "prefixes");
  }
}

TEST_P(ResumeTest, AStreamFromWhatKeepsAllOrOtherwiseTheReverse) {
  const auto shared = store();
  const std::vector<Token> first = some_tokens(100), second = joined(first, some_tokens(80, 2));
  Session whole = session(kStop, shared), stream = session(kStream, shared);
  generate(whole, first, 1, Keep::kMemory);
  EXPECT_EQ(stream.resume(second), 100u);
  expect_answer(stream, second, kStream, kTolerance);
  stream.keep(Keep::kMemory);  // has forgotten 30 tokens: nobody can start from it
  Session other = session(kStop, shared);
  EXPECT_EQ(other.resume(second), 100u);
  expect_answer(other, second, kStop, kTolerance);
}

// As a conversation sends all of itself again with each request.
TEST_P(ResumeTest, AStreamGoesOnAfterItHasForgotten) {
  std::vector<Token> prompt = some_tokens(400);
  Session s = session(kStream, store());
  Session whole = session(kStream);
  for (size_t n = 0; n < 400; n += 40) {
    EXPECT_EQ(s.resume(std::span(prompt).first(n + 40)), n);
    ASSERT_TRUE(s.prefill(std::span(prompt).subspan(n, 40)));
    ASSERT_TRUE(whole.prefill(std::span(prompt).subspan(n, 40)));
  }
  EXPECT_EQ(s.resume(joined(prompt, {8})), 400u);
  const auto found = s.prefill({{8}}), expected = whole.prefill({{8}});
  ASSERT_TRUE(found && expected);
  EXPECT_THAT(*found, ElementsAreArray(*expected));
  // Another turn: a token that is forgotten was another one.
  prompt[50] = prompt[50] == 9 ? 10 : 9;
  EXPECT_EQ(s.resume(prompt), 0u);
  EXPECT_THAT(s.history(), IsEmpty());
}

TEST_P(ResumeTest, SessionsOfSeveralThreads) {
  const auto shared = store();
  const std::vector<Token> prompt = some_tokens(64);
  std::vector<std::jthread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      ThreadPool pool(1);
      SessionOptions options = kStop;
      options.prefixes = shared;
      auto s = Session::create(*model_, pool, options);
      ASSERT_TRUE(s);
      for (uint64_t i = 0; i < 5; ++i) {
        const std::vector<Token> own = joined(prompt, some_tokens(10, 10 * t + i));
        const uint64_t n = s->resume(own);
        ASSERT_LT(n, own.size());
        ASSERT_TRUE(s->prefill(std::span(own).subspan(n)));
        s->keep(Keep::kMemory);
      }
    });
  }
  threads.clear();
  Session last = session(kStop, shared);
  EXPECT_GE(last.resume(joined(prompt, {3, 3})), 64u);
}

INSTANTIATE_TEST_SUITE_P(Architectures, ResumeTest, ::testing::Values("llama", "gemma3"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace sain::engine
