// What may leave; and that nothing else does (R24): a server in the place of the cloud gets no byte of a marked
// request.
#include "router/privacy/decision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "router/cloud/chat_client.h"
#include "router/privacy/audit_log.h"
#include "tests/support/mock_chat_server.h"
#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

using sain::testing::http_head;
using sain::testing::kStreamEnd;
using sain::testing::MockChatServer;
using sain::testing::MockConnection;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(DecidePrivacy, FindingsKeepARequestHere) {
  const PersonalData email = {PersonalDataKind::kEmail, 0, 5}, name = {PersonalDataKind::kName, 6, 9};
  const std::vector<PersonalData> some = {email, name, name};
  for (const auto level : {PrivacyLevel::kOff, PrivacyLevel::kOn, PrivacyLevel::kStrict}) {
    EXPECT_EQ(decide_privacy({}, level, AnswerPlace::kCloud).place, AnswerPlace::kCloud);
    EXPECT_EQ(decide_privacy({}, level, AnswerPlace::kLocal).place, AnswerPlace::kLocal);
    const PrivacyDecision local = decide_privacy(some, level, AnswerPlace::kLocal);
    EXPECT_EQ(local.place, AnswerPlace::kLocal);
    EXPECT_FALSE(local.is_kept_back);
    const PrivacyDecision cloud = decide_privacy(some, level, AnswerPlace::kCloud);
    EXPECT_EQ(cloud.place, level == PrivacyLevel::kOff ? AnswerPlace::kCloud : AnswerPlace::kLocal);
    EXPECT_EQ(cloud.is_kept_back, level != PrivacyLevel::kOff);
    EXPECT_EQ(describe(cloud), "1 email, 2 name");
  }
  EXPECT_EQ(describe({}), "nothing personal");
}

struct Labelled {
  const char* text;
  const char* marked;  // what must not leave; empty: nothing in it is personal
};

constexpr Labelled kRequests[] = {
    {"Sort a list of numbers in Python", ""},
    {"My name is Anna Fischer, write my CV", "Anna Fischer"},
    {"What is the capital of France?", ""},
    {"Mail the report to anna.fischer@example.org", "anna.fischer@example.org"},
    {"Is 4111 1111 1111 1111 a valid card?", "4111 1111 1111 1111"},
    {"Explain TCP slow start", ""},
    {"Please transfer 50 euros to DE89370400440532013000", "DE89370400440532013000"},
    {"Call me back on +49 170 1234567", "170 1234567"},
    {"What is 1234567 * 7654321?", ""},
    {"My SSN is 123-45-6789, is my tax form right?", "123-45-6789"},
    {"Why does password = \"hunter2!\" fail?", "hunter2!"},
    {"Who logged in from 84.112.33.7?", "84.112.33.7"},
    {"I was born on 12 March 1985, how old am I?", "12 March 1985"},
    {"Deliver it to 12 Main Street, Springfield, IL 62704", "12 Main Street"},
    {"Translate: the weather is nice", ""},
    {"Fix my script: AKIAIOSFODNN7EXAMPLE is refused", "AKIAIOSFODNN7EXAMPLE"},
    {"My son Paul cannot sleep", "Paul"},
    {"Meine Steuer-ID ist 86095742719", "86095742719"},
};

// As the coordinator does it: everything that would be sent is looked at, the line is written, and only then it is
// sent.
TEST(PrivacyR24, TheCloudReceivesNoMarkedByteAndTheLogNoContent) {
  MockChatServer server([](const MockConnection& connection, const std::string&) {
    connection.send(http_head("200 OK", "text/event-stream") + std::string(kStreamEnd));
  });
  const sain::testing::TemporaryFolder folder;
  auto log = AuditLog::open({.file = folder / "audit.jsonl"});
  ASSERT_TRUE(log) << log.error().message;
  struct : engine::TokenSink {
    void on_text(std::string_view) override {}
  } sink;
  CloudClient client;
  CloudOptions options;
  options.url = server.url();
  options.model = "big";
  size_t n_sent = 0, n_innocuous = 0;
  for (const auto& [text, marked] : kRequests) {
    const PrivacyDecision decision = decide_privacy(find_personal_data(text), PrivacyLevel::kOn, AnswerPlace::kCloud);
    const std::vector<Message> messages = {{"user", text}};
    AuditEntry entry = {.request_id = make_opaque_id(), .conversation_id = make_opaque_id(), .member = "big"};
    entry.decision = decision;
    entry.answered = decision.place;
    if (decision.place == AnswerPlace::kCloud) entry.cloud_bytes = cloud_request_body(messages, options).size();
    ASSERT_TRUE(log->append(entry));
    n_innocuous += *marked == '\0';
    EXPECT_EQ(decision.is_kept_back, *marked != '\0') << text;
    if (decision.place == AnswerPlace::kLocal) continue;
    ++n_sent;
    ASSERT_TRUE(client.chat(messages, options, {}, sink));
  }
  EXPECT_EQ(n_sent, n_innocuous);
  const std::string received = server.received(), lines = sain::testing::read_whole_file(folder / "audit.jsonl");
  for (const auto& [text, marked] : kRequests) {
    EXPECT_THAT(lines, Not(HasSubstr(text)));
    if (*marked == '\0') {
      EXPECT_THAT(received, HasSubstr(text));
      continue;
    }
    EXPECT_THAT(received, Not(HasSubstr(marked)));
    EXPECT_THAT(lines, Not(HasSubstr(marked)));
  }
}

}  // namespace
}  // namespace sain::router
