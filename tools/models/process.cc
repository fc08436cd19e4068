#include "tools/models/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

namespace sain::tools {
namespace {

constexpr size_t kOutputBytes = 16 << 10;
constexpr int kTickMs = 100;
constexpr auto kGrace = std::chrono::seconds(3);  // from the request to end to the order

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

/// What posix_spawn() does between fork and exec.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  SpawnSetup(const std::filesystem::path& directory, int output) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    // Signals that this program blocks or ignores are its own affair.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

/// Our environment with the variables of `extra` set or replaced.
std::vector<std::string> merged_environment(const std::vector<std::string>& extra) {
  std::vector<std::string> result = extra;
  for (char** variable = environ; *variable; ++variable) {
    const std::string entry = *variable;
    const std::string name = entry.substr(0, entry.find('=') + 1);
    if (std::ranges::none_of(extra, [&](const std::string& e) { return e.starts_with(name); })) result.push_back(entry);
  }
  return result;
}

/// Waits up to a tick for output and keeps its end. False when none came.
bool collect_output(Descriptor& pipe, std::string& output) {
  pollfd ready{.fd = pipe.get(), .events = POLLIN, .revents = 0};
  if (poll(&ready, 1, kTickMs) <= 0) return false;
  char buffer[4096];
  const ssize_t n = read(pipe.get(), buffer, sizeof buffer);
  if (n <= 0) {
    pipe.close();
    return false;
  }
  output.append(buffer, static_cast<size_t>(n));
  if (output.size() > kOutputBytes) output.erase(0, output.size() - kOutputBytes);
  return true;
}

}  // namespace

Result<ProcessResult> run_process(const ProcessOptions& options, std::stop_token stop) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return make_error(ErrorCode::kIo, "cannot make a pipe: {}", std::strerror(errno));
  Descriptor output(ends[0]), child_output(ends[1]);

  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = merged_environment(options.environment);
  const SpawnSetup setup(options.directory, child_output.get());
  pid_t pid = 0;
  const int failure = posix_spawnp(&pid, arguments[0].c_str(), &setup.actions, &setup.attributes,
                                   pointers(arguments).data(), pointers(environment).data());
  if (failure != 0) {
    return make_error(failure == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "cannot run {}: {}", arguments[0],
                      std::strerror(failure));
  }
  child_output.close();

  ProcessResult result;
  std::optional<std::chrono::steady_clock::time_point> stopped_at;
  int status = 0;
  for (bool running = true; running;) {
    if (output.get() < 0) {
      poll(nullptr, 0, kTickMs);
    } else {
      collect_output(output, result.output);
    }
    if (options.on_wait) options.on_wait();
    if (stop.stop_requested()) {
      const auto now = std::chrono::steady_clock::now();
      if (!stopped_at) stopped_at = now;
      kill(-pid, now - *stopped_at < kGrace ? SIGTERM : SIGKILL);
    }
    running = waitpid(pid, &status, WNOHANG) == 0;
  }
  if (stopped_at) return make_error(ErrorCode::kCancelled, "{} was stopped", arguments[0]);
  // What it wrote last is still in the pipe; a descendant that keeps the other end open is not waited for.
  while (output.get() >= 0 && collect_output(output, result.output)) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace sain::tools
