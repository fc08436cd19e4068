#include "router/http/api.h"

#include <array>
#include <utility>

#include "router/config.h"
#include "router/http/anthropic.h"
#include "router/http/embeddings.h"
#include "router/http/models.h"
#include "router/http/ollama.h"
#include "router/http/openai_chat.h"
#include "router/http/openai_completions.h"
#include "router/http/openai_responses.h"

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
};

enum class Needs {
  kNothing,  // neither a key nor a model
  kKey,
  kModel,  // and a key
  kPlace,  // a model, a key and one of the places for answers
};

struct Endpoint {
  std::string_view path;    // one that ends in a slash is all that begin so
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

constexpr std::array kEndpoints = {
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
    Endpoint{"/v1/messages", "POST", ApiStyle::kAnthropic, Needs::kPlace, anthropic},
    Endpoint{"/v1/messages/count_tokens", "POST", ApiStyle::kAnthropic, Needs::kPlace, anthropic_tokens},
    Endpoint{"/api/chat", "POST", ApiStyle::kOllama, Needs::kPlace, ollama_chat},
    Endpoint{"/api/generate", "POST", ApiStyle::kOllama, Needs::kPlace, ollama_generate},
    Endpoint{"/api/tags", "GET", ApiStyle::kOllama, Needs::kModel, ollama_tags},
    Endpoint{"/api/version", "GET", ApiStyle::kOllama, Needs::kNothing, ollama_version},
};

/// Gives a place back.
class Place {
 public:
  explicit Place(std::counting_semaphore<>& places) : places_(places) {}
  ~Place() { places_.release(); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::counting_semaphore<>& places_;
};

}  // namespace

Api::Api(ApiOptions options) : options_(std::move(options)), free_places_(options_.max_running) {}

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

void Api::answer(const HttpRequest& request, ResponseWriter& writer) {
  const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : request.method;
  const Endpoint* endpoint = nullptr;
  std::string allowed;  // methods of this path
  for (const Endpoint& known : kEndpoints) {
    const bool is_it = known.path.ends_with('/') ? request.path.starts_with(known.path) : request.path == known.path;
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
  if (endpoint->needs != Needs::kNothing)
    if (const auto refused = check_key(request, options_.access.keys))
      return writer.send(error_response(*refused, style));
  const std::shared_ptr<const ChatBackend> backend = this->backend();
  if (endpoint->needs >= Needs::kModel && backend == nullptr)
    return writer.send(error_response({503, kNotReady}, style));
  std::optional<Place> place;
  if (endpoint->needs == Needs::kPlace) {
    if (!free_places_.try_acquire())
      return writer.send(error_response({429, "as many requests as may be are being answered: try again"}, style));
    place.emplace(free_places_);
  }
  const Status answered = endpoint->answer({request, writer, backend.get()});
  if (!answered && !writer.has_begun()) writer.send(error_response(api_error(answered.error()), style));
}

}  // namespace sain::router
