#include "router/protocol/protocol_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <utility>

namespace sain::router {

using nlohmann::ordered_json;

Result<std::unique_ptr<ProtocolLog>> ProtocolLog::create(const std::filesystem::path& file,
                                                         const RegistrySnapshot& registry,
                                                         std::function<void(const Error&)> on_failure) {
  // Never over another log.
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0)
    return make_error(ErrorCode::kIo, "{}: the log cannot be created: {}", file.string(), std::strerror(errno));
  std::unique_ptr<ProtocolLog> log(new ProtocolLog(file, fd, std::move(on_failure)));
  SAIN_RETURN_IF_ERROR(log->write_header(registry));
  return log;
}

Status ProtocolLog::write_header(const RegistrySnapshot& registry) {
  members_ = registry.names;
  return write_line({{"protocol", kProtocolName},
                     {"version", kProtocolVersion},
                     {"members", registry.names},
                     {"assistant", registry.assistant_name},
                     {"started", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))}});
}

ProtocolLog::~ProtocolLog() {
  if (fd_ >= 0) ::close(fd_);
}

void ProtocolLog::begin(std::string_view conversation, const RequestMessage& request,
                        const RegistrySnapshot& registry) {
  registry_ = &registry;
  if (fd_ >= 0 && registry.names != members_) end(write_header(registry));
  conversation_ = conversation;
  ++n_requests_;
  write_message(to_json(request));
}

void ProtocolLog::on_event(const Event& event) {
  if (fd_ >= 0) write_message(to_json(event, *registry_));
}

void ProtocolLog::write_message(const ordered_json& message) {
  if (fd_ < 0) return;
  const std::chrono::duration<double, std::milli> since_start = std::chrono::steady_clock::now() - start_;
  end(write_line({{"seq", ++n_messages_},
                  {"ms", std::round(since_start.count() * 1000) / 1000},
                  {"conversation", conversation_},
                  {"request", n_requests_},
                  {"message", message}}));
}

/// Nothing more is written after what could not be.
void ProtocolLog::end(const Status& written) {
  if (written) return;
  ::close(std::exchange(fd_, -1));
  on_failure_(written.error());
}

/// What is left of a line that did not fit is what a crash would leave too: readers expect it.
Status ProtocolLog::write_line(const ordered_json& json) const {
  const std::string line = to_line(json) + "\n";
  ssize_t n = 0;
  while ((n = ::write(fd_, line.data(), line.size())) < 0 && errno == EINTR) {
  }
  if (n == static_cast<ssize_t>(line.size())) return {};
  if (n >= 0) errno = ENOSPC;  // a write to a file is cut short by nothing else
  return make_error(ErrorCode::kIo, "{}: the log ends here: {}", file_.string(), std::strerror(errno));
}

}  // namespace sain::router
