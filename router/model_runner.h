// Runs the models for the router: answers of members, and what the assistant says beside them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"
#include "engine/thread_pool.h"
#include "formats/result.h"
#include "router/conversation.h"
#include "router/coordinator.h"
#include "router/registry.h"

namespace sain::router {

/// Sessions last for one answer, and leave what they have computed to the next one in SessionOptions::prefixes; with
/// ConversationPolicy::kStream the assistant's is the conversation's own. Thread-safe. Registry, pool and the
/// assistant's model must outlive it.
class ModelRunner {
 public:
  ModelRunner(const Registry& registry, engine::ThreadPool& pool, const engine::Model& assistant,
              const engine::SessionOptions& options, ConversationPolicy policy);

  /// The answer of member `id`, whose model is `model`, to `asked` after the turns of the conversation, in which it
  /// makes room by the policy; `events` hears of each summary, and of the handoff. Half of the model's context is room
  /// for the answer at most, unless it is a stream. Errors: those of ContextManager::fit, of Session and, where the
  /// member has one, of its adapter.
  Result<Answer> answer(SpecialistId id, const engine::Model& model, Conversation& conversation,
                        const MemberRequest& asked, std::stop_token stop, const EventSink& events,
                        engine::TokenSink& sink) const;

  /// After an answer, while nobody waits: where a conversation fills most of the assistant's context, puts the summary
  /// into it that the next answer would have to wait for (ConversationPolicy::kCompact), and computes what the
  /// assistant's next prompt will begin with. A stop request leaves the conversation as it was.
  void settle(Conversation& conversation, std::stop_token stop) const;

  /// Tokens of the prompt that answer() would read. Errors: those of render_prompt().
  Result<size_t> count_tokens(SpecialistId id, const engine::Model& model, const ContextManager& context,
                              const MemberRequest& asked) const;

  /// A sentence or two of the assistant to a user who waits for specialist `id`. Nothing where it cannot be.
  void talk(SpecialistId id, std::string_view request, std::stop_token stop, engine::TokenSink& sink) const;

  /// What the assistant itself thinks: for each of `members` the probability that it should answer, from the logits of
  /// one token, a letter that stands for it. Errors: those of Session.
  Result<std::vector<double>> vote(std::string_view request, std::span<const SpecialistId> members,
                                   std::stop_token stop) const;

  /// How probable it is, as the assistant thinks, that `candidate` in `text` is a person's name; -1 where it cannot
  /// say. For PersonalDataOptions::name_vote.
  double name_vote(std::string_view text, std::string_view candidate) const;

  /// Keeps what all prompts of member `id` begin with in a snapshot, so that its first answer is as quick as the
  /// others. Errors: those of Session::create.
  Status prepare(SpecialistId id, const engine::Model& model, std::stop_token stop) const;

  /// Leaves nothing of any conversation in memory.
  void forget() const;

  /// Of the adapters that are loaded: each at its member's first answer, for as long as this lives.
  uint64_t adapter_bytes() const;

 private:
  Status keep_beginning(engine::Session& session, const MemberConfig& member, std::time_t now,
                        std::span<const engine::Token> prompt, const std::stop_token& stop) const;
  Result<std::vector<double>> choose(const std::string& question, size_t n, std::stop_token stop) const;
  Result<std::shared_ptr<const engine::CompiledGrammar>> grammar(const engine::Model& model,
                                                                 const AnswerOptions& answer) const;
  Result<engine::Session> session(const engine::Model& model) const;
  Result<engine::Session> session(const MemberConfig& member, const engine::Model& model,
                                  bool is_repeatable = false) const;

  const Registry* registry_;
  engine::ThreadPool* pool_;
  const engine::Model* assistant_;
  engine::SessionOptions options_;
  ConversationPolicy policy_;
  mutable FormCache forms_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const engine::Adapter>> adapters_;  // by name of the member
};

}  // namespace sain::router
