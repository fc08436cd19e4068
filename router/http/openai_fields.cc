#include "router/http/openai_fields.h"

#include <charconv>
#include <limits>

#include "router/http/form_field.h"
#include "router/http/json_body.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr uint32_t kMostAnswers = 8;
constexpr size_t kMostStopStrings = 16;
constexpr size_t kMostBiases = 1024;

/// {"1234": -100}: by token.
void read_logit_bias(Fields& fields, const json& body, AnswerOptions& answer) {
  const json& biases = body.at("logit_bias");
  if (!biases.is_object() || biases.size() > kMostBiases)
    return fields.fail("logit_bias", fmt::format("an object of at most {} tokens", kMostBiases));
  for (const auto& [key, value] : biases.items()) {
    engine::Token token = 0;
    const auto [end, failure] = std::from_chars(key.data(), key.data() + key.size(), token);
    const bool is_token = failure == std::errc() && end == key.data() + key.size() && token >= 0;
    if (!is_token || !value.is_number() || !(value.get<double>() >= -100 && value.get<double>() <= 100))
      return fields.fail("logit_bias", "numbers of tokens, each with a bias from -100 to 100");
    answer.logit_bias.emplace_back(token, value.get<float>());
  }
}

void read_sain(Fields& fields, OpenAiCall& call) {
  Fields own = fields.object("sain");
  if (own.has("events")) call.with_events = own.flag("events");
  if (!own.has("mode")) return;
  const auto mode = find_mode(own.text("mode"));
  if (!mode) own.fail("mode", "auto, fast or slow");
  call.call.options.mode = mode.value_or(Mode::kAuto);
}

}  // namespace

void read_openai_options(const json& body, std::string_view text, OpenAiCall& call, std::optional<Error>& error) {
  constexpr uint64_t kMostTokens = std::numeric_limits<uint32_t>::max();
  Fields fields(body, "", error);
  AnswerOptions& answer = call.call.options.answer;
  if (fields.has("model")) call.call.model = fields.some_text("model");
  if (fields.has("stream")) call.is_stream = fields.flag("stream");
  if (fields.has("stream_options")) {
    Fields stream = fields.object("stream_options");
    if (stream.has("include_usage")) call.include_usage = stream.flag("include_usage");
  }
  if (fields.has("n")) call.n = static_cast<uint32_t>(fields.count("n", kMostAnswers, 1));
  for (const char* name : {"max_tokens", "max_completion_tokens"})
    if (fields.has(name)) answer.max_tokens = static_cast<uint32_t>(fields.count(name, kMostTokens, 1));
  if (fields.has("stop")) answer.stop_strings = read_texts(fields, body, "stop", kMostStopStrings);
  answer.temperature = read_float(fields, "temperature", 0, 2);
  answer.top_p = read_float(fields, "top_p", 0, 1);
  answer.min_p = read_float(fields, "min_p", 0, 1);
  if (fields.has("top_k")) answer.top_k = static_cast<int>(fields.count("top_k", 1 << 30));
  answer.frequency_penalty = read_float(fields, "frequency_penalty", -2, 2);
  answer.presence_penalty = read_float(fields, "presence_penalty", -2, 2);
  answer.repetition_penalty = read_float(fields, "repetition_penalty", 0.01, 10);
  if (fields.has("seed")) {
    if (!body.at("seed").is_number_integer())
      fields.fail("seed", "a whole number");
    else
      answer.seed = body.at("seed").get<uint64_t>();  // a negative one is another one
  }
  if (fields.has("logit_bias")) read_logit_bias(fields, body, answer);
  if (fields.has("sain")) read_sain(fields, call);
  if (fields.has("response_format"))
    answer.form = read_format(fields, "response_format", text, json::json_pointer("/response_format"));
  if (fields.has("grammar")) answer.form = read_grammar(fields, "grammar");
  refuse_unless(fields, body, "modalities", {"text"});
  refuse_unless(fields, body, "functions", json::array());
}

ordered_json openai_usage(const std::vector<ChatEnd>& ends) {
  size_t completion = 0;
  for (const ChatEnd& end : ends) completion += end.completion_tokens;
  const size_t prompt = ends.empty() ? 0 : ends.front().prompt_tokens;
  return {{"prompt_tokens", prompt}, {"completion_tokens", completion}, {"total_tokens", prompt + completion}};
}

ordered_json answered_by(const ChatEnd& end, const RegistrySnapshot& members) {
  return {{"by", members.names[index(end.by)]}, {"place", end.is_local ? "local" : "cloud"}};
}

}  // namespace sain::router
