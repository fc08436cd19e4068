#include "router/context_manager.h"

#include <utility>

namespace sain::router {

void ContextManager::record(Turn turn) {
  if (!steps_.empty()) turn.steps = std::exchange(steps_, {});
  turns_.push_back(std::move(turn));
}

Result<ContextWindow> ContextManager::build(std::string_view system_prompt, std::string_view request, size_t budget,
                                            const CountTokens& count_tokens) const {
  const auto window_without = [&](size_t n_dropped) -> Result<ContextWindow> {
    ContextWindow window{messages(system_prompt, request, n_dropped), 0, n_dropped};
    SAIN_ASSIGN_OR_RETURN(window.n_tokens, count_tokens(window.messages));
    return window;
  };
  SAIN_ASSIGN_OR_RETURN(ContextWindow whole, window_without(0));
  if (whole.n_tokens <= budget) return whole;
  SAIN_ASSIGN_OR_RETURN(ContextWindow best, window_without(turns_.size()));
  if (best.n_tokens > budget) {
    return make_error(ErrorCode::kResourceExhausted, "the request takes {} tokens, and there is room for {}",
                      best.n_tokens, budget);
  }
  // More dropped turns mean fewer tokens, so the least number that fits is found by halving.
  size_t too_few = 0;
  while (best.n_dropped_turns - too_few > 1) {
    SAIN_ASSIGN_OR_RETURN(ContextWindow middle, window_without(too_few + (best.n_dropped_turns - too_few) / 2));
    if (middle.n_tokens <= budget) {
      best = std::move(middle);
    } else {
      too_few = middle.n_dropped_turns;
    }
  }
  return best;
}

Result<ContextWindow> ContextManager::fit(std::string_view system_prompt, std::string_view request,
                                          const FitOptions& options) {
  const auto build_within = [&](size_t budget) { return build(system_prompt, request, budget, options.count_tokens); };
  SAIN_ASSIGN_OR_RETURN(ContextWindow window, build_within(options.budget));
  if (window.n_dropped_turns == 0) return window;

  if (options.policy == ConversationPolicy::kStop) {
    SAIN_ASSIGN_OR_RETURN(const size_t n_tokens, options.count_tokens(messages(system_prompt, request, 0)));
    return make_error(ErrorCode::kResourceExhausted,
                      "the conversation takes {} tokens with this request, and there is room for {}", n_tokens,
                      options.budget);
  }
  if (options.policy == ConversationPolicy::kStream) {
    forgets(Forgetting::kStreamed, "The conversation has outgrown the context: its oldest turns are forgotten.");
    return window;
  }
  // Half of the budget is for the summary and for turns to come, so that not every request needs a new one.
  const auto kept = build_within(options.budget / 2);
  const Status compacted = compact(kept ? kept->n_dropped_turns : turns_.size(), options.summarise);
  if (compacted) {
    SAIN_ASSIGN_OR_RETURN(window, build_within(options.budget));
  }
  if (window.n_dropped_turns > 0) {
    forgets(Forgetting::kDropped,
            fmt::format("The conversation has outgrown the context: its oldest turns are left out ({}).",
                        compacted ? "beside this request there is no room for their summary"
                                  : "there is no summary: " + compacted.error().message));
  }
  return window;
}

/// Puts a summary in the place of the first `n_turns`, which may begin with an earlier summary.
Status ContextManager::compact(size_t n_turns, const Summarise& summarise) {
  SAIN_ASSIGN_OR_RETURN(std::string summary, summarise(std::span(turns_).first(n_turns)));
  drop(n_turns - 1);
  turns_.front() = {std::string(kSummaryRequest), std::move(summary), kAssistant};
  forgets(Forgetting::kSummarised,
          "The conversation has outgrown the context: a summary takes the place of its oldest turns.");
  return {};
}

void ContextManager::forgets(Forgetting what, std::string text) {
  if (what <= forgetting_) return;
  forgetting_ = what;
  forgetting_text_ = std::move(text);
}

std::vector<Message> ContextManager::messages(std::string_view system_prompt, std::string_view request,
                                              size_t n_dropped) const {
  std::vector<Message> list;
  if (!system_prompt.empty()) list.push_back({"system", std::string(system_prompt)});
  for (size_t i = n_dropped; i < turns_.size(); ++i) {
    const Turn& turn = turns_[i];
    list.push_back({"user", turn.request});
    list.insert(list.end(), turn.steps.begin(), turn.steps.end());
    if (turn.steps.empty() || !turn.answer.empty()) list.push_back({"assistant", turn.answer});
  }
  list.push_back({"user", std::string(request)});
  list.insert(list.end(), steps_.begin(), steps_.end());
  return list;
}

}  // namespace sain::router
