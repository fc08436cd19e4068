// The conversation so far, and what of it a model gets to see.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/registry.h"

namespace sain::router {

/// A call of one of the client's functions (router/tool_set.h).
struct ToolCall {
  std::string id, name;
  std::string arguments;  // JSON, an object where nothing went wrong
};

struct Message {
  std::string role;  // "system", "user", "assistant", or "tool": what a call has come to
  std::string content;
  std::vector<ToolCall> calls = {};          // the assistant's
  std::string call_id = {}, call_name = {};  // of a tool's message
};

struct Turn {
  std::string request;
  std::string answer;
  SpecialistId by = kAssistant;
  std::vector<Message> steps = {};  // between the two: calls, and what they came to
};

/// What is asked to have a conversation summarised. The summary then stands in the conversation as the answer to this.
inline constexpr std::string_view kSummaryRequest =
    "Summarize this conversation in a few sentences. Keep names, numbers and decisions.";

/// The tokens of a whole list of messages, as the model that will read it counts them.
using CountTokens = std::function<Result<size_t>(std::span<const Message> messages)>;

struct ContextWindow {
  std::vector<Message> messages;  // system prompt if there is one, turns, request
  size_t n_tokens = 0;
  size_t n_dropped_turns = 0;  // the oldest ones, for which there was no room
};

/// What a conversation has lost to a context that is too small for it; the least first.
enum class Forgetting {
  kNothing,
  kSummarised,  // a summary stands for the oldest turns
  kStreamed,    // a model has read on past its window
  kDropped,     // the oldest turns were left out
};

/// The answer to kSummaryRequest after `turns`, not empty.
using Summarise = std::function<Result<std::string>(std::span<const Turn> turns)>;

struct FitOptions {
  ConversationPolicy policy = ConversationPolicy::kCompact;
  size_t budget = 0;  // tokens, for everything that the model reads
  CountTokens count_tokens;
  Summarise summarise;  // kCompact
};

class ContextManager {
 public:
  /// The steps of go_on() are the turn's.
  void record(Turn turn);
  /// The steps, after the request, of the turn that is not answered yet.
  void go_on(std::vector<Message> steps) { steps_ = std::move(steps); }
  void drop(size_t n_oldest) { turns_.erase(turns_.begin(), turns_.begin() + static_cast<ptrdiff_t>(n_oldest)); }
  void reset() { *this = {}; }
  const std::vector<Turn>& turns() const { return turns_; }

  /// As many of the latest turns as fit into `budget` tokens together with the system prompt and the request, which
  /// are never cut. Errors: kResourceExhausted when those two alone are too long; those of `count_tokens`.
  Result<ContextWindow> build(std::string_view system_prompt, std::string_view request, size_t budget,
                              const CountTokens& count_tokens) const;

  /// As build(), and where turns would be dropped does what the policy says:
  ///  - kStop: kResourceExhausted.
  ///  - kStream: they are left out of this window.
  ///  - kCompact: the oldest turns, until half of the budget is free, leave the conversation for a summary of them.
  ///    Without one (an error of `summarise`), or where it does not fit either, they are left out of this window.
  Result<ContextWindow> fit(std::string_view system_prompt, std::string_view request, const FitOptions& options);

  /// The worst that has happened to this conversation, and a sentence that says so to a person.
  Forgetting forgetting() const { return forgetting_; }
  const std::string& forgetting_text() const { return forgetting_text_; }
  void forgets(Forgetting what, std::string text);

 private:
  std::vector<Message> messages(std::string_view system_prompt, std::string_view request, size_t n_dropped) const;
  Status compact(size_t n_turns, const Summarise& summarise);

  std::vector<Turn> turns_;
  std::vector<Message> steps_;
  Forgetting forgetting_ = Forgetting::kNothing;
  std::string forgetting_text_;
};

}  // namespace sain::router
