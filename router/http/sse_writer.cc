#include "router/http/sse_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "router/protocol/message.h"

namespace sain::router {

void SseWriter::open() {
  if (is_open()) return;
  writer_.begin({.status = 200,
                 .content_type = "text/event-stream",
                 .body = std::exchange(waiting_, {}),
                 .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}});
}

void SseWriter::data(const nlohmann::ordered_json& json) {
  line(to_line(json));
}

void SseWriter::line(std::string_view data) {
  open();
  writer_.write(fmt::format("data: {}\n\n", data));
}

void SseWriter::event(std::string_view kind, const nlohmann::ordered_json& json) {
  open();
  writer_.write(fmt::format("event: {}\ndata: {}\n\n", kind, to_line(json)));
}

void SseWriter::comment(std::string_view line) {
  if (line.empty() || line == last_comment_) return;
  last_comment_ = line;
  std::string text = fmt::format(": {}\n\n", line);
  std::replace_if(
      text.begin(), text.end() - 2, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  if (is_open()) {
    writer_.write(text);
  } else {
    waiting_ += text;
  }
}

}  // namespace sain::router
