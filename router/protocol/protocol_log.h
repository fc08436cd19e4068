// A log of what was said, for whoever asks for one by name: README.md says what is in it, and who should keep it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/events.h"
#include "router/protocol/message.h"
#include "router/registry.h"

namespace sain::router {

/// A file of JSON lines that its owner alone can read (0600): a header, then each message as it comes, one write(2) a
/// line, and another header where specialists have joined. A line that cannot be written (a full disk) ends the log,
/// not the conversation. Of one request at a time, on one thread at a time.
class ProtocolLog {
 public:
  /// Makes the file and writes the header. `on_failure` hears at most once, of a line that could not be written.
  /// Errors: kIo (the file is there already, the folder is not, the disk is full).
  static Result<std::unique_ptr<ProtocolLog>> create(const std::filesystem::path& file,
                                                     const RegistrySnapshot& registry,
                                                     std::function<void(const Error&)> on_failure);
  ProtocolLog(const ProtocolLog&) = delete;
  ProtocolLog& operator=(const ProtocolLog&) = delete;
  ~ProtocolLog();

  /// The messages that follow belong to this request. The registry must last until its last one.
  void begin(std::string_view conversation, const RequestMessage& request, const RegistrySnapshot& registry);

  /// What an EventSink calls.
  void on_event(const Event& event);

 private:
  ProtocolLog(std::filesystem::path file, int fd, std::function<void(const Error&)> on_failure)
      : file_(std::move(file)), fd_(fd), on_failure_(std::move(on_failure)) {}

  Status write_header(const RegistrySnapshot& registry);
  void end(const Status& written);
  void write_message(const nlohmann::ordered_json& message);
  Status write_line(const nlohmann::ordered_json& json) const;

  std::filesystem::path file_;
  int fd_;                                      // -1: the log has ended
  const RegistrySnapshot* registry_ = nullptr;  // of the request
  std::vector<std::string> members_;            // of the last header
  std::function<void(const Error&)> on_failure_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::string conversation_;
  uint64_t n_requests_ = 0, n_messages_ = 0;
};

}  // namespace sain::router
