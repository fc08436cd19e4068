// The conversations that people have on the server's page, in a file that stays on this machine: README.md says what
// is in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/conversations/database.h"
#include "router/events.h"

namespace sain::router {

/// Of this user, unless they name another one.
std::filesystem::path conversations_file();

inline constexpr int64_t kConversationsVersion = 1;  // of the schema; README.md lists them

struct ConversationInfo {
  std::string id;  // opaque
  std::string title = {};
  int64_t created_ms = 0, updated_ms = 0;  // since 1970
};

enum class AnswerState {
  kPartial,    // it is being made, or was when the program was ended
  kComplete,   // the model said all that it wanted
  kCut,        // there was no room for more
  kCancelled,  // somebody has stopped it
};
std::string_view to_string(AnswerState state);  // "partial", "complete", "cut", "cancelled"

enum class Feedback { kUp, kDown };
std::string_view to_string(Feedback feedback);  // "up", "down"

/// How an answer came about; names, not SpecialistIds, as members come and go.
struct AnswerDetails {
  AnswerState state = AnswerState::kPartial;
  std::string by;                         // the member that gave it
  bool is_local = true;                   // on this machine
  std::string cause, reason;              // of the routing; the reason is for people
  std::optional<double> confidence = {};  // of the routing
  ContextUse context = {};
  RequestTimings timings = {};
  std::optional<Feedback> feedback = {};
};

struct StoredMessage {
  int64_t id = 0;  // rises; never given twice. 0: not stored yet
  std::string text;
  int64_t created_ms = 0;
  std::optional<AnswerDetails> answer = {};  // none: the user has said it
};

struct StoredConversation {
  ConversationInfo info;
  std::vector<StoredMessage> messages;  // in order; questions may lack an answer, none lacks a question
};

/// Thread-safe; several processes may use one file. What a call has stored is on the disk when it returns, whole or
/// not at all. Errors of everything: those of Database, and kNotFound for a conversation or message that is not there.
class ConversationStore {
 public:
  /// ":memory:": nothing is kept beyond the store. Errors also: kUnsupported (a file of a later version).
  static Result<std::unique_ptr<ConversationStore>> open(const std::filesystem::path& file);

  Result<ConversationInfo> create(std::string_view title);  // without one: as the first question begins
  /// The newest first, at most `limit`; those whose title has `search` in it, small and capital ASCII letters alike.
  Result<std::vector<ConversationInfo>> list(std::string_view search, size_t limit);
  Result<StoredConversation> read(std::string_view id);
  Status rename(std::string_view id, std::string_view title);
  /// Its bytes are gone from the file and from what SQLite keeps beside it. kIo where another program reads the file
  /// meanwhile: the conversation is deleted, and its bytes go with the next deletion.
  Status remove(std::string_view id);

  Result<StoredMessage> add_question(std::string_view conversation, std::string_view text);
  /// Takes the place of whatever answers `question` has had. Sets the answer's id and time where it has none yet;
  /// storing it again replaces it.
  Status save_answer(std::string_view conversation, int64_t question, StoredMessage& answer);
  Status remove_answers(std::string_view conversation, int64_t question);
  Status rate(std::string_view conversation, int64_t answer, std::optional<Feedback> feedback);

  /// Whether the file is whole. Errors: kCorrupt.
  Status check();

 private:
  explicit ConversationStore(Database database) : database_(std::move(database)) {}
  Status touch(std::string_view id, int64_t now_ms);

  std::mutex mutex_;
  Database database_;
};

}  // namespace sain::router
