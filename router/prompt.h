// From messages to the tokens of a prompt, as a model wants them.
#pragma once

#include <ctime>
#include <span>
#include <vector>

#include "engine/model.h"
#include "formats/result.h"
#include "router/context_manager.h"
#include "router/thinking.h"
#include "router/tool_set.h"

namespace sain::router {

/// Renders the model's own chat template, with BOS where the model asks for it, ready for the answer. A template that
/// refuses a system message gets it as the head of the first request. A model without a template gets plain
/// "User:" and "Assistant:" lines; see plain_stop_strings(). Where the template knows no calls of functions, or refuses
/// these, they are words; `tools` are those that may be called now, nullptr if there are none. Message text is never
/// read as special tokens. With Thinking::kFirst the prompt has opened a thought at its end; without, a model whose
/// template knows of thoughts is told to have none. Errors: those of the template.
Result<std::vector<formats::Token>> render_prompt(const engine::Model& model, std::span<const Message> messages,
                                                  std::time_t now, Thinking thinking = Thinking::kNone,
                                                  const ToolSet* tools = nullptr);

/// `tokens` with the model's BOS before them, where its tokenizer wants one and they do not begin with it already.
std::vector<formats::Token> with_bos(const formats::Tokenizer& tokenizer, std::vector<formats::Token> tokens);

/// What ends an answer of a model without a chat template.
std::vector<std::string> plain_stop_strings();

}  // namespace sain::router
