#include "router/cloud/cloud_runner.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <system_error>

#include "router/privacy/personal_data.h"

namespace sain::router {

Result<std::unique_ptr<CloudRunner>> CloudRunner::open(const Registry& registry, const PrivacyConfig& privacy,
                                                       uint32_t context_length,
                                                       const std::filesystem::path& audit_folder, NameVote name_vote) {
  std::error_code error;
  std::filesystem::create_directories(audit_folder, error);
  if (error) return make_error(ErrorCode::kIo, "{}: {}", audit_folder.string(), error.message());
  AuditLogOptions options;
  options.file = audit_folder / "audit.jsonl";
  options.retention = std::chrono::hours(24) * privacy.audit_days;
  SAIN_ASSIGN_OR_RETURN(AuditLog log, AuditLog::open(options));
  return std::unique_ptr<CloudRunner>(
      new CloudRunner(registry, privacy, context_length, std::move(log), std::move(name_vote)));
}

Result<Answer> CloudRunner::answer(SpecialistId id, const Conversation& conversation, const MemberRequest& asked,
                                   std::stop_token stop, const EventSink& events, engine::TokenSink& sink) {
  const auto start = std::chrono::steady_clock::now();
  const auto ms = [&start] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  };
  if (asked.answer.form != nullptr || asked.answer.tools != nullptr)
    return make_error(ErrorCode::kUnsupported, "it is not on this machine, and cannot promise an answer's form");
  const MemberConfig member = with(registry_.member(id), asked.answer);
  const CloudConfig& cloud = *member.cloud;
  const uint32_t answer_tokens = std::min(member.max_tokens, context_length_ / 2);
  const CountTokens count_tokens = [](std::span<const Message> messages) -> Result<size_t> {
    size_t n_bytes = 0;
    for (const Message& message : messages) n_bytes += message.content.size();
    return n_bytes / 4;
  };
  SAIN_ASSIGN_OR_RETURN(
      const ContextWindow window,
      conversation.context.build(member.system_prompt, asked.text, context_length_ - answer_tokens, count_tokens));
  const CloudOptions options = {.url = cloud.url,
                                .model = cloud.model,
                                .key_variable = cloud.key_variable,
                                .max_tokens = answer_tokens,
                                .temperature = member.sampling.temperature};

  std::vector<PersonalData> findings;
  for (const Message& message : window.messages)
    std::ranges::move(find_personal_data(message.content, {.level = privacy_.level, .name_vote = name_vote_}),
                      std::back_inserter(findings));
  AuditEntry entry = {.request_id = make_opaque_id(),
                      .conversation_id = conversation.id,
                      .level = privacy_.level,
                      .decision = decide_privacy(findings, privacy_.level, AnswerPlace::kCloud),
                      .member = member.name,
                      .answered = AnswerPlace::kCloud,
                      .cloud_bytes = cloud_request_body(window.messages, options).size()};
  if (entry.decision.is_kept_back) {
    entry.answered = AnswerPlace::kLocal;
    entry.cloud_bytes = 0;
    SAIN_RETURN_IF_ERROR(log_.append(entry));
    return make_error(ErrorCode::kUnsupported, "it is not on this machine, which personal data does not leave ({})",
                      describe(entry.decision));
  }
  SAIN_RETURN_IF_ERROR(log_.append(entry));
  events(HandoffEvent{id, conversation.context.turns().size() - window.n_dropped_turns, window.n_tokens, 0, ms()});
  CloudClient client;
  auto answer = client.chat(window.messages, options, stop, sink);
  if (!answer) {
    entry.answered = AnswerPlace::kLocal;  // somebody else will have to
    entry.cloud_bytes = 0;
    [[maybe_unused]] const Status noted = log_.append(entry);  // the line that counts is written
    return std::move(answer).error();
  }
  engine::Timings timings;
  timings.first_token_ms = answer->first_token_ms;
  timings.prefill_tokens = answer->prompt_tokens;
  timings.prefill_ms = answer->first_token_ms;
  timings.decode_tokens = answer->completion_tokens;
  timings.decode_ms = ms() - answer->first_token_ms;
  return Answer{std::move(answer->text),  answer->finish_reason, window.n_dropped_turns, {}, timings,
                answer->completion_tokens};
}

}  // namespace sain::router
