#include "tools/commands/prompt.h"

#include <ctime>

namespace sain::tools {

using formats::Token;

std::vector<Token> with_bos(std::vector<Token> tokens, const formats::Tokenizer& tokenizer) {
  const std::optional<Token> bos = tokenizer.bos();
  if (tokenizer.add_bos() && bos && (tokens.empty() || tokens.front() != *bos)) tokens.insert(tokens.begin(), *bos);
  return tokens;
}

Result<std::vector<Token>> chat_prompt(const engine::Model& model, std::string_view system, std::string_view user) {
  SAIN_CHECK(model.chat_template() != nullptr);
  const formats::Tokenizer& tokenizer = model.tokenizer();
  const auto text_of = [&](std::optional<Token> token) {
    return token ? tokenizer.piece(*token, formats::SpecialTokens::kParse) : std::string();
  };
  formats::ChatTemplateInput input;
  if (!system.empty()) input.messages.push_back({{"role", "system"}, {"content", system}});
  input.messages.push_back({{"role", "user"}, {"content", user}});
  input.bos_token = text_of(tokenizer.bos());
  input.eos_token = text_of(tokenizer.eos());
  input.now = std::time(nullptr);
  SAIN_ASSIGN_OR_RETURN(const formats::RenderedPrompt prompt, model.chat_template()->render(input));
  return with_bos(tokenizer.encode(prompt.segments()), tokenizer);
}

}  // namespace sain::tools
