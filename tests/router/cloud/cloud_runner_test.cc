// R24, R27, R40: a specialist in the cloud gets what may leave this machine, and nothing else.
#include "router/cloud/cloud_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/mock_chat_server.h"
#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

using sain::testing::delta_event;
using sain::testing::http_head;
using sain::testing::kStreamEnd;
using sain::testing::MockChatServer;
using sain::testing::MockConnection;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr SpecialistId kCloud{1};
constexpr const char* kPersonal = "Write to ada.lovelace@example.org about the bill.";

struct Collector : engine::TokenSink {
  void on_text(std::string_view piece) override { text += piece; }
  std::string text;
};

class CloudRunnerTest : public ::testing::Test {
 protected:
  CloudRunnerTest()
      : server_([](const MockConnection& connection, const std::string&) {
          connection.send(http_head("200 OK", "text/event-stream") + delta_event("From afar.") +
                          std::string(kStreamEnd));
        }) {
    Config config;
    config.assistant = {.name = "Ada", .model = "a.gguf"};
    config.specialists.push_back({.name = "sage", .model = {}, .system_prompt = "Be wise."});
    config.specialists[0].cloud = {.url = server_.url(), .model = "big", .key_variable = {}};
    registry_ = std::make_unique<Registry>(config);
  }

  Result<Answer> ask(std::string_view request, PrivacyLevel level = PrivacyLevel::kOn) {
    auto runner = CloudRunner::open(*registry_, {.level = level}, 4096, folder_.path());
    EXPECT_TRUE(runner) << runner.error().message;
    return (*runner)->answer(
        kCloud, conversation_, {.text = request}, {}, [](const Event&) {}, sink_);
  }

  std::string audit() const { return sain::testing::read_whole_file(folder_ / "audit.jsonl"); }

  sain::testing::TemporaryFolder folder_;
  MockChatServer server_;
  std::unique_ptr<Registry> registry_;
  Conversation conversation_;
  Collector sink_;
};

TEST_F(CloudRunnerTest, WhatIsNotPersonalIsSentAndLogged) {
  conversation_.context.record({"Hello", "Hello!", kAssistant});
  const auto answer = ask("Why is the sky blue?");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->text, "From afar.");
  EXPECT_EQ(sink_.text, "From afar.");
  EXPECT_THAT(server_.received(), HasSubstr("Why is the sky blue?"));
  EXPECT_THAT(server_.received(), HasSubstr("Be wise."));
  EXPECT_THAT(audit(), HasSubstr(R"("member":"sage")"));
  EXPECT_THAT(audit(), Not(HasSubstr("sky"))) << "the log holds no content";
  EXPECT_THAT(audit(), HasSubstr(conversation_.id));
}

TEST_F(CloudRunnerTest, PersonalDataStaysHere) {
  const auto answer = ask(kPersonal);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(answer.error().message, HasSubstr("1 email"));
  EXPECT_EQ(server_.received(), "");
  EXPECT_THAT(audit(), Not(HasSubstr("ada"))) << "the log holds no content";
  EXPECT_THAT(audit(), HasSubstr("email"));
}

TEST_F(CloudRunnerTest, SoDoesAConversationWithPersonalData) {
  conversation_.context.record({kPersonal, "Done.", kAssistant});
  EXPECT_FALSE(ask("Why is the sky blue?"));
  EXPECT_EQ(server_.received(), "");
}

TEST_F(CloudRunnerTest, WithoutPrivacyEverythingIsSent) {
  EXPECT_TRUE(ask(kPersonal, PrivacyLevel::kOff));
  EXPECT_THAT(server_.received(), HasSubstr("ada.lovelace"));
}

TEST_F(CloudRunnerTest, TheAssistantMaySayWhatIsAName) {
  for (const bool is_asked : {true, false}) {
    std::string asked_about;
    auto runner = CloudRunner::open(*registry_, {.name_vote = is_asked}, 4096, folder_.path(),
                                    [&](std::string_view, std::string_view candidate) {
                                      asked_about = candidate;
                                      return 0.95;
                                    });
    ASSERT_TRUE(runner) << runner.error().message;
    const auto answer = (*runner)->answer(
        kCloud, conversation_, {.text = "Where does Fatima Okonjo live?"}, {}, [](const Event&) {}, sink_);
    EXPECT_NE(static_cast<bool>(answer), is_asked);
    EXPECT_EQ(asked_about, is_asked ? "Fatima Okonjo" : "");
    EXPECT_EQ(server_.received().empty(), is_asked);
  }
}

TEST_F(CloudRunnerTest, WithoutItsLogNothingIsSent) {
  auto runner = CloudRunner::open(*registry_, {}, 4096, folder_ / "log");
  ASSERT_TRUE(runner) << runner.error().message;
  std::filesystem::remove_all(folder_ / "log");
  std::ofstream(folder_ / "log") << "in the way";
  EXPECT_FALSE((*runner)->answer(
      kCloud, conversation_, {.text = "Why is the sky blue?"}, {}, [](const Event&) {}, sink_));
  EXPECT_EQ(server_.received(), "");
}

}  // namespace
}  // namespace sain::router
