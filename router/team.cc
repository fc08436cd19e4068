#include "router/team.h"

#include <algorithm>
#include <utility>

namespace sain::router {

Team::Team(Config config, const Team* before, const TeamResources& resources)
    : config_(std::move(config)),
      registry_(config_, before == nullptr ? nullptr : &before->registry_),
      runner_(registry_, resources.pool, resources.assistant, resources.session, resources.policy) {}

Result<std::shared_ptr<Team>> Team::assemble(Config config, const Team* before, const TeamResources& resources,
                                             const TrainingObserver& observer, Retrain retrain, std::stop_token stop) {
  std::shared_ptr<Team> team(new Team(std::move(config), before, resources));
  SAIN_ASSIGN_OR_RETURN(Classifier classifier,
                        Classifier::open(team->registry_, resources.features, resources.feature_key, resources.folder,
                                         observer, retrain, std::move(stop)));
  team->classifier_ = std::make_unique<Classifier>(std::move(classifier));
  const Config& said = team->config_;
  if (std::ranges::any_of(said.specialists, [](const MemberConfig& member) { return member.cloud.has_value(); })) {
    SAIN_ASSIGN_OR_RETURN(team->cloud_,
                          CloudRunner::open(team->registry_, said.privacy, resources.session.context_length,
                                            resources.folder, [runner = &team->runner_](auto text, auto candidate) {
                                              return runner->name_vote(text, candidate);
                                            }));
  }
  const RoutePolicy policy{.threshold = said.routing.threshold,
                           .min_familiarity = said.routing.familiarity,
                           .stickiness = said.routing.stickiness};
  const CoordinatorOptions options{.policy = policy,
                                   .vote_weight = said.routing.vote_weight,
                                   .draft_confidence = said.routing.draft_confidence,
                                   .prefetch = said.prefetch && !said.unload_after_answer,
                                   .talk_after = std::chrono::milliseconds(said.talk_after_ms),
                                   .load_timeout = std::chrono::seconds(said.load_timeout_s),
                                   .answer_timeout = std::chrono::seconds(said.answer_timeout_s)};
  team->coordinator_ = std::make_unique<Coordinator>(team->registry_, resources.residency, resources.transitions,
                                                     options, team->parts(resources.serving));
  return team;
}

CoordinatorParts Team::parts(ServingMetrics& serving) const {
  CoordinatorParts parts;
  parts.serving = &serving;
  parts.classify = [this](std::string_view text) { return classifier_->classify(text); };
  parts.answer = [this](SpecialistId id, const ModelLease& lease, Conversation& conversation,
                        const MemberRequest& request, std::stop_token stop, const EventSink& events,
                        engine::TokenSink& sink) {
    if (registry_.member(id).cloud) return cloud_->answer(id, conversation, request, stop, events, sink);
    return runner_.answer(id, lease.model(), conversation, request, stop, events, sink);
  };
  parts.vote = [this](std::string_view request, std::span<const SpecialistId> members) {
    return runner_.vote(request, members, {});
  };
  parts.talk = [this](SpecialistId id, std::string_view request, std::stop_token stop, engine::TokenSink& sink) {
    runner_.talk(id, request, stop, sink);
  };
  return parts;
}

}  // namespace sain::router
