#include "router/http/chat_backend.h"

#include <utility>

namespace sain::router {
namespace {

class RoutedTeam : public ChatTeam {
 public:
  explicit RoutedTeam(std::shared_ptr<Team> team) : team_(std::move(team)) {}
  const RegistrySnapshot& members() const override { return team_->members(); }
  Status handle(Conversation& conversation, std::string_view request, const RequestOptions& options,
                const EventSink& sink, std::stop_token stop) override {
    return team_->coordinator().handle(conversation, request, options, sink, std::move(stop));
  }

 private:
  std::shared_ptr<Team> team_;
};

}  // namespace

ChatBackend backend_of(RoutedChat& chat, std::string program) {
  const auto report = [&chat, program = std::move(program)] {
    StatusReport status = chat.status();
    status.program = program;
    return status;
  };
  return {.team = [&chat] { return std::make_shared<RoutedTeam>(chat.team()); },
          .status = [report] { return to_json(report()); },
          .metrics = [&chat, report] { return chat.metrics().prometheus(report()); }};
}

}  // namespace sain::router
