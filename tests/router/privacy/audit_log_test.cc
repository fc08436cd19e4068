// R26: the log: what is in a line and what never is, rotation, retention, several writers, a full disk.
#include "router/privacy/audit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using sain::testing::read_whole_file;
using sain::testing::TemporaryFolder;
using ::testing::HasSubstr;

class AuditLogTest : public ::testing::Test {
 protected:
  AuditLog open() {
    auto log = AuditLog::open(options_);
    EXPECT_TRUE(log) << log.error().message;
    return *std::move(log);
  }

  std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> result;
    for (const fs::path& path : files()) {
      std::istringstream text(read_whole_file(path));
      for (std::string line; std::getline(text, line);) result.push_back(nlohmann::json::parse(line));
    }
    return result;
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folder_.path())) paths.push_back(entry.path());
    return paths;
  }

  static AuditEntry entry(std::string request = "r1") {
    AuditEntry entry = {.request_id = std::move(request), .conversation_id = "c1", .member = "coding"};
    return entry;
  }

  TemporaryFolder folder_;
  std::chrono::system_clock::time_point now_ = std::chrono::sys_days{std::chrono::year{2026} / 3 / 1} + 12h + 34ms;
  AuditLogOptions options_ = {.file = folder_ / "audit.jsonl", .now = [this] { return now_; }};
};

TEST_F(AuditLogTest, ALineSaysWhatHappened) {
  AuditLog log = open();
  const std::string text = "Mail anna.fischer@example.org, my name is Anna Fischer";
  const auto findings = find_personal_data(text);
  AuditEntry kept = entry("r1");
  kept.decision = decide_privacy(findings, PrivacyLevel::kOn, AnswerPlace::kCloud);
  ASSERT_TRUE(log.append(kept));
  AuditEntry sent = entry("r2");
  sent.level = PrivacyLevel::kStrict;
  sent.decision = decide_privacy({}, PrivacyLevel::kStrict, AnswerPlace::kCloud);
  sent.answered = AnswerPlace::kCloud;
  sent.cloud_bytes = 123;
  ASSERT_TRUE(log.append(sent));
  EXPECT_EQ(
      read_whole_file(options_.file),
      R"({"time":"2026-03-01T12:00:00.034Z","request":"r1","conversation":"c1","level":"on","member":"coding",)"
      R"("decision":"local","kept_back":true,"found":{"email":1,"name":1},"answered":"local","cloud_bytes":0})"
      "\n"
      R"({"time":"2026-03-01T12:00:00.034Z","request":"r2","conversation":"c1","level":"strict","member":"coding",)"
      R"("decision":"cloud","kept_back":false,"found":{},"answered":"cloud","cloud_bytes":123})"
      "\n");
}

TEST_F(AuditLogTest, NothingButIdentifiersGetsIn) {
  AuditLog log = open();
  for (const char* id : {"", "anna fischer", "anna@example.org", "a\"b", "a\nb", "größe",
                         "01234567890123456789012345678901234567890123456789012345678901234"}) {
    for (std::string AuditEntry::*field :
         {&AuditEntry::request_id, &AuditEntry::conversation_id, &AuditEntry::member}) {
      AuditEntry bad = entry();
      bad.*field = id;
      const Status status = log.append(bad);
      ASSERT_FALSE(status) << id;
      EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    }
  }
  EXPECT_EQ(read_whole_file(options_.file), "");
}

TEST_F(AuditLogTest, OpaqueIdsDiffer) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(make_opaque_id());
  EXPECT_EQ(ids.size(), 1000u);
  EXPECT_EQ(ids.begin()->size(), 32u);
}

TEST_F(AuditLogTest, OnlyItsOwnerReadsIt) {
  const auto mode = [this] {
    struct stat status = {};
    EXPECT_EQ(::stat(options_.file.c_str(), &status), 0);
    return status.st_mode & 0777;
  };
  const mode_t before = ::umask(0);
  { open(); }
  ::umask(before);
  EXPECT_EQ(mode(), 0600u);
  fs::permissions(options_.file, fs::perms(0666));
  { open(); }
  EXPECT_EQ(mode(), 0600u);
}

TEST_F(AuditLogTest, IsPutAsideBySizeAndByAge) {
  options_.max_bytes = 1000;
  AuditLog log = open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(log.append(entry("r" + std::to_string(i))));
    now_ += 1s;
  }
  const size_t n_files = files().size();
  EXPECT_GT(n_files, 3u);
  EXPECT_EQ(lines().size(), 20u);
  for (const fs::path& path : files()) EXPECT_LT(fs::file_size(path), 1300u);
  EXPECT_TRUE(fs::exists(folder_ / "audit.jsonl.20260301T120000.034Z"));
  now_ += 25h;
  ASSERT_TRUE(log.prune());
  EXPECT_EQ(files().size(), n_files + 1);
  EXPECT_EQ(read_whole_file(options_.file), "");
}

