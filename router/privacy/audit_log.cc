#include "router/privacy/audit_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sodium/core.h>
#include <sodium/randombytes.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "router/folder_lock.h"

namespace sain::router {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::system_clock;
constexpr std::chrono::hours kMaxAge{24};  // of a file's first line, before it is put aside
constexpr std::string_view kStampForm = "00000000T000000.000Z";

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

Error failure(const fs::path& path, std::string_view what) {
  return make_error(ErrorCode::kIo, "{}: {}: {}", path.string(), what, std::strerror(errno));
}

bool is_opaque(std::string_view id) {
  const auto is_plain = [](unsigned char c) { return c < 0x80 && (std::isalnum(c) != 0 || c == '-' || c == '_'); };
  return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, is_plain);
}

/// UTC, in milliseconds: "2026-11-26T07:15:30.123Z".
std::string timestamp(Clock::time_point time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000);
}

/// As in a file's name: without dashes and colons. Such stamps sort as their times do.
std::string stamp(std::string_view timestamp) {
  std::string result;
  std::ranges::copy_if(timestamp, std::back_inserter(result), [](char c) { return c != '-' && c != ':'; });
  return result;
}

bool is_stamp(std::string_view text) {
  return std::ranges::equal(text, kStampForm, [](char c, char form) {
    return form == '0' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == form;
  });
}

std::string line_of(const AuditEntry& entry, Clock::time_point now) {
  std::string found;
  for (size_t kind = 0; kind < kPersonalDataKinds; ++kind) {
    if (entry.decision.counts[kind] == 0) continue;
    fmt::format_to(std::back_inserter(found), "{}\"{}\":{}", found.empty() ? "" : ",",
                   to_string(static_cast<PersonalDataKind>(kind)), entry.decision.counts[kind]);
  }
  return fmt::format(
      "{{\"time\":\"{}\",\"request\":\"{}\",\"conversation\":\"{}\",\"level\":\"{}\",\"member\":\"{}\","
      "\"decision\":\"{}\",\"kept_back\":{},\"found\":{{{}}},\"answered\":\"{}\",\"cloud_bytes\":{}}}\n",
      timestamp(now), entry.request_id, entry.conversation_id, to_string(entry.level), entry.member,
      to_string(entry.decision.place), entry.decision.is_kept_back, found, to_string(entry.answered),
      entry.cloud_bytes);
}

}  // namespace

std::string make_opaque_id() {
  SAIN_CHECK(sodium_init() >= 0);
  std::array<unsigned char, 16> bytes;
  randombytes_buf(bytes.data(), bytes.size());
  std::string id;
  for (const unsigned char byte : bytes) fmt::format_to(std::back_inserter(id), "{:02x}", byte);
  return id;
}

struct AuditLog::State {
  AuditLogOptions options;
  std::mutex mutex;
  fs::path folder = {};
  Descriptor file = {};

  // Under the mutex and the folder's lock:
  Status reopen();
  Result<std::string> first_stamp() const;
  Status put_aside_if_due();
  Status delete_expired() const;
  std::vector<fs::path> set_aside() const;
};

/// Opens the file anew if it is not the one by this name any more: another process has put it aside.
Status AuditLog::State::reopen() {
  struct stat by_name = {}, opened = {};
  const bool is_same = file.get() >= 0 && ::fstat(file.get(), &opened) == 0 &&
                       ::stat(options.file.c_str(), &by_name) == 0 && by_name.st_ino == opened.st_ino &&
                       by_name.st_dev == opened.st_dev;
  if (is_same) return {};
  file =
      Descriptor(::open(options.file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (file.get() < 0 || ::fstat(file.get(), &opened) != 0)
    return failure(options.file, "the audit log cannot be opened");
  if (!S_ISREG(opened.st_mode)) {
    return make_error(ErrorCode::kIo, "{}: expected a regular file for the audit log", options.file.string());
  }
  if (::fchmod(file.get(), 0600) != 0) return failure(options.file, "permissions 0600 cannot be set");
  return {};
}

/// The time of the file's first line; empty when there is none.
Result<std::string> AuditLog::State::first_stamp() const {
  constexpr std::string_view kBefore = R"({"time":")";
  constexpr size_t kSize = std::string_view("2026-11-26T07:15:30.123Z").size();
  char buffer[kBefore.size() + kSize];
  const ssize_t n = ::pread(file.get(), buffer, sizeof buffer, 0);
  if (n < 0) return failure(options.file, "cannot be read");
  if (n == 0) return std::string();
  const std::string first =
      stamp(std::string_view(buffer, static_cast<size_t>(n)).substr(std::min<size_t>(kBefore.size(), n)));
  if (!is_stamp(first)) return make_error(ErrorCode::kIo, "{}: is no audit log", options.file.string());
  return first;
}

Status AuditLog::State::put_aside_if_due() {
  SAIN_ASSIGN_OR_RETURN(const std::string first, first_stamp());
  if (first.empty()) return {};
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return failure(options.file, "cannot be read");
  const bool is_large = static_cast<uint64_t>(status.st_size) >= options.max_bytes;
  if (!is_large && first > stamp(timestamp(options.now() - kMaxAge))) return {};
  fs::path aside = options.file;
  aside += "." + first;
  if (::link(options.file.c_str(), aside.c_str()) != 0) {  // unlike rename(2), overwrites nothing
    return errno == EEXIST ? Status() : Status(failure(aside, "cannot be put aside"));
  }
  if (::unlink(options.file.c_str()) != 0) return failure(options.file, "cannot be put aside");
  return reopen();
}

std::vector<fs::path> AuditLog::State::set_aside() const {
  const std::string prefix = options.file.filename().string() + ".";
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(options.file.parent_path().empty() ? "." : options.file.parent_path(), error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix) && is_stamp(std::string_view(name).substr(prefix.size())))
      paths.push_back(entry->path());
  }
  return paths;
}

