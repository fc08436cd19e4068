#include "engine/text_chunks.h"

namespace sain::engine {

Result<TextChunks> TextChunks::create(const Session& session, std::span<const Token> tokens, uint32_t context) {
  constexpr uint32_t kShortest = 4;  // so that the second half predicts at least one token
  const uint32_t longest = session.policy() == ContextPolicy::kStream ? UINT32_MAX : session.context_length();
  if (context < kShortest || context > longest) {
    return make_error(ErrorCode::kInvalidArgument, "context: expected {} to {} tokens, found {}", kShortest, longest,
                      context);
  }
  if (tokens.size() < context) {
    return make_error(ErrorCode::kInvalidArgument, "text: expected at least the {} tokens of one chunk, found {}",
                      context, tokens.size());
  }
  return TextChunks(tokens, context);
}

std::vector<Token> TextChunks::for_model(const Session& session, size_t chunk) const {
  const std::span<const Token> tokens = original(chunk);
  std::vector<Token> result(tokens.begin(), tokens.end());
  const formats::Tokenizer& tokenizer = session.model().tokenizer();
  if (tokenizer.add_bos() && tokenizer.bos()) result[0] = *tokenizer.bos();
  return result;
}

}  // namespace sain::engine
