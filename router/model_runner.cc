#include "router/model_runner.h"

#include <algorithm>
#include <ctime>

#include "router/prompt.h"

namespace sain::router {
namespace {

using engine::Token;

engine::SessionOptions fitted(engine::SessionOptions options, const engine::Model& model) {
  options.context_length = std::min(options.context_length, model.config().context_length);
  return options;
}

/// Appends what the session does not hold yet; starts again where the conversation took another turn.
std::span<const Token> continue_session(engine::Session& session, std::span<const Token> prompt) {
  const std::span<const Token> history = session.history();
  const bool is_prefix = session.n_tokens() == history.size() && history.size() < prompt.size() &&
                         std::equal(history.begin(), history.end(), prompt.begin());
  if (is_prefix) return prompt.subspan(history.size());
  session.reset();
  return prompt;
}

}  // namespace

Result<ModelRunner> ModelRunner::create(const Registry& registry, engine::ThreadPool& pool,
                                        const engine::Model& assistant, uint32_t layer,
                                        const engine::SessionOptions& options) {
  if (layer > assistant.config().n_layers)
    return make_error(ErrorCode::kUnsupported, "routing.layer: expected at most {}, the layers of {}, found {}",
                      assistant.config().n_layers, assistant.file().path().string(), layer);
  SAIN_ASSIGN_OR_RETURN(engine::Session session, engine::Session::create(assistant, pool, fitted(options, assistant)));
  return ModelRunner(registry, pool, layer, options, std::move(session));
}

Result<std::vector<float>> ModelRunner::features(std::string_view text) {
  constexpr size_t kHead = 256, kTail = 128;
  const formats::Tokenizer& tokenizer = assistant_session_.model().tokenizer();
  std::vector<Token> tokens = tokenizer.encode(text, formats::SpecialTokens::kAsText);
  if (tokens.empty()) return make_error(ErrorCode::kInvalidArgument, "the request is empty");
  const size_t limit = std::min<size_t>(kHead + kTail, assistant_session_.context_length() - 1);
  if (tokens.size() > limit) {
    const size_t tail = std::min(kTail, limit / 2);
    tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(limit - tail),
                 tokens.end() - static_cast<std::ptrdiff_t>(tail));
  }
  if (tokenizer.add_bos() && tokenizer.bos()) tokens.insert(tokens.begin(), *tokenizer.bos());
  return assistant_session_.hidden_state(tokens, layer_);
}

Result<Answer> ModelRunner::answer(SpecialistId id, const engine::Model& model, const ContextManager& context,
                                   std::string_view request, std::stop_token stop, engine::TokenSink& sink) {
  const MemberConfig& member = registry_->member(id);
  const engine::SessionOptions options = fitted(options_, model);
  const std::time_t now = std::time(nullptr);
  engine::GenerateOptions generate;
  const uint32_t answer_tokens = std::min(member.max_tokens, options.context_length / 2);
  generate.max_tokens = options.policy == engine::ContextPolicy::kStream ? member.max_tokens : answer_tokens;
  generate.stop_strings = member.stop_strings;
  generate.sampler = member.sampling;
  if (model.chat_template() == nullptr)
    for (std::string& stop_string : plain_stop_strings()) generate.stop_strings.push_back(std::move(stop_string));

  std::vector<Token> prompt;
  const auto count_tokens = [&](std::span<const Message> messages) -> Result<size_t> {
    SAIN_ASSIGN_OR_RETURN(const std::vector<Token> tokens, render_prompt(model, messages, now));
    return tokens.size();
  };
  SAIN_ASSIGN_OR_RETURN(
      const ContextWindow window,
      context.build(member.system_prompt, request, options.context_length - answer_tokens, count_tokens));
  SAIN_ASSIGN_OR_RETURN(prompt, render_prompt(model, window.messages, now));

  Result<engine::Generation> generation = Error{};
  if (id == kAssistant) {
    generation = assistant_session_.generate(continue_session(assistant_session_, prompt), generate, stop, sink);
    if (!generation) assistant_session_.reset();
  } else {
    SAIN_ASSIGN_OR_RETURN(engine::Session session, engine::Session::create(model, *pool_, options));
    generation = session.generate(prompt, generate, stop, sink);
  }
  if (!generation) return std::move(generation).error();
  return Answer{std::move(generation->text), generation->finish_reason, window.n_dropped_turns, generation->timings};
}

}  // namespace sain::router
