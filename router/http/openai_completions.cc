#include "router/http/openai_completions.h"

#include <ctime>
#include <utility>

#include "router/http/api_error.h"
#include "router/http/json_body.h"
#include "router/http/sse_writer.h"
#include "router/privacy/audit_log.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMostPrompts = 16;

/// The form that log probabilities have here: lists side by side. `offset`: of the first token in the text, in bytes.
ordered_json logprobs_json(const std::vector<AnsweredToken>& tokens, size_t offset) {
  ordered_json texts = ordered_json::array(), logprobs = texts, tops = texts, offsets = texts;
  for (const AnsweredToken& token : tokens) {
    texts.push_back(token.text);
    logprobs.push_back(token.logprob);
    offsets.push_back(offset);
    offset += token.text.size();
    ordered_json top = ordered_json::object();
    for (const auto& other : token.top) top[other.text] = other.logprob;
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

class Completion {
 public:
  Completion(const CompletionCall& asked, ChatTeam& team, ResponseWriter& writer)
      : asked_(asked), team_(team), writer_(writer), sse_(writer) {}

  /// Every prompt is answered n times, one after the other.
  Status run() {
    const OpenAiCall& call = asked_.call;
    for (const std::string& prompt : asked_.prompts) {
      std::vector<ChatEnd> ends;
      for (uint32_t i = 0; i < call.n; ++i) {
        ChatCall one = nth_call(call.call, i);
        one.request = prompt;
        auto end = run_call(team_, one, call.is_stream ? listener() : ChatListener(), writer_.left());
        if (!end && !sse_.is_open()) return std::move(end).error();
        if (!end) {
          sse_.line(error_body(api_error(end.error()), ApiStyle::kOpenAi));
          return {};
        }
        finish_choice(*end);
        ends.push_back(*std::move(end));
      }
      const ordered_json usage = openai_usage(ends);
      for (const auto& [name, n] : usage.items()) usage_[name] = usage_.value(name, uint64_t{0}) + n.get<uint64_t>();
    }
    return call.is_stream ? finish_stream() : finish_whole();
  }

 private:
  ChatListener listener() {
    return {.on_text =
                [this](SpecialistId by, std::string_view text, std::vector<AnsweredToken> tokens) {
                  sse_.data(object(by, choice(text, tokens)));
                  offset_ += text.size();
                },
            .on_event =
                [this](const Event& event) {
                  sse_.comment(progress_line(event, team_.members()));
                  if (std::holds_alternative<HandoffEvent>(event)) sse_.open();
                }};
  }

  ordered_json choice(std::string_view text, const std::vector<AnsweredToken>& tokens) const {
    ordered_json one = {{"index", n_choices_}, {"text", text}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (!tokens.empty()) one["logprobs"] = logprobs_json(tokens, offset_);
    return one;
  }

  void finish_choice(const ChatEnd& end) {
    by_ = end.by;
    ordered_json last = asked_.call.is_stream ? choice({}, {}) : choice(end.text, end.tokens);
    last["finish_reason"] = finish_word(end);
    if (asked_.call.is_stream) {
      sse_.data(object(end.by, std::move(last)));
    } else {
      choices_.push_back(std::move(last));
    }
    ++n_choices_;
    offset_ = 0;
  }

  ordered_json object(SpecialistId by, ordered_json one) const {
    ordered_json list = ordered_json::array();
    list.push_back(std::move(one));
    return with_choices(by, std::move(list));
  }

  ordered_json with_choices(SpecialistId by, ordered_json choices) const {
    return {{"id", id_},
            {"object", "text_completion"},
            {"created", created_},
            {"model", team_.members().names[index(by)]},
            {"choices", std::move(choices)}};
  }

  Status finish_stream() {
    if (asked_.call.include_usage) {
      ordered_json usage = with_choices(by_, ordered_json::array());
      usage["usage"] = usage_;
      sse_.data(usage);
    }
    sse_.line("[DONE]");
    return {};
  }

  Status finish_whole() {
    ordered_json answer = with_choices(by_, std::move(choices_));
    answer["usage"] = usage_;
    writer_.send({.body = to_line(answer) + "\n"});
    return {};
  }

  const CompletionCall& asked_;
  ChatTeam& team_;
  ResponseWriter& writer_;
  SseWriter sse_;
  std::string id_ = "cmpl-" + make_opaque_id();
  std::time_t created_ = std::time(nullptr);
  SpecialistId by_ = kAssistant;
  size_t n_choices_ = 0, offset_ = 0;
  ordered_json choices_ = ordered_json::array(), usage_ = ordered_json::object();
};

}  // namespace

Result<CompletionCall> parse_openai_completion(std::string_view text) {
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(text));
  CompletionCall asked;
  std::optional<Error> error;
  Fields fields(body, "", error);
  if (fields.has("prompt")) {
    asked.prompts = read_texts(fields, body, "prompt", kMostPrompts);
  } else {
    fields.fail("prompt", "a text or a list of texts");
  }
  read_openai_options(body, text, asked.call, error);
  AnswerOptions& answer = asked.call.call.options.answer;
  answer.is_raw = true;
  if (fields.has("logprobs"))
    answer.top_logprobs = static_cast<uint32_t>(fields.count("logprobs", engine::LogprobMeter::kMostTop));
  refuse_unless(fields, body, "echo", false);
  refuse_unless(fields, body, "best_of", 1);
  refuse_unless(fields, body, "suffix", "");
  if (error) return *std::move(error);
  return asked;
}

Status answer_openai_completion(const HttpRequest& request, ChatTeam& team, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const CompletionCall asked, parse_openai_completion(request.body));
  return Completion(asked, team, writer).run();
}

}  // namespace sain::router
