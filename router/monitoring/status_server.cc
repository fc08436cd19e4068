#include "router/monitoring/status_server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <list>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/cache_dir.h"

namespace sain::router {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr size_t kMaxClients = 16;
constexpr auto kPatience = std::chrono::seconds(2);
constexpr auto kKeepUp = std::chrono::minutes(5);  // an energy counter of 65 kJ wraps in that time at 218 W
constexpr std::string_view kStatus = "status\n", kMetrics = "metrics\n";
constexpr size_t kMaxReplyBytes = size_t{16} << 20;
constexpr std::string_view kExtension = ".sock";

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Error failure(const fs::path& path, const char* action) {
  return make_error(ErrorCode::kIo, "{}: {}: {}", path.string(), action, std::strerror(errno));
}

int milliseconds_until(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30));
}

Result<sockaddr_un> address_of(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = path.string();
  if (name.size() >= sizeof address.sun_path) {
    return make_error(ErrorCode::kInvalidArgument, "{}: a socket's path has at most {} bytes, this one {}", name,
                      sizeof address.sun_path - 1, name.size());
  }
  name.copy(address.sun_path, name.size());
  return address;
}

/// A connection that does not block; waits until `deadline` while others wait too. Errors: kNotFound (nobody listens),
/// kIo, those of address_of().
Result<Descriptor> connect_to(const fs::path& path, Clock::time_point deadline) {
  SAIN_ASSIGN_OR_RETURN(const sockaddr_un address, address_of(path));
  Descriptor client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (client.get() < 0) return failure(path, "socket");
  while (connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == ECONNREFUSED || errno == ENOENT) {
      return make_error(ErrorCode::kNotFound, "{}: no program listens there", path.string());
    }
    if (errno != EAGAIN || Clock::now() >= deadline) return failure(path, "connect");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // poll() knows nothing of a full queue
  }
  return client;
}

/// One that asks. Its request fills up first, then its reply goes out.
struct Client {
  Descriptor fd;
  Clock::time_point deadline;
  std::string request = {};
  std::string reply = {};
  size_t n_sent = 0;

  bool is_answered() const { return !reply.empty(); }
};

/// What the server's thread does.
class Service {
 public:
  Service(const StatusServerOptions& options, int listener, int wake_up)
      : options_(options), listener_(listener), wake_up_(wake_up) {}

  void run(const std::stop_token& stop) {
    std::vector<pollfd> polled;
    while (!stop.stop_requested()) {
      // While all places are taken, whoever comes waits in the kernel's queue.
      polled.assign({{wake_up_, POLLIN, 0}, {clients_.size() < kMaxClients ? listener_ : -1, POLLIN, 0}});
      auto deadline = options_.keep_up ? next_keep_up_ : Clock::time_point::max();
      for (const Client& client : clients_) {
        polled.push_back({client.fd.get(), static_cast<short>(client.is_answered() ? POLLOUT : POLLIN), 0});
        deadline = std::min(deadline, client.deadline);
      }
      const int timeout = deadline == Clock::time_point::max() ? -1 : milliseconds_until(deadline);
      if (poll(polled.data(), polled.size(), timeout) < 0) continue;
      auto events = polled.begin() + 2;
      const Clock::time_point now = Clock::now();
      for (auto client = clients_.begin(); client != clients_.end(); ++events) {
        const bool stays = client->deadline > now && (events->revents == 0 || serve(*client));
        client = stays ? std::next(client) : clients_.erase(client);
      }
      if (polled[1].revents != 0) accept_one();
      if (options_.keep_up && now >= next_keep_up_) {
        options_.keep_up();
        next_keep_up_ = now + kKeepUp;
      }
    }
  }

 private:
  void accept_one() {
    Descriptor fd(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.get() >= 0) {
      clients_.push_back({std::move(fd), Clock::now() + kPatience});
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // no descriptor is free: the queue stays readable
    }
  }

  /// False when the client is done with, one way or the other.
  bool serve(Client& client) const {
    return (client.is_answered() || read_request(client)) && (!client.is_answered() || write_reply(client));
  }

  bool read_request(Client& client) const {
    char buffer[kMetrics.size() + 1];
    const ssize_t n = recv(client.fd.get(), buffer, sizeof buffer, 0);
    if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
    client.request.append(buffer, static_cast<size_t>(n));
    for (const auto& [request, reply] :
         {std::pair(kStatus, &options_.status), std::pair(kMetrics, &options_.metrics)}) {
      if (client.request == request) client.reply = (*reply)();
    }
    return client.is_answered() || kStatus.starts_with(client.request) || kMetrics.starts_with(client.request);
  }

  static bool write_reply(Client& client) {
    const std::string_view rest = std::string_view(client.reply).substr(client.n_sent);
    const ssize_t n = send(client.fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    client.n_sent += static_cast<size_t>(n);
    return client.n_sent < client.reply.size();
  }

  const StatusServerOptions& options_;
  int listener_, wake_up_;
  std::list<Client> clients_;
  Clock::time_point next_keep_up_ = Clock::now() + kKeepUp;
};

/// The process whose socket has this name; nothing for other files.
std::optional<int64_t> pid_of(const fs::path& path) {
  const std::string stem = path.stem().string();
  int64_t pid = 0;
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), pid);
  if (path.extension() != kExtension || error != std::errc{} || end != stem.data() + stem.size()) return std::nullopt;
  return pid;
}

