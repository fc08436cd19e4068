// R15, R37: whatever happens to a specialist's file or to the disk, a request is answered, and with a sentence why by
// somebody else. On models that run; tests of Coordinator and Residency have faults at every other step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "router/routed_chat.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class FaultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
    Config config;
    config.file = "sain.toml";
    config.directory = folder_.path();
    config.context_length = 256;
    config.unload_after_answer = true;
    config.routing.layer = 1;
    config.assistant = {.name = "Ada", .model = "assistant.gguf", .max_tokens = 4};
    config.specialists.push_back({.name = "coding", .model = "coding.gguf", .max_tokens = 4});
    for (const char* name : {"assistant.gguf", "coding.gguf"}) {
      testing::TinyModel tiny;
      tiny.set("context_length", 256u);
      tiny.write(folder_ / name);
    }
    RoutedChatOptions options;
    options.threads = 1;
    options.snapshots = folder_ / "prefixes";
    options.observer.say = [this](std::string_view line) { said_ += std::string(line) + "\n"; };
    auto chat = RoutedChat::open(config, options);
    ASSERT_TRUE(chat) << chat.error().message;
    chat_ = *std::move(chat);
    ASSERT_TRUE(ask()) << "without a fault";
    ASSERT_EQ(by_, SpecialistId{1});
  }

  /// Asks the specialist.
  Status ask() {
    fallback_ = {};
    return chat_->team()->coordinator().handle(conversation_, "@coding loop", {}, [this](const Event& event) {
      if (const auto* fallback = std::get_if<FallbackEvent>(&event)) fallback_ = *fallback;
      if (const auto* done = std::get_if<DoneEvent>(&event)) by_ = done->by;
    });
  }

  void expect_fallback(const std::string& reason) {
    by_ = SpecialistId{1};
    ASSERT_TRUE(ask());
    EXPECT_EQ(by_, kAssistant);
    EXPECT_THAT(fallback_.reason, HasSubstr(reason));
    EXPECT_THAT(fallback_.text, HasSubstr("could not answer"));
  }

  testing::TemporaryFolder folder_;
  const fs::path file_ = folder_ / "coding.gguf";
  std::unique_ptr<RoutedChat> chat_;
  Conversation conversation_;
  FallbackEvent fallback_;
  SpecialistId by_ = kAssistant;
  std::string said_;
};

TEST_F(FaultsTest, AFileThatVanishes) {
  fs::rename(file_, folder_ / "away");
  expect_fallback("coding.gguf");
  fs::rename(folder_ / "away", file_);
  ASSERT_TRUE(ask());
  EXPECT_EQ(by_, SpecialistId{1}) << "and it comes back";
}

TEST_F(FaultsTest, AFileThatIsCut) {
  fs::resize_file(file_, fs::file_size(file_) / 2);
  expect_fallback("coding.gguf");
}

TEST_F(FaultsTest, AFileThatIsDamaged) {
  std::fstream(file_, std::ios::in | std::ios::out | std::ios::binary).seekp(4) << "damaged";
  expect_fallback("coding.gguf");
}

TEST_F(FaultsTest, AFolderInItsPlace) {
  fs::remove(file_);
  fs::create_directory(file_);
  expect_fallback("coding.gguf");
}

TEST_F(FaultsTest, AFullDiskCostsNoAnswer) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  fs::remove_all(folder_ / "prefixes");
  conversation_.reset();
  const Status status = ask();
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_TRUE(status);
  EXPECT_EQ(by_, SpecialistId{1}) << "what cannot be kept is computed again the next time";
}

}  // namespace
}  // namespace sain::router
