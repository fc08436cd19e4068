// Answers of members that are not on this machine, for requests that may leave it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "router/cloud/chat_client.h"
#include "router/config.h"
#include "router/coordinator.h"
#include "router/privacy/audit_log.h"
#include "router/registry.h"

namespace sain::router {

/// Thread-safe. The registry must outlive it.
class CloudRunner {
 public:
  /// Opens the audit log in `audit_folder`, which is made when needed. `name_vote`: see PersonalDataOptions; asked only
  /// where the configuration says so. Errors: those of AuditLog::open, kIo.
  static Result<std::unique_ptr<CloudRunner>> open(const Registry& registry, const PrivacyConfig& privacy,
                                                   uint32_t context_length, const std::filesystem::path& audit_folder,
                                                   NameVote name_vote = {});

  /// Looks for personal data in everything that would be sent: system prompt, turns, request. Sends it only if there is
  /// none, or the level is off, and only after the audit log has it. Of a conversation that is too long the latest
  /// turns are sent, four bytes counted as a token. Errors: kUnsupported (personal data: it stays here), kIo (the audit
  /// log cannot be written), those of CloudClient::chat.
  Result<Answer> answer(SpecialistId id, const Conversation& conversation, const MemberRequest& asked,
                        std::stop_token stop, const EventSink& events, engine::TokenSink& sink);

 private:
  CloudRunner(const Registry& registry, const PrivacyConfig& privacy, uint32_t context_length, AuditLog log,
              NameVote name_vote)
      : registry_(registry), privacy_(privacy), context_length_(context_length), log_(std::move(log)) {
    if (privacy.name_vote) name_vote_ = std::move(name_vote);
  }

  const Registry& registry_;
  PrivacyConfig privacy_;
  uint32_t context_length_;
  AuditLog log_;
  NameVote name_vote_;
};

}  // namespace sain::router
