// Asking a running program, and clients that mean no good.
#include "router/monitoring/status_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

sockaddr_un address(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

/// A client that does what it is told.
class RawClient {
 public:
  explicit RawClient(const fs::path& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un to = address(path);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  RawClient(RawClient&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~RawClient() {
    if (fd_ >= 0) close(fd_);
  }

  bool send(std::string_view text) const {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  /// Until the server closes; "error" where it does so with one, or not within ten seconds.
  std::string receive() const {
    std::string all;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = recv(fd_, buffer, sizeof buffer, 0)) > 0) all.append(buffer, static_cast<size_t>(n));
    return n == 0 ? all : "error";
  }

 private:
  int fd_;
};

class StatusServerTest : public ::testing::Test {
 protected:
  void SetUp() override { start(); }

  void start() {
    auto server = StatusServer::start({.status = [this] { return ++n_asked_, status_; },
                                       .metrics = [] { return std::string("sain_a 1\n"); },
                                       .folder = folder()});
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  fs::path folder() const { return folder_ / "sain"; }

  void expect_alive() const {
    const auto answer = ask_status(server_->socket(), "status", 10s);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer, status_);
  }

  testing::TemporaryFolder folder_;
  std::string status_ = "{\"pid\":1}\n";
  std::atomic<int> n_asked_ = 0;
  std::unique_ptr<StatusServer> server_;
};

TEST_F(StatusServerTest, AnswersItsTwoRequests) {
  expect_alive();
  EXPECT_EQ(*ask_status(server_->socket(), "metrics", 10s), "sain_a 1\n");
  EXPECT_EQ(ask_status(server_->socket(), "shutdown", 10s).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(StatusServerTest, OnlyItsOwnerMayAsk) {
  EXPECT_EQ(fs::status(folder()).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(server_->socket()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(server_->socket(), folder() / (std::to_string(getpid()) + ".sock"));
}

TEST_F(StatusServerTest, LeavesNothingBehind) {
  const fs::path socket = server_->socket();
  server_.reset();
  EXPECT_TRUE(fs::is_empty(folder()));
  EXPECT_EQ(ask_status(socket, "status", 1s).error().code, ErrorCode::kNotFound);
  start();
  expect_alive();
}

TEST_F(StatusServerTest, AProcessHasOne) {
  const auto second =
      StatusServer::start({.status = [] { return ""; }, .metrics = [] { return ""; }, .folder = folder()});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kInvalidArgument);
  expect_alive();
}

TEST_F(StatusServerTest, SaysNothingToAnythingElse) {
  for (const char* request : {"stats\n", "GET / HTTP/1.1\r\n\r\n", "\n", "status \n", "STATUS\n", "statusmetrics\n"}) {
    const RawClient client(server_->socket());
    EXPECT_TRUE(client.send(request));
    const std::string answer = client.receive();
    EXPECT_TRUE(answer.empty() || answer == "error") << request << answer;
  }
  EXPECT_EQ(n_asked_, 0);
  expect_alive();
}

TEST_F(StatusServerTest, ARequestMayComeInPieces) {
  const RawClient client(server_->socket());
  for (const char* piece : {"st", "at", "us", "\n"}) {
    EXPECT_TRUE(client.send(piece));
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(client.receive(), status_);
}

TEST_F(StatusServerTest, AClientThatHangsIsClosed) {
  const RawClient silent(server_->socket()), slow(server_->socket());
  EXPECT_TRUE(slow.send("stat"));
  const auto begin = std::chrono::steady_clock::now();
  expect_alive();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1500ms);  // it waits for nobody
  EXPECT_EQ(silent.receive(), "");
  EXPECT_EQ(slow.receive(), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);
}

TEST_F(StatusServerTest, AClientThatDoesNotReadIsClosed) {
  status_ = std::string(4 << 20, 'x');  // more than the kernel keeps for it
  const RawClient client(server_->socket());
  EXPECT_TRUE(client.send("status\n"));
  std::this_thread::sleep_for(50ms);
  expect_alive();
  std::this_thread::sleep_for(2500ms);
  EXPECT_LT(client.receive().size(), status_.size());
}

TEST_F(StatusServerTest, ManyClientsTakeTheirTurns) {
  std::vector<RawClient> clients;
  for (int i = 0; i < 16; ++i) clients.emplace_back(server_->socket());
  expect_alive();  // after two seconds
}

TEST_F(StatusServerTest, AFloodDoesNoHarm) {
  std::atomic<bool> is_over = false;
  std::vector<std::jthread> flooders;
  for (int t = 0; t < 3; ++t) {
    flooders.emplace_back([&] {
      const std::string garbage(65536, 's');
      while (!is_over) {
        const RawClient client(server_->socket());
        client.send(garbage);
      }
    });
  }
  for (int i = 0; i < 20; ++i) expect_alive();
  is_over = true;
}

TEST_F(StatusServerTest, AClientThatDisappearsDoesNoHarm) {
  status_ = std::string(1 << 20, 'x');
  for (int i = 0; i < 50; ++i) {
    RawClient(server_->socket());
    RawClient(server_->socket()).send("status");
    RawClient(server_->socket()).send("status\n");
  }
  expect_alive();
}

TEST_F(StatusServerTest, ProgramsAreFoundAndDeadOnesForgotten) {
  // A process that dies without a farewell.
  const pid_t child = fork();
  if (child == 0) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un at = address(folder() / (std::to_string(getpid()) + ".sock"));
    _exit(bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 && listen(fd, 1) == 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const fs::path stale = folder() / (std::to_string(child) + ".sock");
  ASSERT_TRUE(fs::exists(stale));
  folder_.write("sain/other.sock", "");
  folder_.write("sain/12.txt", "");
  folder_.write("sain/13.sock", "no socket");
  const std::vector<RunningProgram> programs = running_programs(folder());
  ASSERT_EQ(programs.size(), 1u);
  EXPECT_EQ(programs[0].pid, getpid());
  EXPECT_EQ(programs[0].socket, server_->socket());
  EXPECT_FALSE(fs::exists(stale));
  EXPECT_TRUE(fs::exists(folder() / "13.sock"));
  EXPECT_TRUE(running_programs(folder_ / "nowhere").empty());
}

TEST(StatusFolder, IsInTheRuntimeFolderOrTheCache) {
  const testing::TemporaryFolder folder;
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", folder.path().c_str(), 1), 0);
  ASSERT_EQ(setenv("SAIN_CACHE", "/cache", 1), 0);
  EXPECT_EQ(status_folder(), folder / "sain");
  for (const std::string& useless : {std::string("."), (folder / "nowhere").string()}) {
    ASSERT_EQ(setenv("XDG_RUNTIME_DIR", useless.c_str(), 1), 0);
    EXPECT_EQ(status_folder(), "/cache/run");
  }
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(status_folder(), "/cache/run");
  unsetenv("SAIN_CACHE");
}

TEST(StatusFolder, MustBeOursAlone) {
  const testing::TemporaryFolder folder;
  EXPECT_TRUE(prepare_status_folder(folder / "a/b/run"));
  fs::create_directory(folder / "open");
  fs::permissions(folder / "open", fs::perms::all);
  EXPECT_THAT(prepare_status_folder(folder / "open").error().message, HasSubstr("nobody else may write"));
  folder.write("file", "");
  EXPECT_EQ(prepare_status_folder(folder / "file").error().code, ErrorCode::kInvalidArgument);
  fs::create_directory_symlink(folder / "a", folder / "link");
  EXPECT_EQ(prepare_status_folder(folder / "link").error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(prepare_status_folder(folder / std::string(100, 'x')).error().message, HasSubstr("a socket's path"));
}

}  // namespace
}  // namespace sain::router
