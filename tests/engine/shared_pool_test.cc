// Sessions of several threads on one pool.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "engine/session.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

struct NoSink : TokenSink {
  void on_text(std::string_view) override {}
};

std::vector<Token> answer(Session& session) {
  NoSink sink;
  const auto done = session.generate(testing::some_tokens(5), {.max_tokens = 40, .ignore_end = true}, {}, sink);
  EXPECT_TRUE(done) << done.error().message;
  return done ? done->tokens : std::vector<Token>();
}

TEST(SharedPool, ALongPromptDoesNotHoldUpOthers) {
  const testing::TemporaryFolder folder;
  const auto model = Model::load({.path = testing::TinyModel().write(folder / "tiny.gguf")});
  ASSERT_TRUE(model) << model.error().message;
  ThreadPool pool(2);
  auto alone = Session::create(*model, pool), together = Session::create(*model, pool),
       reader = Session::create(*model, pool);
  ASSERT_TRUE(alone && together && reader);
  const std::vector<Token> expected = answer(*alone);
  std::atomic<bool> is_done = false, has_begun = false;
  std::jthread other([&] {
    while (!is_done) {
      reader->reset();
      EXPECT_TRUE(reader->prefill(testing::some_tokens(300)));
      has_begun = true;
    }
  });
  while (!has_begun) std::this_thread::yield();
  EXPECT_EQ(answer(*together), expected);
  is_done = true;
}

}  // namespace
}  // namespace sain::engine
