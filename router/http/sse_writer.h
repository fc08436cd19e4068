// A stream of server-sent events (WHATWG HTML, section 9.2) as the body of a response.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "router/http/http_message.h"

namespace sain::router {

/// The response begins with the first event, or where open() says so: until then a request may still fail with a status
/// of its own. Comments that come before wait for that.
class SseWriter {
 public:
  explicit SseWriter(ResponseWriter& writer) : writer_(writer) {}

  void open();
  bool is_open() const { return writer_.has_begun(); }

  void data(const nlohmann::ordered_json& json);
  void line(std::string_view data);  // one line of data that is no JSON
  /// With a line that says what kind of event it is.
  void event(std::string_view kind, const nlohmann::ordered_json& json);
  /// What clients pass over. Not twice in a row; nothing where the line is empty.
  void comment(std::string_view line);

 private:
  ResponseWriter& writer_;
  std::string waiting_;  // comments
  std::string last_comment_;
};

}  // namespace sain::router
