// Conversations that the server keeps, and the page that shows them.
#include "router/http/conversations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "router/http/page.h"
#include "router/http/query.h"
#include "tests/router/http/fake_team.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kConversations = "/v1/conversations";

class ConversationsTest : public ::testing::Test {
 protected:
  std::string create() { return api_.post(kConversations, "{}").json()["id"]; }
  std::string path(const std::string& id, const std::string& rest = {}) const {
    return std::string(kConversations) + "/" + id + rest;
  }
  RecordingWriter ask(const std::string& id, const std::string& text) {
    return api_.post(path(id, "/messages"), json({{"text", text}}).dump());
  }
  json read(const std::string& id) { return api_.ask(http_request("GET", path(id))).json(); }

  static std::vector<std::string> kinds(const RecordingWriter& writer) {
    std::vector<std::string> kinds;
    for (const json& event : writer.events()) kinds.push_back(event.at("event"));
    return kinds;
  }

  FakeApi api_;
};

TEST_F(ConversationsTest, AnAnswerIsAStreamOfEventsAndIsStored) {
  const std::string id = create();
  const RecordingWriter answered = ask(id, "Some code");
  EXPECT_EQ(answered.response.content_type, "text/event-stream");
  EXPECT_THAT(kinds(answered),
              ElementsAre("question", "route", "status", "handoff", "token", "token", "done", "stored"));
  const json stored = answered.events().back()["message"];
  EXPECT_EQ(stored["text"], "Hello");
  EXPECT_EQ(stored["by"], "coding");
  EXPECT_EQ(stored["state"], "complete");
  EXPECT_EQ(stored["route"]["reason"], "because");
  const json conversation = read(id);
  EXPECT_EQ(conversation["title"], "Some code");
  ASSERT_EQ(conversation["messages"].size(), 2u);
  EXPECT_EQ(conversation["messages"][0]["text"], "Some code");
  EXPECT_EQ(conversation["messages"][1], stored);
}

TEST_F(ConversationsTest, TheServerKnowsWhatWasSaid) {
  const std::string id = create();
  ask(id, "Some code");
  api_.team->pieces = {"Again"};
  ask(id, "More");
  ASSERT_EQ(api_.team->turns.size(), 1u);
  EXPECT_EQ(api_.team->turns[0].request, "Some code");
  EXPECT_EQ(api_.team->turns[0].answer, "Hello");
  EXPECT_EQ(api_.team->turns[0].by, FakeTeam::kCoding);
  // The last answer once more: as if it had not been.
  const json before = read(id);
  api_.team->pieces = {"Better"};
  const RecordingWriter again = api_.post(path(id, "/messages"), R"({"regenerate": true, "model": "coding"})");
  EXPECT_EQ(again.events().back()["message"]["text"], "Better");
  EXPECT_EQ(api_.team->asked, "More");
  EXPECT_EQ(api_.team->asked_options.member, FakeTeam::kCoding);
  EXPECT_EQ(api_.team->turns.size(), 1u);
  const json after = read(id);
  ASSERT_EQ(after["messages"].size(), 4u);
  EXPECT_EQ(after["messages"][2], before["messages"][2]);
}

TEST_F(ConversationsTest, WhatFailsIsTold) {
  const std::string id = create();
  api_.team->error = make_error(ErrorCode::kInternal, "broken");
  EXPECT_THAT(kinds(ask(id, "Some code")), ElementsAre("question", "route", "status", "error"));
  api_.team->error.reset();
  EXPECT_EQ(read(id)["messages"].size(), 1u) << "the question, without an answer";
  ask(id, "Hello");
  EXPECT_TRUE(api_.team->turns.empty()) << "what has no answer is not a turn";
  api_.team->fails_midway = true;
  EXPECT_EQ(ask(id, "Some code").events().back()["message"]["text"], "Hm.") << "without what is void";
  api_.team->fails_midway = false;
  api_.team->finish_reason = engine::FinishReason::kCancelled;
  EXPECT_EQ(ask(id, "Hello").events().back()["message"]["state"], "cancelled");
  api_.team->pieces = {"\n"};
  EXPECT_THAT(kinds(ask(id, "Hello")), ::testing::Not(::testing::Contains("stored"))) << "nothing was said";
}

