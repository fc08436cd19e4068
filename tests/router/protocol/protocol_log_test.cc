// A log: written and read again, cut anywhere, damaged anywhere, on a full disk.
#include "router/protocol/protocol_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "router/protocol/protocol_log_reader.h"
#include "tests/router/protocol/sample_messages.h"
#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

using nlohmann::ordered_json;
using sain::testing::read_whole_file;
using sain::testing::TemporaryFolder;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A request from its route to its end.
std::vector<Event> one_request() {
  std::vector<Event> events = sample_events();
  events.pop_back();  // an error, after done
  return events;
}

class ProtocolLogTest : public ::testing::Test {
 protected:
  /// Two requests of two conversations.
  std::string write_two() {
    auto log = ProtocolLog::create(file_, sample_registry(), [](const Error& e) { ADD_FAILURE() << e.message; });
    EXPECT_TRUE(log) << log.error().message;
    for (const char* conversation : {"first", "second"}) {
      (*log)->begin(conversation, {"Write a loop", {.mode = Mode::kSlow}}, sample_registry());
      for (const Event& event : one_request()) (*log)->on_event(event);
    }
    return read_whole_file(file_);
  }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_ / "talk.jsonl";
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    lines.push_back(text.substr(begin, end - begin));
  return lines;
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST_F(ProtocolLogTest, WhatWasWrittenIsRead) {
  write_two();
  const auto log = read_protocol_log(file_);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ(log->registry.names, sample_registry().names);
  EXPECT_EQ(log->registry.assistant_name, "Ada");
  EXPECT_FALSE(log->is_open);
  EXPECT_FALSE(log->is_cut);
  const size_t n = 1 + one_request().size();
  ASSERT_EQ(log->messages.size(), 2 * n);
  double ms = 0;
  for (size_t i = 0; i < 2 * n; ++i) {
    const LoggedMessage& logged = log->messages[i];
    EXPECT_EQ(logged.conversation, i < n ? "first" : "second");
    EXPECT_GE(logged.ms, ms);
    ms = logged.ms;
    if (i % n == 0) {
      EXPECT_EQ(std::get<RequestMessage>(logged.message).text, "Write a loop");
      EXPECT_EQ(std::get<RequestMessage>(logged.message).options.mode, Mode::kSlow);
    } else {
      EXPECT_EQ(to_json(std::get<Event>(logged.message), log->registry),
                to_json(one_request()[i % n - 1], sample_registry()));
    }
  }
}

TEST_F(ProtocolLogTest, WhoJoinsLaterIsInAnotherHeader) {
  {
    auto log = ProtocolLog::create(file_, sample_registry(), [](const Error& e) { ADD_FAILURE() << e.message; });
    ASSERT_TRUE(log) << log.error().message;
    RegistrySnapshot larger = sample_registry();
    larger.names.push_back("chess");
    for (const RegistrySnapshot* registry : {&sample_registry(), &std::as_const(larger), &std::as_const(larger)}) {
      (*log)->begin("talk", {"e4?", {}}, *registry);
      for (Event event : one_request()) {
        if (auto* route = std::get_if<RouteEvent>(&event))
          route->decision.probabilities.resize(registry->names.size(), 0.0);
        (*log)->on_event(event);
      }
    }
  }
  std::vector<std::string> lines = lines_of(read_whole_file(file_));
  const size_t n = 1 + one_request().size();
  ASSERT_EQ(lines.size(), 3 * n + 2) << "a header, a request, a header, two requests";
  const auto log = read_protocol_log(file_);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ(log->registry.names.back(), "chess");
  EXPECT_EQ(log->messages.size(), 3 * n);

  // Not within a request, and nobody may be missing from it.
  std::vector<std::string> damaged = lines;
  std::swap(damaged[n], damaged[n + 1]);
  EXPECT_THAT(parse_protocol_log(text_of(damaged), "t").error().message, HasSubstr("protocol: may not come before"));
  damaged = lines;
  damaged[n + 1] = damaged[0].substr(0, damaged[0].find("\"members\"")) +
                   R"("members":["assistant"],"assistant":"Ada","started":"2026-01-01T00:00:00Z"})";
  EXPECT_THAT(parse_protocol_log(text_of(damaged), "t").error().message, HasSubstr("members: expected"));
}

TEST_F(ProtocolLogTest, ItsOwnerAloneCanReadItAndNothingIsOverwritten) {
  const std::string written = write_two();
  struct stat status = {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  for (const std::filesystem::path& file : {file_, folder_ / "missing" / "talk.jsonl"}) {
    const auto log = ProtocolLog::create(file, sample_registry(), [](const Error&) {});
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, ErrorCode::kIo);
    EXPECT_THAT(log.error().message, StartsWith(file.string()));
  }
  EXPECT_EQ(read_whole_file(file_), written);
}

TEST_F(ProtocolLogTest, AFullDiskEndsTheLogWithOneWarning) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // the limit is of the whole process
    signal(SIGXFSZ, SIG_IGN);
    int n_warnings = 0;
    const rlimit limit = {2000, 2000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    const auto log = ProtocolLog::create(file_, sample_registry(), [&](const Error&) { ++n_warnings; });
    if (!log) _exit(3);
    for (int i = 0; i < 10; ++i) {
      (*log)->begin("only", {"Write a loop", {}}, sample_registry());
      for (const Event& event : one_request()) (*log)->on_event(event);
    }
    _exit(n_warnings == 1 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  const auto log = read_protocol_log(file_);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_TRUE(log->is_cut);
  EXPECT_TRUE(log->is_open);
  EXPECT_GT(log->messages.size(), 3u);
}

TEST_F(ProtocolLogTest, CutAnywhereItIsReadUpToThere) {
  std::vector<std::string> lines = lines_of(write_two());
  const size_t n_messages = 1 + one_request().size();
  lines.resize(1 + n_messages);
  const std::string whole = text_of(lines);
  const size_t header = lines[0].size() + 1;
  size_t n_before = 0;
  for (size_t size = 0; size <= whole.size(); ++size) {
    const auto log = parse_protocol_log(std::string_view(whole).substr(0, size), "talk.jsonl");
    ASSERT_EQ(log.has_value(), size >= header) << size;
    if (!log) {
      EXPECT_EQ(log.error().code, ErrorCode::kCorrupt);
      EXPECT_THAT(log.error().message, StartsWith("talk.jsonl:1: expected"));
      continue;
    }
    EXPECT_EQ(log->is_cut, whole[size - 1] != '\n');
    EXPECT_EQ(log->is_open, log->messages.size() % n_messages != 0);
    EXPECT_GE(log->messages.size(), n_before);
    n_before = log->messages.size();
  }
  EXPECT_EQ(n_before, n_messages);
}

TEST_F(ProtocolLogTest, NoLineCanBeMissingOrStandTwice) {
  const std::vector<std::string> lines = lines_of(write_two());
  for (size_t i = 0; i < lines.size(); ++i) {
    std::vector<std::string> missing = lines, twice = lines;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(i));
    twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(i), lines[i]);
    if (i + 1 < lines.size()) {  // a log may end anywhere
      EXPECT_FALSE(parse_protocol_log(text_of(missing), "log")) << i;
    }
    EXPECT_FALSE(parse_protocol_log(text_of(twice), "log")) << i;
  }
}

