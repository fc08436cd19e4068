// From what the user wrote to the tokens that a model reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"
#include "formats/result.h"

namespace sain::tools {

/// `tokens` with the model's BOS before them, where its tokenizer wants one and they do not begin with it already.
std::vector<formats::Token> with_bos(std::vector<formats::Token> tokens, const formats::Tokenizer& tokenizer);

/// One turn of a chat as the model's template writes it; `system` may be empty. Nothing in `system` or `user` becomes
/// a special token. Errors: those of ChatTemplate::render.
Result<std::vector<formats::Token>> chat_prompt(const engine::Model& model, std::string_view system,
                                                std::string_view user);

}  // namespace sain::tools