TEST_F(ConversationsTest, ListedRenamedExportedRatedAndDeleted) {
  const std::string id = create();
  const int64_t answer = ask(id, "Some code").events().back()["message"]["id"];
  EXPECT_EQ(api_.ask(http_request("PATCH", path(id), R"({"title": "Ä title"})")).response.status, 204);
  HttpRequest search = http_request("GET", kConversations);
  search.query = "search=%C3%84+t&limit=5";
  EXPECT_EQ(api_.ask(search).json()["data"][0]["title"], "Ä title");
  search.query = "search=other";
  EXPECT_EQ(api_.ask(search).json()["data"].size(), 0u);

  const std::string feedback = path(id, "/messages/" + std::to_string(answer) + "/feedback");
  EXPECT_EQ(api_.ask(http_request("PUT", feedback, R"({"feedback": "down"})")).response.status, 204);
  EXPECT_EQ(read(id)["messages"][1]["feedback"], "down");
  EXPECT_EQ(api_.ask(http_request("PUT", feedback, R"({"feedback": null})")).response.status, 204);
  EXPECT_TRUE(read(id)["messages"][1]["feedback"].is_null());
  EXPECT_EQ(api_.ask(http_request("PUT", feedback, R"({"feedback": "great"})")).response.status, 400);

  HttpRequest exported = http_request("GET", path(id, "/export"));
  EXPECT_EQ(api_.ask(exported).json()["messages"].size(), 2u);
  exported.query = "format=markdown";
  EXPECT_THAT(api_.ask(exported).response.body, HasSubstr("# Ä title\n"));
  exported.query = "format=pdf";
  EXPECT_EQ(api_.ask(exported).response.status, 400);

  EXPECT_EQ(api_.ask(http_request("DELETE", path(id, "/answer"))).response.status, 204) << "nothing is running";
  EXPECT_EQ(api_.ask(http_request("DELETE", path(id))).response.status, 204);
  const RecordingWriter gone = api_.ask(http_request("GET", path(id)));
  EXPECT_EQ(gone.response.status, 404);
  EXPECT_TRUE(gone.json()["error"]["param"].is_null());
}

TEST_F(ConversationsTest, RefusesWhatItCannotDo) {
  const std::string id = create();
  for (const char* body : {"", "[]", "{}", R"({"text": ""})", R"({"text": " \n"})", R"({"text": 1})",
                           R"({"text": "a", "mode": "quick"})", R"({"regenerate": 1})", R"({"regenerate": true})"})
    EXPECT_EQ(api_.post(path(id, "/messages"), body).response.status, 400) << body;
  EXPECT_EQ(api_.post(path(id, "/messages"), R"({"text": "a", "model": "nobody"})").response.status, 404);
  EXPECT_EQ(read(id)["messages"].size(), 0u);
  EXPECT_EQ(ask("nobody", "Hello").response.status, 404);
  EXPECT_EQ(api_.ask(http_request("PATCH", path(id), "{}")).response.status, 400);
  EXPECT_EQ(api_.ask(http_request("PATCH", path(id), json({{"title", std::string(201, 'a')}}).dump())).response.status,
            400);
  for (const char* rest : {"/", "/other", "/messages/1/feedback", "/messages//feedback", "/messages/feedback"})
    EXPECT_EQ(api_.ask(http_request("PUT", path(id, rest), "{}")).response.status, 404) << rest;
  EXPECT_EQ(api_.ask(http_request("PUT", path(id, "/messages/-/feedback"), "{}")).response.status, 404);
  HttpRequest list = http_request("GET", kConversations);
  for (const char* query : {"limit=0", "limit=x", "limit=1001", "search=%", "search=%zz", "search=%ff"}) {
    list.query = query;
    EXPECT_EQ(api_.ask(list).response.status, 400) << query;
  }
}