TEST_F(AuditLogTest, NoLineOutlivesItsRetention) {
  options_.retention = 24h * 10;
  AuditLog log = open();
  folder_.write("audit.jsonl.bak", "somebody's own file");
  for (int hour = 0; hour < 24 * 30; hour += 5) {
    ASSERT_TRUE(log.append(entry("h" + std::to_string(hour))));
    int oldest = hour;
    for (const fs::path& path : files()) {
      if (path.extension() == ".bak") continue;
      std::istringstream text(read_whole_file(path));
      for (std::string line; std::getline(text, line);) {
        const std::string id = nlohmann::json::parse(line)["request"];
        oldest = std::min(oldest, std::stoi(id.substr(1)));
      }
    }
    EXPECT_LE(hour - oldest, 240);
    EXPECT_GE(hour - oldest, std::min(hour, 240 - 24 - 5)) << "deleted too early";
    now_ += 5h;
  }
  now_ += 24h * 11;
  ASSERT_TRUE(log.prune());
  EXPECT_EQ(files().size(), 2u);
  EXPECT_EQ(read_whole_file(options_.file), "");
  EXPECT_TRUE(fs::exists(folder_ / "audit.jsonl.bak"));
}

TEST_F(AuditLogTest, EraseDeletesAllLines) {
  options_.max_bytes = 500;
  AuditLog log = open();
  for (int i = 0; i < 10; ++i, now_ += 1s) ASSERT_TRUE(log.append(entry()));
  ASSERT_TRUE(log.erase());
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(lines().size(), 0u);
  ASSERT_TRUE(log.append(entry()));
  EXPECT_EQ(lines().size(), 1u);
}

TEST_F(AuditLogTest, WritersOfSeveralProcessesLoseNothing) {
  constexpr int kProcesses = 3, kThreads = 3, kLines = 60;
  options_.max_bytes = 20'000;
  options_.now = std::chrono::system_clock::now;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child > 0) {
      children.push_back(child);
      continue;
    }
    auto log = AuditLog::open(options_);
    std::vector<std::thread> threads;
    std::atomic<bool> ok = log.has_value();
    for (int thread = 0; thread < kThreads && ok; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kLines; ++i) {
          if (!log->append(entry(fmt::format("{}-{}-{}", process, thread, i)))) ok = false;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    _exit(ok ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  std::set<std::string> ids;
  for (const auto& line : lines()) ids.insert(line["request"].get<std::string>());
  EXPECT_EQ(ids.size(), size_t{kProcesses * kThreads * kLines});
  EXPECT_GT(files().size(), 2u);
}

TEST_F(AuditLogTest, AFullDiskIsAnErrorAndLeavesNoPartOfALine) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // the limit is of the whole process
    signal(SIGXFSZ, SIG_IGN);
    auto log = AuditLog::open(options_);
    const rlimit limit = {500, 500};
    if (!log || setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    int n_written = 0;
    while (n_written < 10 && log->append(entry())) ++n_written;
    const Status status = log->append(entry());
    _exit(n_written == 2 && !status && status.error().code == ErrorCode::kIo ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  EXPECT_EQ(lines().size(), 2u);
}

TEST_F(AuditLogTest, WhatIsNoLogIsRefused) {
  options_.file = "/dev/full";
  auto log = AuditLog::open(options_);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kIo);
  options_.file = folder_.write("notes.txt", "These are my notes, and not the lines of any log.\n");
  log = AuditLog::open(options_);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message, HasSubstr("notes.txt"));
  options_.file = folder_ / "missing" / "audit.jsonl";
  EXPECT_FALSE(AuditLog::open(options_));
  fs::create_symlink("/dev/null", folder_ / "link");
  options_.file = folder_ / "link";
  EXPECT_FALSE(AuditLog::open(options_));
}

TEST_F(AuditLogTest, GoesOnAfterItsFileWasMovedAway) {
  AuditLog log = open();
  ASSERT_TRUE(log.append(entry("r1")));
  fs::rename(options_.file, folder_ / "moved");
  ASSERT_TRUE(log.append(entry("r2")));
  EXPECT_THAT(read_whole_file(options_.file), HasSubstr("\"r2\""));
}

}  // namespace
}  // namespace sain::router
