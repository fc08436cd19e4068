// R29: specialists come, change and go while requests are answered, and nobody notices but by the answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <thread>

#include "router/routed_chat.h"
#include "tests/router/packages/package_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class LivePackagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1);
    Config config;
    config.file = "sain.toml";
    config.directory = folder_.path();
    config.context_length = 256;
    config.routing.layer = 1;
    config.assistant = {.name = "Ada", .model = "assistant.gguf", .max_tokens = 4};
    config.assistant.intents = {{"talk", {"hello there", "how are you", "thank you"}}};
    config.specialists.push_back({.name = "coding", .model = "assistant.gguf", .max_tokens = 4});
    config.specialists[0].intents = {{"code", {"write a loop", "fix this bug", "sort a list in python"}}};
    testing::TinyModel tiny;
    tiny.set("context_length", 256u);
    tiny.write(folder_ / "assistant.gguf");
    RoutedChatOptions options;
    options.threads = 1;
    options.packages = store_;
    options.observer.say = [this](std::string_view line) { said_ += std::string(line) + "\n"; };
    auto chat = RoutedChat::open(config, options);
    ASSERT_TRUE(chat) << chat.error().message;
    chat_ = *std::move(chat);
  }

  void install(std::string_view version) {
    const fs::path source = folder_ / "source";
    fs::remove_all(source);
    test::make_chess(source, version, read_file(folder_ / "assistant.gguf"));
    InstallOptions options;
    options.trial = [](const auto&, const auto&) { return Result<PackageReport>(PackageReport{}); };
    const auto installed = store_.install(source, options);
    ASSERT_TRUE(installed) << installed.error().message;
  }

  /// Who answers.
  std::string ask(std::string_view request, const EventSink& sink = {}) {
    const std::shared_ptr<Team> team = chat_->team();
    SpecialistId by{};
    const Status status = team->coordinator().handle(conversation_, request, {}, [&](const Event& event) {
      if (const auto* done = std::get_if<DoneEvent>(&event)) by = done->by;
      if (sink) sink(event);
    });
    EXPECT_TRUE(status);
    return team->members().names[index(by)];
  }

  std::string state_of(const std::string& version) {
    for (const ModelStatus& model : chat_->residency().status())
      if (model.file == folder_ / "store/chess" / version / "model.gguf") return std::string(to_string(model.state));
    return "gone";
  }

  testing::TemporaryFolder folder_;
  PackageStore store_{folder_ / "store"};
  std::unique_ptr<RoutedChat> chat_;
  Conversation conversation_;
  std::string said_;
};

TEST_F(LivePackagesTest, ASpecialistComesChangesAndGoes) {
  EXPECT_EQ(ask("@coding loop"), "coding");
  EXPECT_EQ(ask("@chess what now"), "assistant") << "there is none yet";
  EXPECT_FALSE(*chat_->refresh()) << "nothing has changed";

  install("1.0.0");
  EXPECT_TRUE(*chat_->refresh());
  EXPECT_EQ(ask("@chess what now"), "chess");
  EXPECT_EQ(chat_->team()->coordinator().route("rook and pawn against rook").target,
            *chat_->team()->members().find("chess"))
      << "and its requests are known";
  EXPECT_EQ(state_of("1.0.0"), "resident");

  install("1.1.0");
  EXPECT_TRUE(*chat_->refresh());
  EXPECT_EQ(chat_->team()->registry().member(SpecialistId{2}).version, "1.1.0");
  EXPECT_EQ(ask("@chess and now"), "chess");
  EXPECT_EQ(state_of("1.1.0"), "resident");
  EXPECT_EQ(state_of("1.0.0"), "gone") << "its memory is back";

  EXPECT_EQ(*store_.roll_back("chess", ""), "1.0.0");
  EXPECT_TRUE(*chat_->refresh());
  EXPECT_EQ(ask("@chess and now"), "chess");
  EXPECT_EQ(state_of("1.0.0"), "resident");

  ASSERT_TRUE(store_.remove("chess", ""));
  EXPECT_TRUE(*chat_->refresh());
  EXPECT_EQ(ask("@chess what now"), "assistant");
  EXPECT_EQ(ask("@coding loop"), "coding") << "in a conversation in which chess has answered";
  EXPECT_TRUE(chat_->team()->members().is_gone(SpecialistId{2}));
  for (const auto& model : chat_->status().models) EXPECT_THAT(model.file, ::testing::Not(HasSubstr("chess")));

  install("2.0.0");
  EXPECT_TRUE(*chat_->refresh());
  EXPECT_EQ(ask("@chess again"), "chess");
  EXPECT_EQ(chat_->team()->members().names.size(), 3u) << "in its old place";
}

TEST_F(LivePackagesTest, AnAnswerEndsWithTheVersionThatBeganIt) {
  install("1.0.0");
  ASSERT_TRUE(chat_->refresh());
  std::promise<void> begun, updated;
  std::future<std::string> answer = std::async(std::launch::async, [&] {
    bool is_first = true;
    return ask("@chess what now", [&](const Event& event) {
      if (!std::holds_alternative<TokenEvent>(event) || !std::exchange(is_first, false)) return;
      begun.set_value();
      updated.get_future().wait();
    });
  });
  begun.get_future().wait();
  install("1.1.0");
  EXPECT_TRUE(*chat_->refresh());
  EXPECT_EQ(state_of("1.0.0"), "draining");
  Conversation other;
  SpecialistId by{};
  ASSERT_TRUE(chat_->team()->coordinator().handle(other, "@chess hello", {}, [&](const Event& event) {
    if (const auto* done = std::get_if<DoneEvent>(&event)) by = done->by;
  }));
  EXPECT_EQ(chat_->team()->members().names[index(by)], "chess") << "the new version, beside the old one";
  EXPECT_EQ(state_of("1.1.0"), "resident");
  updated.set_value();
  EXPECT_EQ(answer.get(), "chess");
  EXPECT_EQ(state_of("1.0.0"), "gone");
}

TEST_F(LivePackagesTest, ABrokenPackageCostsNobodyElseAnything) {
  install("1.0.0");
  fs::remove(folder_ / "store/chess/1.0.0/intents.toml");
  EXPECT_TRUE(*chat_->refresh());
  EXPECT_THAT(said_, HasSubstr("intents.toml: there is no such file"));
  EXPECT_EQ(ask("@coding loop"), "coding");
  test::write_text(folder_ / "store/installed.toml", "nonsense");
  EXPECT_TRUE(*chat_->refresh());
  EXPECT_THAT(said_, HasSubstr("installed.toml:1: "));
  EXPECT_EQ(ask("@coding loop"), "coding");
}

TEST_F(LivePackagesTest, WhoWatchesIsToldAndNeedsNoRestart) {
  std::promise<std::string> told;
  chat_->watch_packages([&](std::string_view line) { told.set_value(std::string(line)); });
  install("1.0.0");
  EXPECT_EQ(told.get_future().get(), "the specialists are now @assistant, @coding, @chess");
  EXPECT_EQ(ask("@chess what now"), "chess");
}

}  // namespace
}  // namespace sain::router
