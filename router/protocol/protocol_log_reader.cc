#include "router/protocol/protocol_log_reader.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "formats/mapped_file.h"
#include "router/protocol/fields.h"
#include "router/protocol/protocol_check.h"

namespace sain::router {
namespace {

using nlohmann::json;

constexpr double kMostMs = 1e10;  // 115 days
constexpr size_t kMostMembers = 1000;

bool are_members(const std::vector<std::string>& names) {
  constexpr std::string_view kBytes = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  const auto is_name = [&](const std::string& name) {
    return !name.empty() && name.find_first_not_of(kBytes) == std::string::npos;
  };
  return !names.empty() && names[0] == "assistant" && std::ranges::all_of(names, is_name) &&
         std::set<std::string>(names.begin(), names.end()).size() == names.size();
}

/// Takes one line after the other.
class LogReader {
 public:
  Status take(std::string_view line) {
    const json parsed = json::parse(line, nullptr, false);
    if (parsed.is_discarded()) return make_error(ErrorCode::kInvalidArgument, "expected JSON in UTF-8");
    return log_.registry.names.empty() || parsed.contains("protocol") ? take_header(parsed) : take_message(parsed);
  }

  LoggedConversations finish() {
    log_.is_open = check_ && !check_->is_over();
    return std::move(log_);
  }

 private:
  Status take_header(const json& line);
  Status take_message(const json& line);

  LoggedConversations log_;
  std::optional<ProtocolCheck> check_;  // of the request that goes on; none before the first
  uint64_t n_requests_ = 0;
};

Status LogReader::take_header(const json& line) {
  std::optional<Error> error;
  Fields fields(line, "", error);
  if (fields.text("protocol") != kProtocolName) fields.fail("protocol", fmt::format("\"{}\"", kProtocolName));
  const uint64_t version = fields.count("version");
  if (!error && (version < kOldestProtocolVersion || version > kProtocolVersion))
    return make_error(ErrorCode::kUnsupported, "version: expected {} to {}, found {}", kOldestProtocolVersion,
                      kProtocolVersion, version);
  if (check_ && !check_->is_over())
    return make_error(ErrorCode::kInvalidArgument, "protocol: may not come before the end of a request");
  std::vector<std::string> names;
  const json* members = fields.array("members");
  if (members != nullptr && members->size() <= kMostMembers)
    for (const json& member : *members) names.push_back(member.is_string() ? member.get<std::string>() : "");
  if (!are_members(names)) fields.fail("members", "\"assistant\", and other names of a-z, 0-9, _ and -, each once");
  // Specialists that have joined come behind those that were there.
  const std::vector<std::string>& before = log_.registry.names;
  if (names.size() <= before.size() || !std::equal(before.begin(), before.end(), names.begin()))
    fields.fail("members", "those of the header before, and more");
  std::string assistant(fields.some_text("assistant"));
  if (error) return *std::move(error);
  log_.registry.names = std::move(names);
  log_.registry.assistant_name = std::move(assistant);
  return {};
}

Status LogReader::take_message(const json& line) {
  std::optional<Error> error;
  Fields fields(line, "", error);
  const uint64_t expected_seq = log_.messages.size() + 1;
  if (fields.count("seq") != expected_seq) fields.fail("seq", fmt::format("{}", expected_seq));
  LoggedMessage logged;
  logged.ms = fields.number("ms", log_.messages.empty() ? 0 : log_.messages.back().ms, kMostMs);
  logged.conversation = fields.some_text("conversation");
  const bool is_request = fields.object("message").text("event") == "request";
  if (is_request) ++n_requests_;
  if (fields.count("request") != n_requests_) fields.fail("request", fmt::format("{}", n_requests_));
  if (!is_request && check_ && logged.conversation != log_.messages.back().conversation)
    fields.fail("conversation", "that of the request before it");
  if (error) return *std::move(error);

  const json& message = line["message"];
  if (is_request) {
    if (check_ && !check_->is_over())
      return make_error(ErrorCode::kInvalidArgument, "request may not come before the end of the one before");
    SAIN_ASSIGN_OR_RETURN(logged.message, parse_request(message));
    check_.emplace(log_.registry);
  } else {
    SAIN_ASSIGN_OR_RETURN(Event event, parse_event(message, log_.registry));
    if (!check_) return make_error(ErrorCode::kInvalidArgument, "message.event: expected request first");
    SAIN_RETURN_IF_ERROR(check_->check_next(event));
    logged.message = std::move(event);
  }
  log_.messages.push_back(std::move(logged));
  return {};
}

}  // namespace

Result<LoggedConversations> parse_protocol_log(std::string_view bytes, std::string_view name) {
  LogReader reader;
  size_t begin = 0, n_lines = 0;
  for (size_t end; (end = bytes.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
    ++n_lines;
    if (const Status taken = reader.take(bytes.substr(begin, end - begin)); !taken) {
      const bool is_other_version = taken.error().code == ErrorCode::kUnsupported;
      return make_error(is_other_version ? ErrorCode::kUnsupported : ErrorCode::kCorrupt, "{}:{}: {}", name, n_lines,
                        taken.error().message);
    }
  }
  if (n_lines == 0)
    return make_error(ErrorCode::kCorrupt, "{}:1: expected a line that begins a log of the protocol", name);
  LoggedConversations log = reader.finish();
  log.is_cut = begin < bytes.size();
  return log;
}

Result<LoggedConversations> read_protocol_log(const std::filesystem::path& file) {
  SAIN_ASSIGN_OR_RETURN(const formats::MappedFile mapped, formats::MappedFile::open(file));
  const auto* bytes = reinterpret_cast<const char*>(mapped.bytes().data());
  auto log = parse_protocol_log({bytes, mapped.bytes().size()}, file.string());
  SAIN_RETURN_IF_ERROR(mapped.status());
  return log;
}

}  // namespace sain::router
