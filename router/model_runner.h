// Runs the models for the router: features of a request, and answers of members.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "engine/thread_pool.h"
#include "formats/result.h"
#include "router/context_manager.h"
#include "router/coordinator.h"
#include "router/registry.h"

namespace sain::router {

/// Owns the assistant's session, which keeps its KV cache between requests; a specialist's lasts for one answer, and
/// leaves what it has computed to the next one in SessionOptions::prefixes.
/// Used by one thread at a time. Registry, pool and the assistant's model must outlive it.
class ModelRunner {
 public:
  /// Errors: kUnsupported when the assistant has fewer than `layer` layers; those of Session::create.
  static Result<ModelRunner> create(const Registry& registry, engine::ThreadPool& pool, const engine::Model& assistant,
                                    uint32_t layer, const engine::SessionOptions& options, ConversationPolicy policy);

  /// The mean hidden state of the assistant over the text's tokens, after the configured layer. Of a long text the
  /// first 256 and the last 128 tokens count: what is asked for stands at one end. Errors: kInvalidArgument (no
  /// tokens).
  Result<std::vector<float>> features(std::string_view text);

  /// The answer of member `id`, whose model is `model`, to `request` after the turns of `context`, in which it makes
  /// room by the policy; `status` hears of each summary. Half of the model's context is room for the answer at most,
  /// unless it is a stream. Errors: those of ContextManager::fit and Session::generate.
  Result<Answer> answer(SpecialistId id, const engine::Model& model, ContextManager& context, std::string_view request,
                        std::stop_token stop, const StatusSink& status, engine::TokenSink& sink);

  /// Keeps what all prompts of member `id` begin with in a snapshot, so that its first answer is as quick as the
  /// others. Errors: those of Session::create.
  Status prepare(SpecialistId id, const engine::Model& model, std::stop_token stop);

  /// Leaves nothing of a conversation in memory.
  void forget();

 private:
  Status keep_beginning(engine::Session& session, const MemberConfig& member, std::time_t now,
                        std::span<const engine::Token> prompt, const std::stop_token& stop) const;

  ModelRunner(const Registry& registry, engine::ThreadPool& pool, uint32_t layer, const engine::SessionOptions& options,
              ConversationPolicy policy, engine::Session session)
      : registry_(&registry),
        pool_(&pool),
        layer_(layer),
        options_(options),
        policy_(policy),
        assistant_session_(std::move(session)) {}

  const Registry* registry_;
  engine::ThreadPool* pool_;
  uint32_t layer_;
  engine::SessionOptions options_;
  ConversationPolicy policy_;
  engine::Session assistant_session_;
};

}  // namespace sain::router
