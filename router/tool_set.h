// The functions of a client that an answer may call, and the form that such a call has.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "formats/chat_template.h"
#include "formats/result.h"
#include "router/answer_form.h"

namespace sain::router {

inline constexpr std::string_view kCallOpen = "<tool_call>", kCallClose = "</tool_call>";

/// How a model writes calls, as its chat template says.
enum class ToolStyle {
  kTagged,   // <tool_call> {"name": ..., "arguments": {...}} </tool_call>, one after the other: Hermes, Qwen
  kList,     // [{"name": ..., "arguments": {...}}, ...]: Mistral
  kObject,   // {"name": ..., "parameters": {...}}, a single one: Llama 3
  kGeneric,  // the template knows of none, or of one that is not here: kTagged, as our own words ask for
};

/// `chat` may be nullptr.
ToolStyle tool_style(const formats::ChatTemplate* chat);

enum class ToolUse { kMayCall, kMustCall };

struct ToolSet {
  struct Function {
    std::string name;  // letters, digits, `_`, `-`, `.`
    std::string description = {};
    nlohmann::ordered_json parameters = nlohmann::ordered_json::object();  // a JSON schema
    bool is_strict = false;  // whose schema must be kept: it is an error where it cannot be
  };
  static constexpr size_t kMostFunctions = 128;
  static constexpr uint32_t kMostCalls = 8;  // in one answer

  std::vector<Function> functions;
  std::vector<std::string> callable;  // names: all of `functions`, the one that is asked for, or none
  ToolUse use = ToolUse::kMayCall;
  uint32_t most_calls = kMostCalls;
  std::shared_ptr<const AnswerForm> tagged = {};  // call_form() of this for kTagged and kGeneric, where it is known

  /// [{"type": "function", "function": {"name", "description", "parameters"}}, ...]: what templates expect.
  nlohmann::ordered_json to_json() const;
};

/// The form of an answer: calls, where one must be; else any text, and calls after it, or nothing but calls without
/// their tags, as some models of that style write them too. Their arguments fit the schemas, as far as these can be
/// kept. Where none may be called, text that does not look like a call. None (not an error) for the other styles unless
/// a call must be: there is nothing to tell one by before it is complete. Errors: that of a strict schema which cannot
/// be kept; kResourceExhausted (all of it is too large).
Result<std::shared_ptr<const AnswerForm>> call_form(const ToolSet& tools, ToolStyle style);

}  // namespace sain::router
