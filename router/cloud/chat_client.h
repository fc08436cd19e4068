// A client of servers that speak OpenAI's chat completions: for members that are not on this machine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "engine/session.h"
#include "formats/result.h"
#include "router/context_manager.h"

namespace sain::router {

struct CloudOptions {
  std::string url;           // of the endpoint, in full: "https://host/v1/chat/completions"
  std::string model;         // by the server's name
  std::string key_variable;  // the environment variable that holds the key; empty: none is sent
  uint32_t max_tokens = 512;
  float temperature = 0.7F;
  uint32_t connect_timeout_ms = 10'000;
  uint32_t idle_timeout_ms = 60'000;             // without any byte from the server
  size_t max_response_bytes = size_t{16} << 20;  // of a whole answer as it is sent
};

struct CloudAnswer {
  std::string text;
  engine::FinishReason finish_reason = engine::FinishReason::kStop;
  uint32_t prompt_tokens = 0;  // as the server counts; 0: it does not say
  uint32_t completion_tokens = 0;
  uint64_t sent_bytes = 0;  // of the body
  uint64_t received_bytes = 0;
  double first_token_ms = 0;
};

/// Errors: kInvalidArgument for a URL that is not https with a host, or http to this machine (localhost, 127.0.0.0/8,
/// ::1); or that holds a name or password.
Status check_cloud_url(const std::string& url);

/// The body that chat() sends, byte for byte: all that leaves this machine, beside the key and HTTP's own headers.
std::string cloud_request_body(std::span<const Message> messages, const CloudOptions& options);

/// Keeps connections open between answers. Used by one thread at a time.
class CloudClient {
 public:
  CloudClient();
  CloudClient(CloudClient&&) noexcept;
  CloudClient& operator=(CloudClient&&) noexcept;
  ~CloudClient();

  /// Sends `messages` and gives the text of the answer to `sink` as it comes. A stop request ends it within 100 ms and
  /// is no error: what came so far is the answer, with FinishReason::kCancelled. Redirections are not followed; a
  /// proxy of the environment (https_proxy) is used, but not to this machine. After an error, text that the sink got is
  /// void. Errors name the URL, without its query, and never the key:
  ///  - kInvalidArgument: the URL; the key's variable is not set; status 400, 401, 403, 413, 422.
  ///  - kNotFound: status 404. kResourceExhausted: status 429; a response that is too large.
  ///  - kIo: no connection, silence, a stream that breaks off, any other status but 200.
  ///  - kCorrupt: what came is no chat completion.
  Result<CloudAnswer> chat(std::span<const Message> messages, const CloudOptions& options, std::stop_token stop,
                           engine::TokenSink& sink);

 private:
  struct Connections;
  std::unique_ptr<Connections> connections_;
};

}  // namespace sain::router
