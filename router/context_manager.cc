#include "router/context_manager.h"

namespace sain::router {

Result<ContextWindow> ContextManager::build(std::string_view system_prompt, std::string_view request, size_t budget,
                                            const CountTokens& count_tokens) const {
  // More dropped turns mean fewer tokens, so the least number that fits is found by halving.
  ContextWindow window;
  bool found = false;
  size_t low = 0, high = turns_.size();
  while (!found || low < high) {
    const size_t n_dropped = found ? low + (high - low) / 2 : low;  // first try: all turns
    ContextWindow candidate{messages(system_prompt, request, n_dropped), 0, n_dropped};
    SAIN_ASSIGN_OR_RETURN(candidate.n_tokens, count_tokens(candidate.messages));
    if (candidate.n_tokens <= budget) {
      high = n_dropped;
      window = std::move(candidate);
      found = true;
    } else if (n_dropped == turns_.size()) {
      return make_error(ErrorCode::kResourceExhausted, "the request takes {} tokens, and there is room for {}",
                        candidate.n_tokens, budget);
    } else {
      low = n_dropped + 1;
    }
  }
  return window;
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
