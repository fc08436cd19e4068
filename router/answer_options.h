// What a request may say about its own answer, in place of what its member's configuration says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/logprobs.h"
#include "router/answer_form.h"
#include "router/member_config.h"

namespace sain::router {

struct ToolSet;

/// A token of an answer in the words of whoever made it. Texts are bytes, which may be a part of a character.
struct AnsweredToken {
  struct Alternative {
    std::string text;
    double logprob = 0;
  };
  std::string text;
  double logprob = 0;            // as engine::TokenLogprob says
  std::vector<Alternative> top;  // the most probable first
};

/// What is not there is the member's own. A member in the cloud is told of system_prompt, max_tokens and temperature.
struct AnswerOptions {
  std::string system_prompt = {};  // read after the member's own
  bool is_raw = false;             // the request is all that is read, as it is: a text to be continued
  std::optional<uint32_t> max_tokens = {};
  std::vector<std::string> stop_strings = {};  // beside the member's
  std::optional<float> temperature = {}, top_p = {}, min_p = {};
  std::optional<float> frequency_penalty = {}, presence_penalty = {}, repetition_penalty = {};
  std::optional<int> top_k = {};
  std::optional<uint64_t> seed = {};
  bool is_repeatable = false;  // with the seed the answer is the same each time, whatever of the prompt is known
  std::vector<std::pair<engine::Token, float>> logit_bias = {};  // by tokens of whoever answers
  std::shared_ptr<const AnswerForm> form = {};                   // none: any text. A cloud cannot promise one
  std::shared_ptr<const ToolSet> tools = {};                     // none: nothing can be called. Not with `form`

  std::optional<uint32_t> top_logprobs = {};                // of alternatives to each token; none: no log
                                                            // probabilities are computed
  std::function<void(const AnsweredToken&)> on_token = {};  // with top_logprobs; before the text it completes
};

/// The member as a request wants it.
MemberConfig with(MemberConfig member, const AnswerOptions& options);

}  // namespace sain::router