/// Binds beside `path`, listens, and gives it its name then: a socket of that name which refuses is always a dead one.
Result<Descriptor> listen_at(const fs::path& path) {
  const fs::path temporary = path.string() + ".new";
  SAIN_ASSIGN_OR_RETURN(const sockaddr_un address, address_of(temporary));
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (listener.get() < 0) return failure(path, "socket");
  unlink(temporary.c_str());
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(temporary.c_str(), 0600) != 0 || listen(listener.get(), kMaxClients) != 0 ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error = failure(path, "listen");
    unlink(temporary.c_str());
    return error;
  }
  return listener;
}

}  // namespace

fs::path status_folder() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::error_code ignored;
  // The XDG base directory specification: a relative path is invalid and ignored. One that is not there is no better.
  if (runtime && fs::path(runtime).is_absolute() && fs::is_directory(runtime, ignored))
    return fs::path(runtime) / "sain";
  return engine::cache_dir() / "run";
}

Status prepare_status_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return failure(folder, "mkdir");
  struct stat status {};
  if (lstat(folder.c_str(), &status) != 0) return failure(folder, "stat");
  if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 022) != 0) {
    return make_error(
        ErrorCode::kInvalidArgument,
        "{}: expected a folder that is ours and that nobody else may write to, found mode {:o} of user {}",
        folder.string(), status.st_mode, status.st_uid);
  }
  SAIN_RETURN_IF_ERROR(address_of(folder / "4194304.sock.new"));  // the longest that there is
  if (access(folder.c_str(), W_OK | X_OK) != 0) return failure(folder, "access");
  return {};
}

Result<std::unique_ptr<StatusServer>> StatusServer::start(StatusServerOptions options) {
  if (options.folder.empty()) options.folder = status_folder();
  SAIN_RETURN_IF_ERROR(prepare_status_folder(options.folder));
  const fs::path path = options.folder / (std::to_string(getpid()) + std::string(kExtension));
  for (const RunningProgram& program : running_programs(options.folder)) {
    if (program.socket == path) {
      return make_error(ErrorCode::kInvalidArgument, "{}: this process has a server already", path.string());
    }
  }
  SAIN_ASSIGN_OR_RETURN(Descriptor listener, listen_at(path));
  Descriptor wake_up(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake_up.get() < 0) return failure(path, "eventfd");
  return std::unique_ptr<StatusServer>(
      new StatusServer(std::move(options), path, listener.release(), wake_up.release()));
}

StatusServer::StatusServer(StatusServerOptions options, fs::path path, int listener, int wake_up)
    : options_(std::move(options)), path_(std::move(path)), listener_(listener), wake_up_(wake_up) {
  // Signals are for the threads that expect them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      try {
        Service(options_, listener_, wake_up_).run(stop);
      } catch (const std::bad_alloc&) {  // those who ask now get no answer
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

StatusServer::~StatusServer() {
  unlink(path_.c_str());
  thread_.request_stop();
  eventfd_write(wake_up_, 1);
  thread_ = {};
  close(listener_);
  close(wake_up_);
}

Result<std::string> ask_status(const fs::path& socket, std::string_view request, std::chrono::milliseconds timeout) {
  const std::string line = std::string(request) + "\n";
  if (line != kStatus && line != kMetrics) {
    return make_error(ErrorCode::kInvalidArgument, "a request: expected status or metrics, found {}", request);
  }
  const Clock::time_point deadline = Clock::now() + timeout;
  SAIN_ASSIGN_OR_RETURN(const Descriptor client, connect_to(socket, deadline));
  if (send(client.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) {
    return failure(socket, "send");
  }
  std::string reply;
  for (char buffer[16384]; reply.size() <= kMaxReplyBytes;) {
    pollfd polled{client.get(), POLLIN, 0};
    const int ready = poll(&polled, 1, milliseconds_until(deadline));
    if (ready == 0) {
      return make_error(ErrorCode::kIo, "{}: no whole answer within {} ms", socket.string(), timeout.count());
    }
    const ssize_t n = ready < 0 ? -1 : recv(client.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno != EINTR && errno != EAGAIN) return failure(socket, "receive");
    if (n > 0) reply.append(buffer, static_cast<size_t>(n));
    if (n != 0) continue;
    if (reply.empty()) return make_error(ErrorCode::kIo, "{}: closed without an answer", socket.string());
    return reply;
  }
  return make_error(ErrorCode::kIo, "{}: an answer of more than {} MiB", socket.string(), kMaxReplyBytes >> 20);
}

std::vector<RunningProgram> running_programs(const fs::path& folder) {
  std::vector<RunningProgram> programs;
  std::error_code ignored;
  for (const fs::directory_entry& file : fs::directory_iterator(folder, ignored)) {
    const std::optional<int64_t> pid = pid_of(file.path());
    if (!pid || !file.is_socket(ignored)) continue;
    const auto connection = connect_to(file.path(), Clock::now());
    if (!connection && connection.error().code == ErrorCode::kNotFound) {
      fs::remove(file.path(), ignored);
    } else {
      programs.push_back({*pid, file.path()});
    }
  }
  std::ranges::sort(programs, {}, &RunningProgram::pid);
  return programs;
}

}  // namespace sain::router
