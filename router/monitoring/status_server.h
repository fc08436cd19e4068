// A running program says how it is to whoever asks on this machine, through a Unix domain socket that its owner alone
// can open. router/monitoring/status.md describes the protocol.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "formats/result.h"

namespace sain::router {

/// Where the sockets of all programs of this user are: sain in XDG_RUNTIME_DIR; where that is no folder, run in
/// cache_dir().
std::filesystem::path status_folder();

/// Makes `folder` (mode 0700) where it is not there. Errors: kIo; kInvalidArgument where it is somebody else's, or
/// others may write to it, or its path is too long for a socket.
Status prepare_status_folder(const std::filesystem::path& folder);

struct StatusServerOptions {
  // Called by the server's thread, one at a time, when somebody asks: they must be thread-safe.
  std::function<std::string()> status;   // a JSON object on a line, see to_json(StatusReport)
  std::function<std::string()> metrics;  // the Prometheus text
  std::function<void()> keep_up = {};    // every five minutes: for counters that wrap; may be empty
  std::filesystem::path folder = {};     // empty: status_folder()
};

/// Answers one thing and no other: "status\n" and "metrics\n". One thread, which sleeps while nobody asks. A client has
/// two seconds for everything, and of more than 16 at once the others wait; one that hangs, floods or goes away costs
/// no more than that. Thread-safe.
class StatusServer {
 public:
  /// Removes what programs that are gone have left there. Errors: those of prepare_status_folder(); kIo;
  /// kInvalidArgument where this process has a server already.
  static Result<std::unique_ptr<StatusServer>> start(StatusServerOptions options);
  ~StatusServer();  // removes the socket
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  const std::filesystem::path& socket() const { return path_; }  // <folder>/<pid>.sock

 private:
  StatusServer(StatusServerOptions options, std::filesystem::path path, int listener, int wake_up);

  StatusServerOptions options_;
  std::filesystem::path path_;
  int listener_, wake_up_;  // sockets, an eventfd
  std::jthread thread_;
};

/// Asks a program: `request` is "status" or "metrics". Errors: kNotFound (nobody listens there any more), kIo (no whole
/// answer within `timeout`, or of more than 16 MiB), kInvalidArgument (another request).
Result<std::string> ask_status(const std::filesystem::path& socket, std::string_view request,
                               std::chrono::milliseconds timeout);

struct RunningProgram {
  int64_t pid = 0;
  std::filesystem::path socket;
};

/// Those that listen in `folder`, by pid. Sockets of programs that are gone are removed.
std::vector<RunningProgram> running_programs(const std::filesystem::path& folder = status_folder());

}  // namespace sain::router
