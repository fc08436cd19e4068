// Starts a program without a shell and collects what it prints: for tests of the `sain` program.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace sain::test {

struct ProcessResult {
  int exit_code = -1;  // -1: ended by `signal`
  int signal = 0;
  std::string out;
  std::string err;
};

struct SubprocessOptions {
  std::string input = {};  // what the program reads from stdin
  // Added to this process's own. What whoever runs the tests has tuned or installed does not count, unless this says
  // otherwise: SAIN_TUNING is "off", SAIN_DATA nowhere.
  std::vector<std::pair<std::string, std::string>> environment = {};
};

/// A running program; its end is waited for in the destructor at the latest. Errors of the system are exceptions:
/// in a test they are failures.
class Subprocess {
 public:
  /// `command` is the program's path (or its name in PATH) and its arguments.
  explicit Subprocess(const std::vector<std::string>& command, SubprocessOptions options = {})
      : input_(std::move(options.input)) {
    signal(SIGPIPE, SIG_IGN);  // a program that does not read its input must not end the test
    const Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.read_end, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);
    std::vector<std::string> environment = merged_environment(options.environment);
    const int error = posix_spawnp(&pid_, command.at(0).c_str(), &actions, nullptr, pointers(command).data(),
                                   pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    close(in.read_end), close(out.write_end), close(err.write_end);
    in_ = in.write_end, out_ = out.read_end, err_ = err.read_end;
    if (error != 0) throw std::system_error(error, std::generic_category(), "cannot start " + command[0]);
    fcntl(in_, F_SETFL, O_NONBLOCK);
  }
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;
  ~Subprocess() {
    if (pid_ > 0) wait();
  }

  const std::string& out() const { return result_.out; }
  const std::string& err() const { return result_.err; }
  pid_t pid() const { return pid_; }
  void send_signal(int number) { ::kill(pid_, number); }

  /// Moves input and output along; blocks until something happened. False once the program has closed its output.
  bool pump() {
    if (in_ >= 0 && input_.empty()) close(std::exchange(in_, -1));
    if (out_ < 0 && err_ < 0) return false;
    pollfd files[] = {{in_, POLLOUT, 0}, {out_, POLLIN, 0}, {err_, POLLIN, 0}};  // negative ones are skipped
    if (poll(files, 3, -1) < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
    if (files[0].revents != 0) feed();
    if (files[1].revents != 0) drain(out_, result_.out);
    if (files[2].revents != 0) drain(err_, result_.err);
    return true;
  }

  /// Waits for the end of the program and returns all that it printed.
  ProcessResult wait() {
    while (pump()) {
    }
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    if (in_ >= 0) close(std::exchange(in_, -1));
    if (WIFEXITED(status)) result_.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) result_.signal = WTERMSIG(status);
    return result_;
  }

 private:
  struct Pipe {
    int read_end, write_end;
  };

  static Pipe make_pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    return {ends[0], ends[1]};
  }

  static std::vector<std::string> merged_environment(
      const std::vector<std::pair<std::string, std::string>>& additions) {
    std::map<std::string, std::string> values;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string_view own = *entry;
      const size_t equals = own.find('=');
      values.emplace(own.substr(0, equals), own.substr(equals + 1));
    }
    values["SAIN_TUNING"] = "off";
    values["SAIN_DATA"] = "/nonexistent";
    for (const auto& [name, value] : additions) values[name] = value;
    std::vector<std::string> merged;
    for (const auto& [name, value] : values) merged.push_back(name + "=" + value);
    return merged;
  }

  static std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    for (const std::string& string : strings) result.push_back(const_cast<char*>(string.c_str()));
    result.push_back(nullptr);
    return result;
  }

  void feed() {
    const ssize_t n = write(in_, input_.data(), input_.size());
    if (n > 0) {
      input_.erase(0, static_cast<size_t>(n));
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
      input_.clear();  // the program does not read any more
    }
  }

  static void drain(int& file, std::string& text) {
    char buffer[65536];
    const ssize_t n = read(file, buffer, sizeof buffer);
    if (n > 0) {
      text.append(buffer, static_cast<size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      close(std::exchange(file, -1));
    }
  }

  std::string input_;
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  ProcessResult result_;
};

/// Runs a program to its end.
inline ProcessResult run_program(const std::vector<std::string>& command, SubprocessOptions options = {}) {
  return Subprocess(command, std::move(options)).wait();
}

#ifdef SAIN_PROGRAM
/// Runs `sain` with these arguments to its end.
inline ProcessResult run_sain(std::vector<std::string> arguments, SubprocessOptions options = {}) {
  arguments.insert(arguments.begin(), SAIN_PROGRAM);
  return run_program(arguments, std::move(options));
}
#endif

}  // namespace sain::test
