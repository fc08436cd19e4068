#include "router/answer_options.h"

namespace sain::router {
namespace {

template <class T>
void replace(T& value, const std::optional<T>& wanted) {
  if (wanted) value = *wanted;
}

}  // namespace

MemberConfig with(MemberConfig member, const AnswerOptions& options) {
  if (options.is_raw) {
    member.system_prompt.clear();
    member.stop_strings.clear();
  } else if (!options.system_prompt.empty()) {
    if (!member.system_prompt.empty()) member.system_prompt += "\n\n";
    member.system_prompt += options.system_prompt;
  }
  replace(member.max_tokens, options.max_tokens);
  member.stop_strings.insert(member.stop_strings.end(), options.stop_strings.begin(), options.stop_strings.end());
  engine::SamplerOptions& sampling = member.sampling;
  replace(sampling.temperature, options.temperature);
  replace(sampling.top_p, options.top_p);
  replace(sampling.min_p, options.min_p);
  replace(sampling.top_k, options.top_k);
  replace(sampling.frequency_penalty, options.frequency_penalty);
  replace(sampling.presence_penalty, options.presence_penalty);
  replace(sampling.repetition_penalty, options.repetition_penalty);
  replace(sampling.seed, options.seed);
  sampling.logit_bias.insert(sampling.logit_bias.end(), options.logit_bias.begin(), options.logit_bias.end());
  return member;
}

}  // namespace sain::router
