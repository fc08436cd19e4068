// sain serve: the routed conversation for other programs, over HTTP.
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "router/conversations/conversation_store.h"
#include "router/http/api.h"
#include "router/http/conversations.h"
#include "router/http/http_server.h"
#include "router/monitoring/status_server.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/routed.h"
#include "tools/interrupt.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

struct Options {
  RoutedOptions routed;
  std::string host = "127.0.0.1";
  uint16_t port = 8080;
  std::vector<std::string> allowed_hosts, allowed_origins;
  std::string api_key_file;  // empty: everybody may ask
  std::string tls_certificate, tls_key;
  unsigned max_running = 64;
  router::RateLimits limits;
  unsigned grace_s = 10;
  std::string conversations = router::conversations_file().string();
};

constexpr const char* kNoFile = "none";
constexpr const char* kInMemory = ":memory:";

void say(std::string_view line) {
  fmt::print(stderr, "sain: {}\n", safe_text(line));
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<router::ApiOptions> api_options(const Options& options) {
  router::ApiOptions api = {.access = {.hosts = options.allowed_hosts, .origins = options.allowed_origins},
                            .max_running = options.max_running,
                            .limits = options.limits};
  // It may be called by the address that it listens on.
  api.access.hosts.push_back(options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]");
  if (!options.api_key_file.empty()) {
    SAIN_ASSIGN_OR_RETURN(api.access.keys, router::ApiKeys::load(options.api_key_file));
  } else if (!is_loopback(options.host)) {
    say("everybody who reaches this machine may ask: --api-key-file says who may");
  }
  return api;
}

/// Those of the page. What cannot be kept in the file lasts as long as the program.
Result<std::shared_ptr<router::KeptConversations>> open_conversations(const std::string& file) {
  if (file != kNoFile) {
    std::error_code ignored;  // opening says what is wrong
    std::filesystem::create_directories(std::filesystem::absolute(file, ignored).parent_path(), ignored);
    auto store = router::ConversationStore::open(file);
    if (store) return std::make_shared<router::KeptConversations>(*std::move(store));
    say(fmt::format("conversations of the page end with this program: {}", store.error().message));
  }
  SAIN_ASSIGN_OR_RETURN(auto store, router::ConversationStore::open(kInMemory));
  return std::make_shared<router::KeptConversations>(std::move(store));
}

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
}

Result<int> serve(const Options& options) {
  const Interrupt interrupt;
  SAIN_ASSIGN_OR_RETURN(const router::ApiOptions access, api_options(options));
  std::unique_ptr<router::RoutedChat> chat;  // outlives whoever asks it
  router::Api api(access);
  const router::HttpServerOptions http = {
      .host = options.host,
      .port = options.port,
      .tls_certificate = options.tls_certificate,
      .tls_key = options.tls_key,
      .n_workers = options.max_running + router::Api::kMaxSockets + 8};  // some for quick questions
  SAIN_ASSIGN_OR_RETURN(const auto server, router::HttpServer::start(http, [&api](const auto& request, auto& writer) {
                          api.handle(request, writer);
                        }));
  const bool is_ipv6 = options.host.find(':') != std::string::npos;
  say(fmt::format("listening on {}://{}:{}", options.tls_key.empty() ? "http" : "https",
                  is_ipv6 ? "[" + options.host + "]" : options.host, server->port()));
  auto opened = open_routed_chat(options.routed, interrupt.token());
  if (!opened && interrupt.token().stop_requested()) return kInterrupted;
  SAIN_ASSIGN_OR_RETURN(chat, std::move(opened));
  router::ChatBackend backend = backend_of(*chat, "sain serve");
  SAIN_ASSIGN_OR_RETURN(backend.conversations, open_conversations(options.conversations));
  const auto status = router::StatusServer::start({.status = backend.status,
                                                   .metrics = backend.metrics,
                                                   .keep_up = [&] { chat->metrics().keep_up(); },
                                                   .folder = router::status_folder()});
  if (!status) say(fmt::format("`sain status` will not see this program: {}", status.error().message));
  chat->watch_packages(say);
  api.open(backend);
  say("ready");
  wait_for(interrupt.token());
  say("shutting down");
  server->stop(std::chrono::seconds(options.grace_s));
  return kSuccess;
}

}  // namespace

void add_serve_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  // A client sends its whole conversation: what does not fit is its own to shorten.
  options->routed.policy = "stop";
  CLI::App* command = app.add_subcommand(
      "serve", "A web page to talk to, and answers for other programs over HTTP, as OpenAI's API gives them");
  add_routed_options(*command, options->routed);
  command->add_option("--ctx", options->routed.context, "Context in tokens (default: what the configuration says)")
      ->check(in_range(128u, 1u << 30))
      ->type_name("N");
  command->add_option("--host", options->host, "The address to listen on")->capture_default_str()->type_name("ADDRESS");
  command->add_option("--port", options->port, "0: one that is free")->capture_default_str()->type_name("N");
  command
      ->add_option("--allow-host", options->allowed_hosts,
                   "A name by which clients may call this server, beside localhost and its address; may be repeated")
      ->type_name("NAME");
  command
      ->add_option("--allow-origin", options->allowed_origins,
                   "Web pages that may ask, by their origin, like https://example.org; * for all; may be repeated")
      ->type_name("ORIGIN");
  command
      ->add_option("--api-key-file", options->api_key_file,
                   "Ask clients for a key: one of those in FILE, a line each (default: everybody may ask)")
      ->type_name("FILE");
  CLI::Option* const certificate =
      command->add_option("--tls-cert", options->tls_certificate, "Speak TLS with the certificate in FILE, in PEM");
  CLI::Option* const key = command->add_option("--tls-key", options->tls_key, "The certificate's key, in PEM");
  certificate->needs(key)->type_name("FILE");
  key->needs(certificate)->type_name("FILE");
  command->add_option("--max-running", options->max_running, "Answers at once; further requests are told to try again")
      ->check(in_range(1u, 1024u))
      ->capture_default_str()
      ->type_name("N");
  command
      ->add_option("--requests-per-minute", options->limits.requests_per_minute,
                   "For answers, of each key, or of all clients where there are no keys (default: no limit)")
      ->check(in_range(1u, 1u << 30))
      ->type_name("N");
  command
      ->add_option("--tokens-per-minute", options->limits.tokens_per_minute,
                   "Of prompts and answers, likewise (default: no limit)")
      ->check(in_range(1u, 1u << 30))
      ->type_name("N");
  command->add_option("--grace", options->grace_s, "Seconds that running answers have to end after Ctrl-C or SIGTERM")
      ->check(in_range(0u, 3600u))
      ->capture_default_str()
      ->type_name("N");
  command
      ->add_option("--conversations", options->conversations,
                   "Where conversations of the page are kept; none: nowhere, they end with the program")
      ->capture_default_str()
      ->type_name("FILE");
  command->footer(
      "Example:\n"
      "  sain serve &\n"
      "  curl localhost:8080/v1/chat/completions -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}'");
  command->callback([options, &exit_code] {
    const Result<int> result = serve(*options);
    exit_code = result ? *result : fail("serve", result.error());
  });
}

}  // namespace sain::tools
