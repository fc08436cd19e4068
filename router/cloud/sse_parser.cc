#include "router/cloud/sse_parser.h"

#include <algorithm>
#include <utility>

namespace sain::router {

Status SseParser::feed(std::string_view bytes, const OnData& on_data) {
  while (!bytes.empty()) {
    if (std::exchange(after_return_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    if (line_.size() + end > max_bytes_) {
      return make_error(ErrorCode::kResourceExhausted, "a line of the stream has more than {} bytes", max_bytes_);
    }
    line_ += bytes.substr(0, end);
    if (end == bytes.size()) return {};
    after_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    SAIN_RETURN_IF_ERROR(end_line(on_data));
  }
  return {};
}

Status SseParser::end_line(const OnData& on_data) {
  std::string_view line = line_;
  if (std::exchange(is_first_line_, false) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  Status status;
  if (line.empty()) {
    if (has_data_) status = on_data(data_);
    data_.clear();
    has_data_ = false;
  } else if (const size_t colon = line.find(':'); line.substr(0, colon) == "data") {
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    status = append(value);
  }
  line_.clear();
  return status;
}

Status SseParser::append(std::string_view part) {
  if (data_.size() + part.size() + 1 > max_bytes_) {
    return make_error(ErrorCode::kResourceExhausted, "an event of the stream has more than {} bytes", max_bytes_);
  }
  if (std::exchange(has_data_, true)) data_ += '\n';
  data_ += part;
  return {};
}

}  // namespace sain::router
