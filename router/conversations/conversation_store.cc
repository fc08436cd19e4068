#include "router/conversations/conversation_store.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "engine/cache_dir.h"
#include "formats/utf8.h"
#include "router/privacy/audit_log.h"

namespace sain::router {
namespace {

constexpr const char* kSchema = R"(
CREATE TABLE conversations (
  id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX conversations_by_time ON conversations (updated_ms);
CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
  question INTEGER REFERENCES messages (id) ON DELETE CASCADE, -- that it answers; null: it is one
  text TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  state TEXT CHECK (state IN ('partial', 'complete', 'cut', 'cancelled')), -- this and the following: of answers
  member TEXT,
  is_local INTEGER,
  cause TEXT,
  reason TEXT,
  confidence REAL,
  context_tokens INTEGER,
  context_limit INTEGER,
  route_ms REAL,
  load_ms REAL,
  first_token_ms REAL,
  total_ms REAL,
  prefill_tokens INTEGER,
  decode_tokens INTEGER,
  feedback TEXT CHECK (feedback IN ('up', 'down')),
  CHECK ((question IS NULL) = (state IS NULL))
) STRICT;
CREATE INDEX messages_by_conversation ON messages (conversation, id);
CREATE INDEX messages_by_question ON messages (question);
)";

// secure_delete: what is deleted is overwritten with zeros.
constexpr const char* kSettings = R"(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
PRAGMA temp_store = MEMORY;
PRAGMA trusted_schema = OFF;
)";

constexpr size_t kTitleBytes = 60;  // of the first question

constexpr std::array kStates = {AnswerState::kPartial, AnswerState::kComplete, AnswerState::kCut,
                                AnswerState::kCancelled};

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

Error no_conversation(std::string_view id) {
  return make_error(ErrorCode::kNotFound, "there is no conversation {}", id);
}

/// The first line of a question, if it is long as many words of it as have room.
std::string title_of(std::string_view question) {
  question.remove_prefix(std::min(question.find_first_not_of(" \t\r\n"), question.size()));
  question = question.substr(0, question.find_first_of("\r\n"));
  const std::string_view beginning = formats::utf8_beginning(question, kTitleBytes);
  if (beginning.size() == question.size()) return std::string(beginning);
  const size_t space = beginning.rfind(' ');
  return std::string(beginning.substr(0, space > kTitleBytes / 2 ? space : std::string_view::npos)) + "…";
}

ConversationInfo info_of(const Query& row) {
  return {row.text(0), row.text(1), row.integer(2), row.integer(3)};
}

constexpr std::string_view kMessageColumns =
    "id, text, created_ms, state, member, is_local, cause, reason, confidence, context_tokens, context_limit, "
    "route_ms, load_ms, first_token_ms, total_ms, prefill_tokens, decode_tokens, feedback";

StoredMessage message_of(const Query& row) {
  StoredMessage message = {row.integer(0), row.text(1), row.integer(2)};
  if (row.is_null(3)) return message;
  AnswerDetails& answer = message.answer.emplace();
  for (const AnswerState state : kStates)
    if (row.text(3) == to_string(state)) answer.state = state;
  answer.by = row.text(4);
  answer.is_local = row.integer(5) != 0;
  answer.cause = row.text(6);
  answer.reason = row.text(7);
  if (!row.is_null(8)) answer.confidence = row.real(8);
  answer.context = {static_cast<size_t>(row.integer(9)), static_cast<size_t>(row.integer(10))};
  answer.timings = {row.real(11),
                    row.real(12),
                    row.real(13),
                    row.real(14),
                    static_cast<uint32_t>(row.integer(15)),
                    static_cast<uint32_t>(row.integer(16))};
  if (!row.is_null(17)) answer.feedback = row.text(17) == "up" ? Feedback::kUp : Feedback::kDown;
  return message;
}

}  // namespace

std::string_view to_string(AnswerState state) {
  switch (state) {
    case AnswerState::kPartial:
      return "partial";
    case AnswerState::kComplete:
      return "complete";
    case AnswerState::kCut:
      return "cut";
    case AnswerState::kCancelled:
      return "cancelled";
  }
  return "partial";
}

std::string_view to_string(Feedback feedback) {
  return feedback == Feedback::kUp ? "up" : "down";
}

std::filesystem::path conversations_file() {
  return engine::data_dir() / "conversations.db";
}

