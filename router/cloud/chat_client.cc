#include "router/cloud/chat_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "router/cloud/completion_reader.h"

namespace sain::router {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMaxErrorBytes = size_t{64} << 10;  // of an error response, as far as it is read
constexpr int kPollMs = 1000;                        // a stop request and data wake it up before
constexpr uint32_t kEndMs = 20;                      // from "[DONE]" to the end: then the connection serves again

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct UrlParts {
  std::string scheme, host, shown;  // shown: without user, query and fragment
  bool is_loopback = false;
};

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
  const std::string copy = text;
  curl_free(text);
  return copy;
}

Result<UrlParts> parse_url(const std::string& text) {
  const std::unique_ptr<CURLU, FreeUrl> url(curl_url());
  if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return make_error(ErrorCode::kInvalidArgument, "expected the https URL of a chat completions endpoint");
  }
  const bool has_user = !part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty();
  UrlParts parts = {.scheme = part(url.get(), CURLUPART_SCHEME), .host = part(url.get(), CURLUPART_HOST), .shown = {}};
  for (const CURLUPart hidden : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    curl_url_set(url.get(), hidden, nullptr, 0);
  }
  parts.shown = part(url.get(), CURLUPART_URL);
  // curl has turned 127.1 and 0x7f.1 into four numbers.
  const bool is_127 =
      parts.host.starts_with("127.") && parts.host.find_first_not_of("0123456789.") == std::string::npos;
  parts.is_loopback = is_127 || parts.host == "localhost" || parts.host == "[::1]";
  if (has_user) {
    return make_error(ErrorCode::kInvalidArgument, "{}: a URL must hold no name or password", parts.shown);
  }
  if (parts.scheme != "https" && !(parts.scheme == "http" && parts.is_loopback)) {
    return make_error(ErrorCode::kInvalidArgument, "{}: expected https, or http to this machine; found {}", parts.shown,
                      parts.scheme);
  }
  return parts;
}

/// The key, or nothing where no variable is named. Errors: kInvalidArgument (not set, or no key by its form).
Result<std::string> read_key(const std::string& variable) {
  if (variable.empty()) return std::string();
  const char* const key = std::getenv(variable.c_str());
  if (key == nullptr || *key == '\0') {
    return make_error(ErrorCode::kInvalidArgument, "the environment variable {}, for the key, is not set", variable);
  }
  const std::string_view text = key;
  if (std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; })) return std::string(text);
  return make_error(ErrorCode::kInvalidArgument, "the environment variable {} holds characters that no key has",
                    variable);
}

ErrorCode code_of_status(long status) {
  switch (status) {
    case 400:
    case 401:
    case 403:
    case 413:
    case 422:
      return ErrorCode::kInvalidArgument;
    case 404:
      return ErrorCode::kNotFound;
    case 429:
      return ErrorCode::kResourceExhausted;
    default:
      return ErrorCode::kIo;
  }
}

void initialise_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

/// One exchange: what curl's callbacks fill, and what went wrong in them.
struct Exchange {
  CURL* easy = nullptr;
  CloudAnswer answer = {};
  std::optional<CompletionReader> reader = {};
  std::optional<BodyForm> form = {};  // once the first byte came
  std::string error_body = {};        // of a status other than 200
  Clock::time_point last_byte = Clock::now();
  Status status = {};

  long http_status() const {
    long value = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &value);
    return value;
  }

  Status take(std::string_view bytes) {
    if (http_status() != 200) {
      error_body += bytes.substr(0, kMaxErrorBytes - std::min(kMaxErrorBytes, error_body.size()));
      if (error_body.size() < kMaxErrorBytes) return {};
      return make_error(ErrorCode::kIo, "");  // enough of it; the HTTP status is what counts
    }
    if (!form) {
      const char* type = nullptr;
      curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
      const bool is_stream = type != nullptr && std::string_view(type).starts_with("text/event-stream");
      form = is_stream ? BodyForm::kStream : BodyForm::kWhole;
    }
    return reader->feed(bytes, *form);
  }

  static size_t on_bytes(char* bytes, size_t, size_t n, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    exchange.last_byte = Clock::now();
    exchange.status = exchange.take({bytes, n});
    return exchange.status ? n : CURL_WRITEFUNC_ERROR;
  }
};

Error at_url(const std::string& url, const Error& error) {
  return make_error(error.code, "{}: {}", url, error.message);
}

/// What the exchange came to, once curl is done with it.
Status outcome(Exchange& exchange, CURLcode code) {
  const long status = exchange.http_status();
  if (status >= 300 && status < 400) {
    return make_error(ErrorCode::kIo, "HTTP status {}: a redirection, which is not followed", status);
  }
  if (status != 200 && status != 0) {
    const std::string word = error_word(exchange.error_body);
    return make_error(code_of_status(status), "HTTP status {}{}{}", status, word.empty() ? "" : ": ", word);
  }
  if (!exchange.status) return exchange.status;
  if (code != CURLE_OK && !exchange.reader->is_done()) {
    return make_error(ErrorCode::kIo, "{}{}", curl_easy_strerror(code),
                      status == 200 ? fmt::format(", after {} bytes", exchange.answer.received_bytes) : "");
  }
  return exchange.reader->finish(exchange.form.value_or(BodyForm::kStream));
}

}  // namespace

struct CloudClient::Connections {
  std::unique_ptr<CURLM, FreeMulti> multi{curl_multi_init()};

