// Passes that draw the next token instead of taking the likeliest one. Their command buffers are recorded when they are
// first asked for; a prompt's passes take the likeliest, and the token after it is then drawn from the same logits.
#include <algorithm>

#include "engine/vulkan/forward.h"

namespace sain::engine::vulkan {

Status Forward::sample(const PlainSampling& rule, std::span<const double> draws) {
  SAIN_CHECK(started_.empty() && length_ > 0);
  sampling_.begin(rule, length_, draws);
  return draw_again();
}

bool Forward::goes_on_sampling(const PlainSampling& rule, uint64_t position, std::span<const double> draws) {
  return is_sampled() && sampling_.go_on(rule, position, draws);
}

/// The token after the newest one, as sampling_ says.
Status Forward::draw_again() {
  const Choice choice = sampling_.rule().top_k > 0 ? Choice::kTopK : Choice::kAll;
  SAIN_ASSIGN_OR_RETURN(CommandList * list, draw_list_of(choice));
  SAIN_RETURN_IF_ERROR(record_sampled_decode(choice));
  SAIN_RETURN_IF_ERROR(list->run());
  look(state_out_);
  choice_ = choice;
  return {};
}

/// Which draws and does nothing else.
Result<CommandList*> Forward::draw_list_of(Choice choice) {
  std::unique_ptr<CommandList>& draw_list = draw_lists_[static_cast<size_t>(choice)];
  if (draw_list) return draw_list.get();
  SAIN_ASSIGN_OR_RETURN(CommandList list, CommandList::create(*device_, *pipelines_));
  list.copy(sampling_.state(), sampling_state_);
  list.barrier();
  SAIN_RETURN_IF_ERROR(record_draw(list, 0, choice));
  list.barrier();
  list.copy(state_, state_out_);
  SAIN_RETURN_IF_ERROR(list.finish());
  draw_list = std::make_unique<CommandList>(std::move(list));
  return draw_list.get();
}

/// Unless that has been done.
Status Forward::record_sampled_decode(Choice choice) {
  for (Decode& decode : decodes_) {
    std::unique_ptr<CommandList>& decode_list = decode.lists[static_cast<size_t>(choice)];
    if (decode_list) continue;
    SAIN_ASSIGN_OR_RETURN(CommandList list, CommandList::create(*device_, *pipelines_));
    list.copy(sampling_.state(), sampling_state_);
    SAIN_RETURN_IF_ERROR(record_pass(list, 1, decode.state_out, choice));
    SAIN_RETURN_IF_ERROR(list.finish());
    decode_list = std::make_unique<CommandList>(std::move(list));
  }
  return {};
}

/// From logits_ to the next token and the state after it, which moves on by n_tokens.
Status Forward::record_draw(CommandList& list, uint32_t n_tokens, Choice choice) {
  const auto n_known = static_cast<uint32_t>(model_->tokenizer().vocab_size());  // what lies beyond is never chosen
  const Sample sample = {.values = logits_,
                         .n = std::min(model_->config().vocab_size, n_known),
                         .n_tokens = n_tokens,
                         .pairs = pairs_,
                         .tokens = tokens_,
                         .state = state_,
                         .sampling = sampling_state_};
  return choice == Choice::kTopK ? operators_.sample_top_k(list, sample) : operators_.sample_all(list, sample);
}

}  // namespace sain::engine::vulkan
