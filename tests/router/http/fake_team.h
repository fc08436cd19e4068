// An assistant and a specialist for the tests of the endpoints: they answer what a test wants, and keep what was asked.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "router/http/api.h"
#include "router/http/conversations.h"

namespace sain::router {

class FakeTeam : public ChatTeam {
 public:
  FakeTeam() {
    members_.names = {"assistant", "coding"};
    members_.assistant_name = "SAIN";
  }

  const RegistrySnapshot& members() const override { return members_; }

  /// "code" in the request is the specialist's, as long as nobody is asked for by name. Its model is loaded first.
  Status handle(Conversation& conversation, std::string_view request, const RequestOptions& options,
                const EventSink& sink, std::stop_token stop) override {
    turns = conversation.context.turns();
    asked = request;
    asked_options = options;
    RouteDecision decision;
    decision.target = options.member.value_or(request.find("code") == std::string_view::npos ? kAssistant : kCoding);
    decision.reason = "because";
    sink(RouteEvent{decision});
    if (decision.target == kCoding) sink(StatusEvent{StatusEvent::Kind::kLoading, kCoding, 0.57, {}});
    if (error) {
      sink(ErrorEvent{*error});
      return *error;
    }
    sink(HandoffEvent{decision.target, turns.size(), 7, 0, 0});
    std::string answer;
    for (const std::string& piece : pieces) {
      if (options.answer.on_token) options.answer.on_token({piece, -0.5, {{"other", -1.5}}});
      sink(TokenEvent{decision.target, piece});
      answer += piece;
    }
    if (fails_midway) {
      sink(FallbackEvent{kCoding, kAssistant, "broken", "I will try myself."});
      decision.target = kAssistant;
      sink(TokenEvent{kAssistant, "Hm."});
      answer = "Hm.";
    }
    conversation.context.record({std::string(request), answer, decision.target});
    const auto reason = stop.stop_requested() ? engine::FinishReason::kCancelled : finish_reason;
    sink(DoneEvent{decision.target, true, reason, 0, {}, {}, pieces.size() + 1, stop_string});
    return {};
  }

  Result<size_t> count_tokens(SpecialistId member, const Conversation& conversation, std::string_view request,
                              const AnswerOptions& options, std::stop_token) override {
    return 1000 * index(member) + 100 * conversation.context.turns().size() + request.size() +
           options.system_prompt.size();
  }

  static constexpr SpecialistId kCoding{1};

  std::vector<std::string> pieces = {"Hel", "lo"};
  engine::FinishReason finish_reason = engine::FinishReason::kStop;
  std::string stop_string;
  bool fails_midway = false;
  std::optional<Error> error;
  std::vector<Turn> turns;
  std::string asked;
  RequestOptions asked_options;

 private:
  RegistrySnapshot members_;
};

/// Keeps what was sent.
class RecordingWriter : public ResponseWriter {
 public:
  void send(const HttpResponse& whole) override { begin(whole); }
  void begin(const HttpResponse& head) override {
    has_begun_ = true;
    response = head;
  }
  bool write(std::string_view piece) override {
    response.body += piece;
    return true;
  }
  bool has_begun() const override { return has_begun_; }
  std::stop_token left() const override { return {}; }

  nlohmann::json json() const { return nlohmann::json::parse(response.body, nullptr, false); }

  /// The data of the events of a stream, without those that are no JSON.
  std::vector<nlohmann::json> events() const {
    std::vector<nlohmann::json> events;
    constexpr std::string_view kData = "data: ";
    for (size_t begin = 0; begin < response.body.size();) {
      const size_t end = std::min(response.body.find('\n', begin), response.body.size());
      const std::string line = response.body.substr(begin, end - begin);
      if (line.starts_with(kData)) {
        nlohmann::json event = nlohmann::json::parse(line.substr(kData.size()), nullptr, false);
        if (!event.is_discarded()) events.push_back(std::move(event));
      }
      begin = end + 1;
    }
    return events;
  }

  HttpResponse response;

 private:
  bool has_begun_ = false;
};

inline HttpRequest http_request(std::string method, std::string path, std::string body = {}) {
  return {std::move(method), std::move(path), {{"host", "localhost:8080"}}, std::move(body)};
}

/// An Api in front of a FakeTeam.
struct FakeApi {
  explicit FakeApi(ApiOptions options = {}) : api(std::move(options)) {
    api.open({.team = [this] { return team; },
              .status = [] { return std::string("{\"requests\":0}"); },
              .metrics = [] { return std::string("sain_requests_total 0\n"); },
              .embed = [](const EmbeddingInput& input) -> Result<Embedding> {
                return Embedding{{0.5f, -2}, input.index() == 0 ? 3 : std::get<1>(input).size()};
              },
              .conversations = std::make_shared<KeptConversations>(*ConversationStore::open(":memory:")),
              .encoder = "minilm"});
  }

  RecordingWriter ask(const HttpRequest& request) {
    RecordingWriter writer;
    api.handle(request, writer);
    return writer;
  }
  RecordingWriter post(const std::string& path, const std::string& body) {
    return ask(http_request("POST", path, body));
  }

  std::shared_ptr<FakeTeam> team = std::make_shared<FakeTeam>();
  Api api;
};

}  // namespace sain::router
