// What left this machine, and what did not and why: one line of JSON a request, without anything of its content.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "formats/result.h"
#include "router/privacy/decision.h"

namespace sain::router {

/// 128 random bits in hex: names a request or a conversation, and says nothing about it.
std::string make_opaque_id();

/// A line. Identifiers and the member's name are 1 to 64 ASCII letters, digits, '-' and '_'.
struct AuditEntry {
  std::string request_id;
  std::string conversation_id;
  PrivacyLevel level = PrivacyLevel::kOn;
  PrivacyDecision decision = {};
  std::string member;                          // that was chosen
  AnswerPlace answered = AnswerPlace::kLocal;  // where the answer is made
  uint64_t cloud_bytes = 0;                    // of the body that is sent to the cloud
};

struct AuditLogOptions {
  std::filesystem::path file;              // its folder is there already
  uint64_t max_bytes = uint64_t{4} << 20;  // a file that is larger, or whose first line is a day old, is put aside
  std::chrono::hours retention{24 * 90};   // no line gets older than this, once prune() or append() was called
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

/// Append-only, of several threads and processes at once: a line is one write(2) under a lock on the folder. Files
/// can be read by their owner alone (0600). What was put aside lies beside `file`, named after its first line:
/// FILE.20261126T071530.123Z.
///
/// A line that says "cloud" is on the disk (fdatasync) when append() returns: the caller writes it, and only then
/// sends. Where the cloud then fails and the answer is made here after all, a second line of the same request says so.
/// Other lines reach the disk when the system pleases.
class AuditLog {
 public:
  /// Creates the file, or takes its permissions from others. Errors: kIo (cannot be opened; is no regular file).
  static Result<AuditLog> open(AuditLogOptions options);
  AuditLog(AuditLog&&) noexcept;
  AuditLog& operator=(AuditLog&&) noexcept;
  ~AuditLog();

  /// Errors: kInvalidArgument (an identifier that is none), kIo (a full disk, say). After an error nothing of the line
  /// is in the file, and nothing must be sent to the cloud.
  Status append(const AuditEntry& entry);

  /// Puts aside and deletes what is due. append() does so itself; a program that is idle for days calls this. kIo.
  Status prune();

  /// Deletes all lines. kIo.
  Status erase();

 private:
  struct State;
  explicit AuditLog(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

}  // namespace sain::router
