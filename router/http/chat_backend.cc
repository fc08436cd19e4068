#include "router/http/chat_backend.h"

#include <utility>

namespace sain::router {
namespace {

class RoutedTeam : public ChatTeam {
 public:
  RoutedTeam(std::shared_ptr<Team> team, Residency& residency) : team_(std::move(team)), residency_(residency) {}
  const RegistrySnapshot& members() const override { return team_->members(); }
  Status handle(Conversation& conversation, std::string_view request, const RequestOptions& options,
                const EventSink& sink, std::stop_token stop) override {
    return team_->coordinator().handle(conversation, request, options, sink, std::move(stop));
  }

  Result<size_t> count_tokens(SpecialistId member, const Conversation& conversation, std::string_view request,
                              const AnswerOptions& options, std::stop_token stop) override {
    if (team_->registry().member(member).cloud)
      return make_error(ErrorCode::kUnsupported, "model: the tokens of a member in the cloud cannot be counted");
    SAIN_ASSIGN_OR_RETURN(const ModelLease lease, residency_.acquire(member, {.stop = std::move(stop)}));
    return team_->runner().count_tokens(member, lease.model(), conversation.context,
                                        {.text = request, .answer = options});
  }

 private:
  std::shared_ptr<Team> team_;
  Residency& residency_;
};

}  // namespace

ChatBackend backend_of(RoutedChat& chat, std::string program) {
  const auto report = [&chat, program = std::move(program)] {
    StatusReport status = chat.status();
    status.program = program;
    return status;
  };
  return {.team = [&chat] { return std::make_shared<RoutedTeam>(chat.team(), chat.residency()); },
          .status = [report] { return to_json(report()); },
          .metrics = [&chat, report] { return chat.metrics().prometheus(report()); },
          .embed =
              [&chat](const EmbeddingInput& input) {
                return std::visit([&chat](const auto& given) { return chat.embed(given); }, input);
              },
          .forget =
              [&chat] {
                Conversation none;
                chat.forget(none);
              },
          .encoder = chat.config().routing.encoder};
}

}  // namespace sain::router
