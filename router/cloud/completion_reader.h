// The body of a chat completion, streamed or whole, as it comes in.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "formats/result.h"
#include "router/cloud/chat_client.h"
#include "router/cloud/sse_parser.h"

namespace sain::router {

enum class BodyForm { kStream, kWhole };  // text/event-stream, or one JSON object

/// Adds what it reads to an answer. Messages do not repeat what the server has sent.
class CompletionReader {
 public:
  using OnText = std::function<void(std::string_view text)>;  // never empty

  /// `answer` must outlive it.
  CompletionReader(CloudAnswer& answer, size_t max_bytes, OnText on_text);

  /// Errors: kCorrupt (no chat completion), kIo (the server reports a failure), kResourceExhausted (too large).
  Status feed(std::string_view bytes, BodyForm form);

  /// At the end of the body. Errors: kIo where the answer is not complete; kCorrupt.
  Status finish(BodyForm form);

  /// Whether nothing more can come: the stream has said "[DONE]".
  bool is_done() const { return is_done_; }

 private:
  Status read(std::string_view json, const char* message_field);

  CloudAnswer& answer_;
  size_t max_bytes_;
  OnText on_text_;
  SseParser parser_;
  std::string whole_;
  bool is_done_ = false;
  bool is_finished_ = false;  // a finish_reason came
};

/// The server's own word for an error, such as "model_not_found", from the body of an error response: letters, digits,
/// '_' and '-', at most 48. Empty where there is none; messages are left out, since they may repeat what was sent.
std::string error_word(std::string_view body);

}  // namespace sain::router