/// The error for a log in which the field at `pointer` of a line has another value.
std::string error_with(std::vector<std::string> lines, size_t line, const char* pointer, const ordered_json& value) {
  ordered_json json = ordered_json::parse(lines[line - 1]);
  json[ordered_json::json_pointer(pointer)] = value;
  lines[line - 1] = json.dump();
  const auto log = parse_protocol_log(text_of(lines), "talk.jsonl");
  if (log) return "none";
  EXPECT_EQ(log.error().code, std::string_view(pointer) == "/version" ? ErrorCode::kUnsupported : ErrorCode::kCorrupt);
  return log.error().message;
}

TEST_F(ProtocolLogTest, DamageIsNamedWithLineAndField) {
  const std::vector<std::string> lines = lines_of(write_two());
  const auto error = [&](size_t line, const char* pointer, const ordered_json& value) {
    return error_with(lines, line, pointer, value);
  };
  EXPECT_EQ(error(1, "/added_later", 1), "none");
  EXPECT_EQ(error(2, "/added_later", 1), "none");
  EXPECT_EQ(error(1, "/protocol", "other"), "talk.jsonl:1: protocol: expected \"sain\", found \"other\"");
  EXPECT_EQ(error(1, "/version", 1), "none");
  EXPECT_EQ(error(1, "/version", 0), "talk.jsonl:1: version: expected 1 to 2, found 0");
  EXPECT_EQ(error(1, "/version", 3), "talk.jsonl:1: version: expected 1 to 2, found 3");
  for (const ordered_json& members :
       {ordered_json::array(), ordered_json::array({"coding"}), ordered_json::array({"assistant", "assistant"}),
        ordered_json::array({"assistant", "\x1b[2J"}), ordered_json::array({"assistant", 3}), ordered_json("assistant"),
        ordered_json(std::vector<std::string>(2000, "assistant"))})
    EXPECT_THAT(error(1, "/members", members), StartsWith("talk.jsonl:1: members: expected "));
  EXPECT_THAT(error(1, "/assistant", ""), StartsWith("talk.jsonl:1: assistant: expected "));
  EXPECT_EQ(error(3, "/seq", 3), "talk.jsonl:3: seq: expected 2, found 3");
  EXPECT_THAT(error(3, "/ms", -1), HasSubstr("talk.jsonl:3: ms: expected a number from "));
  EXPECT_EQ(error(3, "/request", 2), "talk.jsonl:3: request: expected 1, found 2");
  EXPECT_EQ(error(3, "/conversation", "other"),
            "talk.jsonl:3: conversation: expected that of the request before it, found \"other\"");
  EXPECT_EQ(error(3, "/message", 7), "talk.jsonl:3: message: expected an object, found 7");
  EXPECT_THAT(error(3, "/message/confidence", 2), StartsWith("talk.jsonl:3: route.confidence: expected "));
  EXPECT_THAT(error(2, "/message/mode", "hasty"), StartsWith("talk.jsonl:2: request.mode: expected "));
  EXPECT_EQ(error(13, "/message/by", "writing"),
            "talk.jsonl:13: token.by: expected coding, whose turn it is, found writing");
  EXPECT_EQ(error(2, "/message/event", "route"), "talk.jsonl:2: request: expected 0, found 1");
}

TEST_F(ProtocolLogTest, WhatIsNoLogIsRefused) {
  for (const char* text : {"", "\n", "notes\n", "[]\n", "{}\n", "\xff\xfe\n", "null\n"}) {
    const auto log = parse_protocol_log(text, "notes.txt");
    ASSERT_FALSE(log) << text;
    EXPECT_EQ(log.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(log.error().message, StartsWith("notes.txt:1: "));
  }
  EXPECT_EQ(read_protocol_log(folder_ / "missing").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sain::router
