#include "router/http/api.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "router/config.h"
#include "router/http/anthropic.h"
#include "router/http/conversations.h"
#include "router/http/embeddings.h"
#include "router/http/event_socket.h"
#include "router/http/models.h"
#include "router/http/ollama.h"
#include "router/http/openai_chat.h"
#include "router/http/openai_completions.h"
#include "router/http/openai_responses.h"
#include "router/http/page.h"

namespace sain::router {
namespace {

/// Adds headers to whatever is sent.
class HeaderWriter : public ResponseWriter {
 public:
  HeaderWriter(ResponseWriter& next, std::vector<std::pair<std::string, std::string>> headers)
      : next_(next), headers_(std::move(headers)) {}
  void send(const HttpResponse& response) override { next_.send(with_headers(response)); }
  void begin(const HttpResponse& head) override { next_.begin(with_headers(head)); }
  bool write(std::string_view piece) override { return next_.write(piece); }
  MessageChannel* accept_websocket() override { return next_.accept_websocket(); }
  bool has_begun() const override { return next_.has_begun(); }
  std::stop_token left() const override { return next_.left(); }

 private:
  HttpResponse with_headers(HttpResponse response) const {
    response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
    return response;
  }

  ResponseWriter& next_;
  std::vector<std::pair<std::string, std::string>> headers_;
};

/// What an endpoint is given. `backend` is there, but for those that need none.
struct Call {
  const HttpRequest& request;
  ResponseWriter& writer;
  const ChatBackend* backend;
  const TakePlace& take_place;
};

enum class Needs {
  kNothing,  // neither a key nor a model
  kKey,
  kModel,   // and a key
  kPlace,   // a model, a key and one of the places for answers
  kSocket,  // a model, a key and one of the places for WebSockets
};

struct Endpoint {
  std::string_view path;    // one that ends in a slash is all that begin so, but for "/" itself
  std::string_view method;  // GET is HEAD too
  ApiStyle style;
  Needs needs;
  Status (*answer)(const Call& call);
};

constexpr const char* kNotReady = "the assistant is not ready yet";

Status health(const Call& call) {
  if (call.backend == nullptr) {
    call.writer.send(error_response({503, kNotReady}));
  } else {
    call.writer.send({.body = "{\"status\":\"ok\"}\n"});
  }
  return {};
}

Status metrics(const Call& call) {
  call.writer.send({.content_type = "text/plain; version=0.0.4", .body = call.backend->metrics()});
  return {};
}

Status status(const Call& call) {
  call.writer.send({.body = call.backend->status() + "\n"});
  return {};
}

Status openapi(const Call& call) {
  SAIN_ASSIGN_OR_RETURN(std::string document, read_built_in_file("openapi.json"));
  call.writer.send({.body = std::move(document)});
  return {};
}

Status models(const Call& call) {
  return answer_models(*call.backend->team(), call.writer);
}

constexpr std::string_view kModel = "/v1/models/";

Status model(const Call& call) {
  return answer_model(std::string_view(call.request.path).substr(kModel.size()), *call.backend->team(), call.writer);
}

Status openai_chat(const Call& call) {
  return answer_openai_chat(call.request, *call.backend->team(), call.writer);
}

Status openai_completion(const Call& call) {
  return answer_openai_completion(call.request, *call.backend->team(), call.writer);
}

Status openai_response(const Call& call) {
  return answer_openai_response(call.request, *call.backend->team(), call.writer);
}

Status embeddings(const Call& call) {
  return answer_embeddings(call.request, *call.backend, call.writer);
}

Status event_socket(const Call& call) {
  return answer_event_socket(*call.backend, call.take_place, call.writer);
}

Status anthropic(const Call& call) {
  return answer_anthropic(call.request, *call.backend->team(), call.writer);
}

Status anthropic_tokens(const Call& call) {
  return count_anthropic_tokens(call.request, *call.backend->team(), call.writer);
}

Status ollama_chat(const Call& call) {
  return answer_ollama(call.request, OllamaUse::kChat, *call.backend->team(), call.writer);
}

Status ollama_generate(const Call& call) {
  return answer_ollama(call.request, OllamaUse::kGenerate, *call.backend->team(), call.writer);
}

Status ollama_tags(const Call& call) {
  return answer_ollama_tags(*call.backend->team(), call.writer);
}

Status ollama_version(const Call& call) {
  return answer_ollama_version(call.writer);
}

Status conversations(const Call& call) {
  if (call.backend->conversations == nullptr)
    return make_error(ErrorCode::kUnsupported, "this server keeps no conversations");
  return call.backend->conversations->answer(call.request, *call.backend, call.writer);
}

Status page(const Call& call) {
  answer_page(call.request.path, call.writer);
  return {};
}

constexpr std::string_view kConversations = "/v1/conversations", kConversation = "/v1/conversations/";

constexpr std::array kEndpoints = {
    Endpoint{"/", "GET", ApiStyle::kOpenAi, Needs::kNothing, page},
    Endpoint{"/page/", "GET", ApiStyle::kOpenAi, Needs::kNothing, page},
    Endpoint{"/health", "GET", ApiStyle::kOpenAi, Needs::kNothing, health},
    Endpoint{"/ready", "GET", ApiStyle::kOpenAi, Needs::kNothing, health},
    Endpoint{"/openapi.json", "GET", ApiStyle::kOpenAi, Needs::kNothing, openapi},
    Endpoint{"/metrics", "GET", ApiStyle::kOpenAi, Needs::kModel, metrics},
    Endpoint{"/v1/status", "GET", ApiStyle::kOpenAi, Needs::kModel, status},
    Endpoint{"/v1/models", "GET", ApiStyle::kOpenAi, Needs::kModel, models},
    Endpoint{kModel, "GET", ApiStyle::kOpenAi, Needs::kModel, model},
    Endpoint{"/v1/chat/completions", "POST", ApiStyle::kOpenAi, Needs::kPlace, openai_chat},
    Endpoint{"/v1/completions", "POST", ApiStyle::kOpenAi, Needs::kPlace, openai_completion},
    Endpoint{"/v1/responses", "POST", ApiStyle::kOpenAi, Needs::kPlace, openai_response},
    Endpoint{"/v1/embeddings", "POST", ApiStyle::kOpenAi, Needs::kPlace, embeddings},
    Endpoint{"/v1/ws", "GET", ApiStyle::kOpenAi, Needs::kSocket, event_socket},
    Endpoint{kConversations, "GET", ApiStyle::kOpenAi, Needs::kModel, conversations},
    Endpoint{kConversations, "POST", ApiStyle::kOpenAi, Needs::kModel, conversations},
    Endpoint{kConversation, "GET", ApiStyle::kOpenAi, Needs::kModel, conversations},
    Endpoint{kConversation, "POST", ApiStyle::kOpenAi, Needs::kPlace, conversations},
    Endpoint{kConversation, "PUT", ApiStyle::kOpenAi, Needs::kModel, conversations},
    Endpoint{kConversation, "PATCH", ApiStyle::kOpenAi, Needs::kModel, conversations},
    Endpoint{kConversation, "DELETE", ApiStyle::kOpenAi, Needs::kModel, conversations},
    Endpoint{"/v1/messages", "POST", ApiStyle::kAnthropic, Needs::kPlace, anthropic},
    Endpoint{"/v1/messages/count_tokens", "POST", ApiStyle::kAnthropic, Needs::kPlace, anthropic_tokens},
    Endpoint{"/api/chat", "POST", ApiStyle::kOllama, Needs::kPlace, ollama_chat},
    Endpoint{"/api/generate", "POST", ApiStyle::kOllama, Needs::kPlace, ollama_generate},
    Endpoint{"/api/tags", "GET", ApiStyle::kOllama, Needs::kModel, ollama_tags},
    Endpoint{"/api/version", "GET", ApiStyle::kOllama, Needs::kNothing, ollama_version},
};

/// Counts the tokens of a client.
class CountingTeam : public ChatTeam {
 public:
  CountingTeam(std::shared_ptr<ChatTeam> team, RateLimiter& limiter, size_t client)
      : team_(std::move(team)), limiter_(limiter), client_(client) {}
  const RegistrySnapshot& members() const override { return team_->members(); }
  Status handle(Conversation& conversation, std::string_view request, const RequestOptions& options,
                const EventSink& sink, std::stop_token stop) override {
    const auto count = [&](const Event& event) {
      if (const auto* handoff = std::get_if<HandoffEvent>(&event)) limiter_.count_tokens(client_, handoff->n_tokens);
      if (const auto* done = std::get_if<DoneEvent>(&event)) limiter_.count_tokens(client_, done->n_tokens);
      sink(event);
    };
    return team_->handle(conversation, request, options, count, std::move(stop));
  }
  Result<size_t> count_tokens(SpecialistId member, const Conversation& conversation, std::string_view request,
                              const AnswerOptions& options, std::stop_token stop) override {
    return team_->count_tokens(member, conversation, request, options, std::move(stop));
  }

