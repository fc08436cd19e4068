// Server-sent events: the stream in which chat servers answer (WHATWG HTML, section 9.2.6).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "formats/result.h"

namespace sain::router {

/// Takes a stream in pieces of any size, and gives the data of its events. Fields other than `data` are skipped. An
/// event that the stream ends within is none.
class SseParser {
 public:
  using OnData = std::function<Status(std::string_view data)>;

  /// `max_bytes`: the most that one event's data, or one line, may have.
  explicit SseParser(size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Calls `on_data` for each event that `bytes` completes, with its lines of data joined by newlines. Events without
  /// data are skipped. Errors: kResourceExhausted (an event is too large); those of `on_data`. Not to be used after
  /// one.
  Status feed(std::string_view bytes, const OnData& on_data);

 private:
  Status append(std::string_view part);
  Status end_line(const OnData& on_data);

  size_t max_bytes_;
  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;  // a newline next belongs to the line before
  bool is_first_line_ = true;  // which may begin with a byte order mark
};

}  // namespace sain::router
