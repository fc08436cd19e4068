#include "router/context_manager.h"

#include <utility>

namespace sain::router {

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

std::vector<Message> ContextManager::messages(std::string_view system_prompt, std::string_view request,
                                              size_t n_dropped) const {
  std::vector<Message> list;
  if (!system_prompt.empty()) list.push_back({"system", std::string(system_prompt)});
  for (size_t i = n_dropped; i < turns_.size(); ++i) {
    list.push_back({"user", turns_[i].request});
    list.push_back({"assistant", turns_[i].answer});
  }
  list.push_back({"user", std::string(request)});
  return list;
}

}  // namespace sain::router