 private:
  std::shared_ptr<ChatTeam> team_;
  RateLimiter& limiter_;
  size_t client_;
};

/// Takes a place, which `place` keeps. False: there is none. A client that has just read the end of an answer may be
/// back before its place is free.
bool take(std::counting_semaphore<>& places, std::shared_ptr<void>& place) {
  constexpr std::chrono::milliseconds kMoment{50};
  if (!places.try_acquire_for(kMoment)) return false;
  place = std::shared_ptr<void>(&places, [](std::counting_semaphore<>* taken) { taken->release(); });
  return true;
}

}  // namespace

Api::Api(ApiOptions options)
    : options_(std::move(options)),
      free_places_(options_.max_running),
      limiter_(options_.limits, std::max(size_t{1}, options_.access.keys.size())) {}

void Api::open(ChatBackend backend) {
  const std::lock_guard lock(mutex_);
  backend_ = std::make_shared<const ChatBackend>(std::move(backend));
}

std::shared_ptr<const ChatBackend> Api::backend() const {
  const std::lock_guard lock(mutex_);
  return backend_;
}

void Api::handle(const HttpRequest& request, ResponseWriter& writer) {
  if (const auto refused = check_host_and_origin(request, options_.access))
    return writer.send(error_response(*refused));
  HeaderWriter with_headers(writer, cors_headers(request, options_.access));
  answer(request, with_headers);
}

std::optional<ApiError> Api::take_place(size_t client, std::shared_ptr<void>& place) {
  if (const uint32_t seconds = limiter_.admit(client))
    return ApiError{.status = 429,
                    .message = fmt::format("that was too much for a minute: try again in {} s", seconds),
                    .code = "rate_limit_exceeded",
                    .retry_after_s = seconds};
  if (!take(free_places_, place)) return ApiError{429, "as many requests as may be are being answered: try again"};
  return std::nullopt;
}

void Api::answer(const HttpRequest& request, ResponseWriter& writer) {
  const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : request.method;
  const Endpoint* endpoint = nullptr;
  std::string allowed;  // methods of this path
  for (const Endpoint& known : kEndpoints) {
    const bool is_it = known.path.ends_with('/') && known.path.size() > 1 ? request.path.starts_with(known.path)
                                                                          : request.path == known.path;
    if (!is_it) continue;
    allowed += fmt::format("{}{}, ", known.method, known.method == "GET" ? ", HEAD" : "");
    if (known.method == method) endpoint = &known;
  }
  if (allowed.empty()) return writer.send(error_response({404, fmt::format("there is no {}", request.path)}));
  allowed += "OPTIONS";
  if (method == "OPTIONS") return writer.send({.status = 204, .content_type = {}, .headers = {{"Allow", allowed}}});
  if (endpoint == nullptr) {
    HttpResponse refused =
        error_response({405, fmt::format("{}: expected {}, found {}", request.path, allowed, method)});
    refused.headers.push_back({"Allow", allowed});
    return writer.send(refused);
  }
  const ApiStyle style = endpoint->style;
  size_t client = 0;
  if (endpoint->needs != Needs::kNothing)
    if (const auto refused = check_key(request, options_.access.keys, client))
      return writer.send(error_response(*refused, style));
  std::shared_ptr<const ChatBackend> backend = this->backend();
  if (endpoint->needs >= Needs::kModel && backend == nullptr)
    return writer.send(error_response({503, kNotReady}, style));
  if (backend != nullptr && limiter_.counts_tokens()) {
    auto counting = std::make_shared<ChatBackend>(*backend);
    counting->team = [this, backend, client] {
      return std::make_shared<CountingTeam>(backend->team(), limiter_, client);
    };
    backend = std::move(counting);
  }
  const auto take_place = [&](std::shared_ptr<void>& place) { return this->take_place(client, place); };
  std::shared_ptr<void> place;
  if (endpoint->needs == Needs::kPlace)
    if (const auto refused = take_place(place)) return writer.send(error_response(*refused, style));
  if (endpoint->needs == Needs::kSocket && !take(free_sockets_, place))
    return writer.send(error_response({429, "as many WebSockets as may be are open: try again"}, style));
  const Status answered = endpoint->answer({request, writer, backend.get(), take_place});
  if (!answered && !writer.has_begun()) writer.send(error_response(api_error(answered.error()), style));
}

}  // namespace sain::router
