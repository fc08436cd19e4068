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

struct Message {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

struct Turn {
  std::string request;
  std::string answer;
  SpecialistId by = kAssistant;
};

/// The tokens of a whole list of messages, as the model that will read it counts them.
using CountTokens = std::function<Result<size_t>(std::span<const Message> messages)>;

struct ContextWindow {
  std::vector<Message> messages;  // system prompt if there is one, turns, request
  size_t n_tokens = 0;
  size_t n_dropped_turns = 0;  // the oldest ones, for which there was no room
};

class ContextManager {
 public:
  void record(Turn turn) { turns_.push_back(std::move(turn)); }
  void reset() { turns_.clear(); }
  const std::vector<Turn>& turns() const { return turns_; }

  /// As many of the latest turns as fit into `budget` tokens together with the system prompt and the request, which
  /// are never cut. Errors: kResourceExhausted when those two alone are too long; those of `count_tokens`.
  Result<ContextWindow> build(std::string_view system_prompt, std::string_view request, size_t budget,
                              const CountTokens& count_tokens) const;

 private:
  std::vector<Message> messages(std::string_view system_prompt, std::string_view request, size_t n_dropped) const;

  std::vector<Turn> turns_;
};

}  // namespace sain::router
