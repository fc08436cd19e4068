// What people have said, kept in a file: whole, theirs alone, and gone when it is deleted.
#include "router/conversations/conversation_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "router/conversations/conversation_export.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ConversationStoreTest : public ::testing::Test {
 protected:
  ConversationStoreTest() { fs::create_directories(folder_); }
  ~ConversationStoreTest() override { fs::remove_all(folder_); }

  std::unique_ptr<ConversationStore> open() const {
    auto store = ConversationStore::open(file_);
    EXPECT_TRUE(store) << store.error().message;
    return store ? *std::move(store) : nullptr;
  }
  static StoredMessage answer_of(std::string text, AnswerState state = AnswerState::kComplete) {
    AnswerDetails details = {.state = state, .by = "coding", .cause = "confident", .reason = "because"};
    details.confidence = 0.75;
    details.context = {40, 512};
    details.timings = {1.5, 20, 30, 400, 12, 8};
    return {.text = std::move(text), .answer = details};
  }
  static std::vector<std::string> titles(const Result<std::vector<ConversationInfo>>& list) {
    std::vector<std::string> titles;
    for (const ConversationInfo& info : *list) titles.push_back(info.title);
    return titles;
  }
  /// Of all files that are there.
  std::string bytes() const {
    std::string all;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      std::ifstream in(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }

  fs::path folder_ = fs::path(::testing::TempDir()) / ("conversations_" + std::to_string(getpid()));
  fs::path file_ = folder_ / "conversations.db";
};