Result<std::unique_ptr<ConversationStore>> ConversationStore::open(const std::filesystem::path& file) {
  SAIN_ASSIGN_OR_RETURN(Database database, Database::open(file));
  SAIN_RETURN_IF_ERROR(database.run_all(kSettings));
  {
    SAIN_ASSIGN_OR_RETURN(Transaction making, Transaction::begin(database));
    int64_t version = 0;
    {
      SAIN_ASSIGN_OR_RETURN(Query row, database.query("PRAGMA user_version"));
      SAIN_RETURN_IF_ERROR(row.next());
      version = row.integer(0);
    }
    if (version > kConversationsVersion)
      return make_error(ErrorCode::kUnsupported, "{}: conversations of version {}, this program knows {}",
                        file.string(), version, kConversationsVersion);
    if (version == 0) {
      SAIN_RETURN_IF_ERROR(database.run_all(kSchema));
      SAIN_RETURN_IF_ERROR(database.run(fmt::format("PRAGMA user_version = {}", kConversationsVersion)));
    }
    SAIN_RETURN_IF_ERROR(making.commit());
  }
  return std::unique_ptr<ConversationStore>(new ConversationStore(std::move(database)));
}

Result<ConversationInfo> ConversationStore::create(std::string_view title) {
  const std::lock_guard lock(mutex_);
  const int64_t now = now_ms();
  ConversationInfo info = {make_opaque_id(), std::string(title), now, now};
  SAIN_RETURN_IF_ERROR(database_.run("INSERT INTO conversations VALUES (?, ?, ?, ?)", std::string_view(info.id), title,
                                     info.created_ms, info.updated_ms));
  return info;
}

Result<std::vector<ConversationInfo>> ConversationStore::list(std::string_view search, size_t limit) {
  const std::lock_guard lock(mutex_);
  SAIN_ASSIGN_OR_RETURN(Query row,
                        database_.query("SELECT id, title, created_ms, updated_ms FROM conversations "
                                        "WHERE instr(lower(title), lower(?)) > 0 ORDER BY updated_ms DESC LIMIT ?",
                                        search, static_cast<int64_t>(limit)));
  std::vector<ConversationInfo> found;
  SAIN_ASSIGN_OR_RETURN(bool is_row, row.next());
  while (is_row) {
    found.push_back(info_of(row));
    SAIN_ASSIGN_OR_RETURN(is_row, row.next());
  }
  return found;
}

Result<StoredConversation> ConversationStore::read(std::string_view id) {
  const std::lock_guard lock(mutex_);
  StoredConversation conversation;
  SAIN_ASSIGN_OR_RETURN(Query info, database_.query("SELECT * FROM conversations WHERE id = ?", id));
  SAIN_ASSIGN_OR_RETURN(bool is_row, info.next());
  if (!is_row) return no_conversation(id);
  conversation.info = info_of(info);
  SAIN_ASSIGN_OR_RETURN(
      Query row,
      database_.query(fmt::format("SELECT {} FROM messages WHERE conversation = ? ORDER BY coalesce(question, id), id",
                                  kMessageColumns),
                      id));
  SAIN_ASSIGN_OR_RETURN(is_row, row.next());
  while (is_row) {
    conversation.messages.push_back(message_of(row));
    SAIN_ASSIGN_OR_RETURN(is_row, row.next());
  }
  return conversation;
}

Status ConversationStore::rename(std::string_view id, std::string_view title) {
  const std::lock_guard lock(mutex_);
  SAIN_RETURN_IF_ERROR(database_.run("UPDATE conversations SET title = ? WHERE id = ?", title, id));
  if (database_.n_changed() == 0) return no_conversation(id);
  return {};
}

Status ConversationStore::remove(std::string_view id) {
  const std::lock_guard lock(mutex_);
  SAIN_RETURN_IF_ERROR(database_.run("DELETE FROM conversations WHERE id = ?", id));
  if (database_.n_changed() == 0) return no_conversation(id);
  // The log still has what the pages were before.
  SAIN_ASSIGN_OR_RETURN(Query row, database_.query("PRAGMA wal_checkpoint(TRUNCATE)"));
  SAIN_ASSIGN_OR_RETURN(const bool is_row, row.next());
  if (is_row && row.integer(0) != 0)
    return make_error(
        ErrorCode::kIo,
        "the conversation is deleted, but another program reads the file: its bytes go with the next one");
  return {};
}