// R37: the disk.
TEST_F(ConversationsTest, AnAnswerThatCannotBeKeptIsGivenAllTheSame) {
  const auto file = std::filesystem::path(::testing::TempDir()) / ("full_" + std::to_string(getpid()) + ".db");
  auto store = ConversationStore::open(file);
  ASSERT_TRUE(store);
  const std::string id = (*store)->create("")->id;
  {
    auto database = Database::open(file);
    ASSERT_TRUE(
        database->run("CREATE TRIGGER no_room BEFORE INSERT ON messages BEGIN SELECT RAISE(FAIL, 'the disk is "
                      "full'); END"));
  }
  KeptConversations conversations(*std::move(store));
  ChatBackend backend;
  backend.team = [this] { return api_.team; };
  RecordingWriter writer;
  EXPECT_TRUE(conversations.answer(http_request("POST", path(id, "/messages"), R"({"text": "Hi"})"), backend, writer));
  EXPECT_THAT(kinds(writer), ElementsAre("question", "route", "handoff", "token", "token", "done", "error"));
  EXPECT_THAT(writer.events().back()["message"], HasSubstr("the disk is full"));
  for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(file.string() + ending);
}

TEST(LiveConversations, OneAnswerAtATimeWhichCanBeStopped) {
  LiveConversations live;
  auto stops = live.begin("a");
  ASSERT_TRUE(stops);
  EXPECT_FALSE(live.begin("a"));
  EXPECT_TRUE(live.begin("b"));
  live.stop("b");
  EXPECT_FALSE(stops->stop_requested());
  live.stop("a");
  EXPECT_TRUE(stops->stop_requested());
  live.end("a");
  EXPECT_TRUE(live.begin("a"));
}

TEST(LiveConversations, GoOnWhereTheyWereOrFromWhatIsStored) {
  LiveConversations live;
  StoredConversation stored = {.info = {.id = "a"}, .messages = {{1, "q1"}, {2, "a1"}, {3, "lost"}, {4, "q2"}}};
  stored.messages[1].answer.emplace().by = "gone";
  RegistrySnapshot members;
  members.names = {"assistant"};
  const auto made = live.take_before(stored, 3, members);
  ASSERT_EQ(made->context.turns().size(), 1u);
  EXPECT_EQ(made->context.turns()[0].answer, "a1");
  EXPECT_EQ(made->policy, ConversationPolicy::kCompact);

  auto summarised = std::make_unique<Conversation>();
  const Conversation* kept = summarised.get();
  live.keep("a", 2, std::move(summarised));
  EXPECT_EQ(live.take_before(stored, 2, members).get(), kept);
  EXPECT_EQ(live.take_before(stored, 2, members)->context.turns().size(), 1u) << "it was taken";
  live.keep("a", 2, std::make_unique<Conversation>());
  EXPECT_EQ(live.take_before(stored, 3, members)->context.turns().size(), 1u) << "it ended elsewhere";
}

TEST(Query, ValuesAreDecoded) {
  EXPECT_EQ(*query_value("a=1&b=x%20y+z&b=2", "b"), "x y z");
  EXPECT_EQ(*query_value("ab=1&b", "b"), "");
  EXPECT_EQ(*query_value("", "b"), std::nullopt);
  for (const char* bad : {"b=%", "b=%4", "b=%-1", "b=%c3"}) EXPECT_FALSE(query_value(bad, "b")) << bad;
}

TEST(Page, IsServedWithoutAKeyAndLoadsNothingFromElsewhere) {
  ApiOptions options;
  options.access.keys = *ApiKeys::parse("a-key-of-a-test-0123456789", "keys");
  FakeApi api(options);
  const RecordingWriter page = api.ask(http_request("GET", "/"));
  EXPECT_EQ(page.response.status, 200);
  EXPECT_EQ(page.response.content_type, "text/html; charset=utf-8");
  EXPECT_THAT(page.response.headers, ::testing::Contains(std::pair<std::string, std::string>(
                                         "Content-Security-Policy", page.response.headers[0].second)));
  EXPECT_THAT(page.response.headers[0].second, HasSubstr("default-src 'none'"));
  for (const PageFile& file : page_files()) {
    EXPECT_EQ(api.ask(http_request("GET", "/page/" + std::string(file.name))).response.body, file.text);
    for (const char* elsewhere : {"src=\"http", "href=\"http", "url(http", "@import", "innerHTML"})
      EXPECT_EQ(file.text.find(elsewhere), std::string_view::npos) << file.name << ": " << elsewhere;
  }
  EXPECT_EQ(api.ask(http_request("GET", "/page/../secret")).response.status, 404);
  EXPECT_EQ(api.ask(http_request("GET", kConversations)).response.status, 401);
}

}  // namespace
}  // namespace sain::router