Status AuditLog::State::delete_expired() const {
  const std::string oldest = stamp(timestamp(options.now() - options.retention));
  for (const fs::path& path : set_aside()) {
    const std::string name = path.string();
    if (name.substr(name.size() - kStampForm.size()) >= oldest) continue;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failure(path, "cannot be deleted");
  }
  return {};
}

AuditLog::AuditLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
AuditLog::AuditLog(AuditLog&&) noexcept = default;
AuditLog& AuditLog::operator=(AuditLog&&) noexcept = default;
AuditLog::~AuditLog() = default;

Result<AuditLog> AuditLog::open(AuditLogOptions options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  const fs::path folder = state->options.file.parent_path().empty() ? "." : state->options.file.parent_path();
  state->folder = folder;
  SAIN_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::take(folder));
  SAIN_RETURN_IF_ERROR(state->reopen());
  SAIN_ASSIGN_OR_RETURN(const std::string first, state->first_stamp());
  return AuditLog(std::move(state));
}

Status AuditLog::append(const AuditEntry& entry) {
  for (const std::string* id : {&entry.request_id, &entry.conversation_id, &entry.member}) {
    if (!is_opaque(*id)) {
      return make_error(ErrorCode::kInvalidArgument,
                        "audit log: expected an identifier of 1 to 64 letters, digits, - and _");
    }
  }
  State& state = *state_;
  const std::lock_guard guard(state.mutex);
  SAIN_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::take(state.folder));
  SAIN_RETURN_IF_ERROR(state.reopen());
  SAIN_RETURN_IF_ERROR(state.put_aside_if_due());
  SAIN_RETURN_IF_ERROR(state.delete_expired());

  const off_t before = ::lseek(state.file.get(), 0, SEEK_END);
  const std::string line = line_of(entry, state.options.now());
  ssize_t n = 0;
  while ((n = ::write(state.file.get(), line.data(), line.size())) < 0 && errno == EINTR) {
  }
  const bool goes_out = entry.answered == AnswerPlace::kCloud || entry.cloud_bytes > 0;
  const bool is_whole = n == static_cast<ssize_t>(line.size()) && (!goes_out || ::fdatasync(state.file.get()) == 0);
  if (is_whole) return {};
  if (n >= 0 && n < static_cast<ssize_t>(line.size())) errno = ENOSPC;  // a write is cut short by nothing else
  const Error error = failure(state.options.file, "the line cannot be written");
  if (n > 0 && ::ftruncate(state.file.get(), before) != 0) return failure(state.options.file, "holds a part of a line");
  return error;
}

Status AuditLog::prune() {
  const std::lock_guard guard(state_->mutex);
  SAIN_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::take(state_->folder));
  SAIN_RETURN_IF_ERROR(state_->reopen());
  SAIN_RETURN_IF_ERROR(state_->put_aside_if_due());
  return state_->delete_expired();
}

Status AuditLog::erase() {
  const std::lock_guard guard(state_->mutex);
  SAIN_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::take(state_->folder));
  for (const fs::path& path : state_->set_aside()) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failure(path, "cannot be deleted");
  }
  SAIN_RETURN_IF_ERROR(state_->reopen());
  if (::ftruncate(state_->file.get(), 0) != 0) return failure(state_->options.file, "cannot be emptied");
  return {};
}

}  // namespace sain::router