Status ConversationStore::touch(std::string_view id, int64_t now) {
  SAIN_RETURN_IF_ERROR(database_.run("UPDATE conversations SET updated_ms = ? WHERE id = ?", now, id));
  if (database_.n_changed() == 0) return no_conversation(id);
  return {};
}

Result<StoredMessage> ConversationStore::add_question(std::string_view conversation, std::string_view text) {
  const std::lock_guard lock(mutex_);
  SAIN_ASSIGN_OR_RETURN(Transaction adding, Transaction::begin(database_));
  StoredMessage question = {.text = std::string(text), .created_ms = now_ms()};
  SAIN_RETURN_IF_ERROR(touch(conversation, question.created_ms));
  SAIN_RETURN_IF_ERROR(database_.run("UPDATE conversations SET title = ? WHERE id = ? AND title = ''",
                                     std::string_view(title_of(text)), conversation));
  SAIN_RETURN_IF_ERROR(database_.run("INSERT INTO messages (conversation, text, created_ms) VALUES (?, ?, ?)",
                                     conversation, text, question.created_ms));
  question.id = database_.last_id();
  SAIN_RETURN_IF_ERROR(adding.commit());
  return question;
}

Status ConversationStore::save_answer(std::string_view conversation, int64_t question, StoredMessage& answer) {
  const std::lock_guard lock(mutex_);
  SAIN_ASSIGN_OR_RETURN(Transaction saving, Transaction::begin(database_));
  const int64_t now = now_ms();
  SAIN_RETURN_IF_ERROR(touch(conversation, now));
  SAIN_RETURN_IF_ERROR(
      database_.run("DELETE FROM messages WHERE conversation = ? AND question = ?", conversation, question));
  const AnswerDetails details = answer.answer.value_or(AnswerDetails{});
  const RequestTimings& timings = details.timings;
  std::optional<std::string_view> feedback;
  if (details.feedback) feedback = to_string(*details.feedback);
  std::optional<int64_t> id;  // none: SQLite gives one
  if (answer.id != 0) id = answer.id;
  const int64_t created_ms = answer.id != 0 ? answer.created_ms : now;
  SAIN_RETURN_IF_ERROR(database_.run(
      fmt::format("INSERT INTO messages ({}, conversation, question) VALUES "
                  "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  kMessageColumns),
      id, std::string_view(answer.text), created_ms, to_string(details.state), std::string_view(details.by),
      int64_t{details.is_local}, std::string_view(details.cause), std::string_view(details.reason), details.confidence,
      static_cast<int64_t>(details.context.n_tokens), static_cast<int64_t>(details.context.limit), timings.route_ms,
      timings.load_ms, timings.first_token_ms, timings.total_ms, int64_t{timings.prefill_tokens},
      int64_t{timings.decode_tokens}, feedback, conversation, question));
  const int64_t given = database_.last_id();
  SAIN_RETURN_IF_ERROR(saving.commit());
  answer.id = given;
  answer.created_ms = created_ms;
  return {};
}

Status ConversationStore::remove_answers(std::string_view conversation, int64_t question) {
  const std::lock_guard lock(mutex_);
  return database_.run("DELETE FROM messages WHERE conversation = ? AND question = ?", conversation, question);
}

Status ConversationStore::rate(std::string_view conversation, int64_t answer, std::optional<Feedback> feedback) {
  const std::lock_guard lock(mutex_);
  std::optional<std::string_view> word;
  if (feedback) word = to_string(*feedback);
  SAIN_RETURN_IF_ERROR(
      database_.run("UPDATE messages SET feedback = ? WHERE conversation = ? AND id = ? AND question IS NOT NULL", word,
                    conversation, answer));
  if (database_.n_changed() == 0)
    return make_error(ErrorCode::kNotFound, "there is no answer {} in conversation {}", answer, conversation);
  return {};
}

Status ConversationStore::check() {
  const std::lock_guard lock(mutex_);
  for (const char* question : {"PRAGMA integrity_check", "PRAGMA foreign_key_check"}) {
    SAIN_ASSIGN_OR_RETURN(Query row, database_.query(question));
    SAIN_ASSIGN_OR_RETURN(const bool is_row, row.next());
    if (is_row && row.text(0) != "ok")
      return make_error(ErrorCode::kCorrupt, "conversations: {}: {}", question, row.text(0));
  }
  return {};
}

}  // namespace sain::router
