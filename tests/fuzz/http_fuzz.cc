// Any bytes as the body of a request of each API, the first one says of which. A call that comes out of it is sane, an
// error says something.
#include <cmath>
#include <cstdint>
#include <string_view>

#include "formats/result.h"
#include "formats/utf8.h"
#include "router/http/access.h"
#include "router/http/anthropic.h"
#include "router/http/conversations.h"
#include "router/http/embeddings.h"
#include "router/http/ollama.h"
#include "router/http/openai_chat.h"
#include "router/http/openai_completions.h"
#include "router/http/openai_responses.h"
#include "router/http/query.h"
#include "router/tool_prompt.h"

namespace {

using namespace sain;
using namespace sain::router;

bool is_utf8(std::string_view text) {
  return formats::valid_utf8_prefix(text) == text.size();
}

void check(const std::vector<Message>& steps) {
  for (const Message& step : steps) {
    SAIN_CHECK(is_utf8(step.content));
    for (const ToolCall& call : step.calls) SAIN_CHECK(is_utf8(call.arguments));
    SAIN_CHECK((step.role == "assistant" && !step.calls.empty()) || (step.role == "tool" && !step.call_name.empty()));
  }
  SAIN_CHECK(!template_messages(steps).is_null() && plain_messages(steps, nullptr).size() <= steps.size());
}

void check(const ToolSet& tools) {
  SAIN_CHECK(!tools.functions.empty() && tools.callable.size() <= tools.functions.size() && tools.most_calls > 0);
  SAIN_CHECK(tools.tagged != nullptr);
}

void check(const ChatCall& call) {
  const AnswerOptions& answer = call.options.answer;
  SAIN_CHECK(!call.model.empty() && is_utf8(call.model));
  SAIN_CHECK(is_utf8(call.request) && is_utf8(answer.system_prompt));
  for (const Turn& turn : call.turns) {
    SAIN_CHECK(is_utf8(turn.request) && is_utf8(turn.answer));
    check(turn.steps);
  }
  check(call.steps);
  if (answer.tools != nullptr) check(*answer.tools);
  for (const std::string& stop : answer.stop_strings) SAIN_CHECK(!stop.empty() && is_utf8(stop));
  SAIN_CHECK(answer.max_tokens.value_or(1) > 0);
  SAIN_CHECK(std::isfinite(answer.temperature.value_or(0)) && answer.temperature.value_or(0) >= 0);
  SAIN_CHECK(answer.top_p.value_or(1) >= 0 && answer.top_p.value_or(1) <= 1);
  for (const auto& [token, bias] : answer.logit_bias) SAIN_CHECK(token >= 0 && std::isfinite(bias));
}

template <class Call>
bool is_read(const Result<Call>& call) {
  SAIN_CHECK(call || !call.error().message.empty());
  if (!call) SAIN_CHECK(call.error().code == ErrorCode::kInvalidArgument);
  return call.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0] % 8) {
    case 0:
      if (const auto call = parse_openai_chat(body); is_read(call)) check(call->call);
      break;
    case 1:
      if (const auto call = parse_openai_completion(body); is_read(call)) {
        check(call->call.call);
        SAIN_CHECK(!call->prompts.empty());
      }
      break;
    case 2:
      if (const auto call = parse_embeddings(body); is_read(call)) SAIN_CHECK(!call->inputs.empty());
      break;
    case 3:
      if (const auto call = parse_anthropic(body, AnthropicUse::kAnswer); is_read(call)) check(call->call);
      break;
    case 4:
      if (const auto call = parse_ollama(body, OllamaUse::kChat); is_read(call)) check(call->call);
      break;
    case 5:
      if (const auto call = parse_ollama(body, OllamaUse::kGenerate); is_read(call)) check(call->call);
      break;
    case 6:
      if (const auto call = parse_openai_response(body); is_read(call)) check(call->call);
      break;
    default:
      is_read(ApiKeys::parse(body, "keys"));
      if (const auto call = parse_conversation_call(body); is_read(call))
        SAIN_CHECK(is_utf8(call->text) && is_utf8(call->model));
      if (const auto value = query_value(body, "q"); is_read(value)) SAIN_CHECK(is_utf8(value->value_or("")));
  }
  return 0;
}