TEST_F(ConversationStoreTest, WhatIsStoredIsThereAgain) {
  std::string id;
  {
    const auto store = open();
    id = store->create("")->id;
    const auto question = store->add_question(id, "Write a loop\nin Rust");
    ASSERT_TRUE(question);
    StoredMessage answer = answer_of("for");
    answer.answer->state = AnswerState::kPartial;
    ASSERT_TRUE(store->save_answer(id, question->id, answer));
    const int64_t first = answer.id;
    answer = {.id = first, .text = "for i in 0..9 {}", .created_ms = 5, .answer = answer_of("").answer};
    ASSERT_TRUE(store->save_answer(id, question->id, answer));
    EXPECT_EQ(answer.id, first);
    ASSERT_TRUE(store->rate(id, answer.id, Feedback::kUp));
  }
  struct stat status = {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  const auto store = open();
  ASSERT_TRUE(store->check());
  const auto stored = store->read(id);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->info.title, "Write a loop");
  ASSERT_EQ(stored->messages.size(), 2u);
  EXPECT_EQ(stored->messages[0].text, "Write a loop\nin Rust");
  EXPECT_FALSE(stored->messages[0].answer);
  const auto answer = to_json(stored->messages[1]);
  EXPECT_EQ(answer["text"], "for i in 0..9 {}");
  EXPECT_EQ(answer["created"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(answer["state"], "complete");
  EXPECT_EQ(answer["by"], "coding");
  EXPECT_EQ(answer["route"]["confidence"], 0.75);
  EXPECT_EQ(answer["context"]["limit"], 512);
  EXPECT_EQ(answer["timings"]["total_ms"], 400);
  EXPECT_EQ(answer["timings"]["decode_tokens"], 8);
  EXPECT_EQ(answer["feedback"], "up");
}

TEST_F(ConversationStoreTest, ListsTheNewestFirstAndFindsTitles) {
  const auto store = open();
  const std::string a = store->create("About Ünder")->id, b = store->create("50 % off")->id;
  ASSERT_TRUE(store->rename(a, "About _ASCII_"));
  EXPECT_EQ(store->list("", 10)->size(), 2u);
  EXPECT_THAT(titles(store->list("ascii", 10)), ElementsAre("About _ASCII_"));
  EXPECT_THAT(titles(store->list("%", 10)), ElementsAre("50 % off"));
  EXPECT_THAT(titles(store->list("'", 10)), ElementsAre());
  usleep(2000);
  ASSERT_TRUE(store->add_question(a, "More"));
  EXPECT_THAT(titles(store->list("", 10)), ElementsAre("About _ASCII_", "50 % off"));
  EXPECT_THAT(titles(store->list("", 1)), ElementsAre("About _ASCII_"));
}

TEST_F(ConversationStoreTest, AnAnswerTakesThePlaceOfTheOneBefore) {
  const auto store = open();
  const std::string id = store->create("")->id;
  const auto first = store->add_question(id, "1"), second = store->add_question(id, "2");
  StoredMessage late = answer_of("two"), early = answer_of("one"), again = answer_of("one again", AnswerState::kCut);
  for (StoredMessage* answer : {&early, &again}) ASSERT_TRUE(store->save_answer(id, first->id, *answer));
  ASSERT_TRUE(store->save_answer(id, second->id, late));
  const auto stored = store->read(id);
  std::string all;
  for (const StoredMessage& message : stored->messages) all += message.text + "|";
  EXPECT_EQ(all, "1|one again|2|two|");
  EXPECT_THAT(to_markdown(*stored), HasSubstr("# 1\n"));
  EXPECT_THAT(to_markdown(*stored), HasSubstr("\n## You\n\n1\n\n## coding (cut)\n\none again\n"));
  ASSERT_TRUE(store->remove_answers(id, second->id));
  EXPECT_EQ(store->read(id)->messages.size(), 3u);
}

TEST_F(ConversationStoreTest, LongTitlesEndWithAWord) {
  const auto store = open();
  const std::string id = store->create("")->id;
  ASSERT_TRUE(store->add_question(id, "  Wörter, die nicht in den Titel einer Unterhaltung passen, bleiben weg"));
  EXPECT_EQ(store->read(id)->info.title, "Wörter, die nicht in den Titel einer Unterhaltung passen,…");
}

// R26: deletion.
TEST_F(ConversationStoreTest, WhatIsDeletedIsGone) {
  constexpr const char* kCanary = "a canary that sings of secrets";
  const auto store = open();
  const std::string id = store->create("")->id, other = store->create("kept")->id;
  const auto question = store->add_question(id, kCanary);
  for (int i = 0; i < 40; ++i) {
    StoredMessage answer = answer_of(std::string(kCanary) + std::string(3000, 'x'));
    ASSERT_TRUE(store->save_answer(id, question->id, answer));
  }
  EXPECT_THAT(bytes(), HasSubstr(kCanary));
  ASSERT_TRUE(store->remove(id));
  EXPECT_THAT(bytes(), ::testing::Not(HasSubstr("canary")));
  EXPECT_THAT(titles(store->list("", 10)), ElementsAre("kept"));
  EXPECT_EQ(store->read(id).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(store->check());
}

TEST_F(ConversationStoreTest, SaysWhatIsWrong) {
  const auto store = open();
  EXPECT_EQ(store->read("nobody").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store->add_question("nobody", "?").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store->rename("nobody", "?").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store->remove("nobody").error().code, ErrorCode::kNotFound);
  const std::string id = store->create("")->id;
  const int64_t question = store->add_question(id, "?")->id;
  EXPECT_EQ(store->rate(id, question, Feedback::kUp).error().code, ErrorCode::kNotFound) << "a question";
  ASSERT_TRUE(store->remove(id));
  StoredMessage answer = answer_of("late");
  EXPECT_EQ(store->save_answer(id, question, answer).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(answer.id, 0);
  EXPECT_EQ(ConversationStore::open(folder_ / "missing" / "file").error().code, ErrorCode::kIo);
}

TEST_F(ConversationStoreTest, RefusesWhatItDoesNotKnow) {
  {
    auto database = Database::open(file_);
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run("PRAGMA user_version = 99"));
  }
  EXPECT_EQ(ConversationStore::open(file_).error().code, ErrorCode::kUnsupported);
  std::ofstream(file_) << std::string(4096, 'x');
  const auto corrupt = ConversationStore::open(file_);
  ASSERT_FALSE(corrupt);
  EXPECT_EQ(corrupt.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(corrupt.error().message, HasSubstr("conversations.db"));
}

}  // namespace
}  // namespace sain::router