  /// Runs `exchange` to its end, or to a stop request; the latter is told by CURLE_ABORTED_BY_CALLBACK.
  Result<CURLcode> run(Exchange& exchange, const CloudOptions& options, const std::stop_token& stop) {
    CURL* const easy = exchange.easy;
    if (!multi || curl_multi_add_handle(multi.get(), easy) != CURLM_OK) {
      return make_error(ErrorCode::kInternal, "no exchange can be started");
    }
    const std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi.get()); });
    Result<CURLcode> result = poll(exchange, options, stop);
    curl_multi_remove_handle(multi.get(), easy);
    return result;
  }

 private:
  Result<CURLcode> poll(Exchange& exchange, const CloudOptions& options, const std::stop_token& stop) {
    for (exchange.last_byte = Clock::now();;) {
      if (stop.stop_requested()) return CURLE_ABORTED_BY_CALLBACK;
      int n_running = 0, n_messages = 0;
      if (curl_multi_perform(multi.get(), &n_running) != CURLM_OK) break;
      while (const CURLMsg* message = curl_multi_info_read(multi.get(), &n_messages)) {
        if (message->msg == CURLMSG_DONE && message->easy_handle == exchange.easy) return message->data.result;
      }
      const bool is_done = exchange.reader->is_done();
      const std::chrono::milliseconds patience(is_done ? kEndMs : options.idle_timeout_ms);
      const auto idle = Clock::now() - exchange.last_byte;
      if (idle >= patience) {
        if (is_done) return CURLE_OK;
        return make_error(ErrorCode::kIo, "the server is silent for {} ms, after {} bytes", options.idle_timeout_ms,
                          exchange.answer.received_bytes);
      }
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience - idle).count();
      const int wait_ms = static_cast<int>(std::min<int64_t>(kPollMs, left));
      if (curl_multi_poll(multi.get(), nullptr, 0, wait_ms, nullptr) != CURLM_OK) break;
    }
    return make_error(ErrorCode::kInternal, "the exchange cannot go on");
  }
};

Status check_cloud_url(const std::string& url) {
  SAIN_RETURN_IF_ERROR(parse_url(url));
  return {};
}

std::string cloud_request_body(std::span<const Message> messages, const CloudOptions& options) {
  nlohmann::ordered_json body = {{"model", options.model},
                                 {"messages", nlohmann::ordered_json::array()},
                                 {"max_tokens", options.max_tokens},
                                 {"temperature", options.temperature},
                                 {"stream", true},
                                 {"stream_options", {{"include_usage", true}}}};
  for (const Message& message : messages) {
    body["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

CloudClient::CloudClient() {
  initialise_curl();
  connections_ = std::make_unique<Connections>();
}
CloudClient::CloudClient(CloudClient&&) noexcept = default;
CloudClient& CloudClient::operator=(CloudClient&&) noexcept = default;
CloudClient::~CloudClient() = default;

Result<CloudAnswer> CloudClient::chat(std::span<const Message> messages, const CloudOptions& options,
                                      std::stop_token stop, engine::TokenSink& sink) {
  SAIN_ASSIGN_OR_RETURN(const UrlParts url, parse_url(options.url));
  auto key = read_key(options.key_variable);
  if (!key) return at_url(url.shown, key.error());
  const std::string body = cloud_request_body(messages, options);
  const std::unique_ptr<CURL, FreeEasy> easy(curl_easy_init());
  if (!easy) return make_error(ErrorCode::kInternal, "{}: no exchange can be started", url.shown);

  const auto start = Clock::now();
  Exchange exchange = {.easy = easy.get()};
  exchange.answer.sent_bytes = body.size();
  exchange.reader.emplace(exchange.answer, options.max_response_bytes, [&](std::string_view text) {
    if (exchange.answer.first_token_ms == 0) {
      exchange.answer.first_token_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    }
    sink.on_text(text);
  });

  curl_slist* list = nullptr;
  for (const char* header : {"Content-Type: application/json", "Accept: text/event-stream", "Expect:"}) {
    list = curl_slist_append(list, header);
  }
  if (!key->empty()) list = curl_slist_append(list, ("Authorization: Bearer " + *key).c_str());
  const std::unique_ptr<curl_slist, FreeList> headers(list);
  const auto set = [&easy](CURLoption option, auto value) { curl_easy_setopt(easy.get(), option, value); };
  set(CURLOPT_URL, options.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, url.scheme.c_str());
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_FOLLOWLOCATION, 0L);
  if (url.is_loopback) set(CURLOPT_PROXY, "");
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(CURLOPT_POSTFIELDS, body.c_str());
  set(CURLOPT_WRITEFUNCTION, &Exchange::on_bytes);
  set(CURLOPT_WRITEDATA, &exchange);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a stop request does not wait for a name to be resolved

  const Result<CURLcode> code = connections_->run(exchange, options, stop);
  if (code && *code == CURLE_ABORTED_BY_CALLBACK) {
    exchange.answer.finish_reason = engine::FinishReason::kCancelled;
    return std::move(exchange.answer);
  }
  Status status = code ? outcome(exchange, *code) : Status(code.error());
  if (status) return std::move(exchange.answer);
  Error error = at_url(url.shown, status.error());
  // A server may send the key back as its word for an error.
  for (size_t at; !key->empty() && (at = error.message.find(*key)) != std::string::npos;) {
    error.message.replace(at, key->size(), "...");
  }
  return error;
}

}  // namespace sain::router
