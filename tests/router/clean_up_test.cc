// R17: after a conversation is forgotten nothing of it is found in memory, whichever thread has answered.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "router/coordinator.h"
#include "router/model_runner.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::router {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kWipes = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kWipes = false;
#else
constexpr bool kWipes = true;
#endif
#else
constexpr bool kWipes = true;
#endif

constexpr char kMask = 0x15;

/// A request with the text that `masked` stands for in its middle: the heap writes over the beginning of what is free.
std::string request_with(const std::string& masked) {
  std::string out = "Please listen to what I have to say to you now: ";
  for (const char c : masked) out += static_cast<char>(c ^ kMask);
  return out + " and that is all.";
}

/// Whether the text that `masked` stands for is in memory that the program has written: the heap, that of other
/// threads, large blocks, stacks.
bool is_in_memory(const std::string& masked) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (line.find(" rw-p ") == std::string::npos ||
        std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR, &begin, &end) != 2)
      continue;
    const auto* bytes = reinterpret_cast<const char*>(begin);
    const size_t n = end - begin - masked.size();
    for (size_t i = 0; i < n; ++i) {
      size_t k = 0;
      while (k < masked.size() && (bytes[i + k] ^ kMask) == masked[k]) ++k;
      if (k == masked.size()) return true;
    }
  }
  return false;
}

TEST(CleanUpTest, NothingOfAForgottenConversationIsInMemory) {
  if (!kWipes) GTEST_SKIP() << "sanitizers have an allocator of their own";
  const std::string secret = [] {  // "the canary sings at midnight", masked
    std::string text = "the canary sings at midnight";
    for (char& c : text) c = static_cast<char>(c ^ kMask);
    return text;
  }();
  ASSERT_TRUE([&] {
    const std::string there = request_with(secret);
    return is_in_memory(secret);
  }()) << "what is there is found";

  const testing::TemporaryFolder folder;
  testing::TinyModel tiny;
  tiny.set("context_length", 512u);
  auto model = engine::Model::load({.path = tiny.write(folder / "tiny.gguf")});
  ASSERT_TRUE(model) << model.error().message;
  Config config;
  config.assistant = {.name = "Ada", .model = "tiny.gguf", .max_tokens = 20};
  const Registry registry(config);
  engine::ThreadPool pool(1);
  const auto prefixes = std::make_shared<engine::PrefixStore>(engine::PrefixStoreOptions{});
  const ModelRunner runner(registry, pool, *model, {.context_length = 512, .prefixes = prefixes},
                           ConversationPolicy::kCompact);
  Conversation conversation;
  class Sink : public engine::TokenSink {
    void on_text(std::string_view) override {}
  } sink;
  const auto ask = [&] {
    const std::string request = request_with(secret);
    const auto answer = runner.answer(
        kAssistant, *model, conversation, {request}, {}, [](const Event&) {}, sink);
    ASSERT_TRUE(answer) << answer.error().message;
    conversation.context.record({request, answer->text, kAssistant});
  };
  ask();
  std::thread(ask).join();
  EXPECT_TRUE(is_in_memory(secret)) << "the conversation holds it";
  conversation.reset();
  runner.forget();
  EXPECT_FALSE(is_in_memory(secret));
}

}  // namespace
}  // namespace sain::router
