// Who answers at one time, and all that depends on it.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <vector>

#include "engine/session.h"
#include "engine/thread_pool.h"
#include "router/classifier.h"
#include "router/cloud/cloud_runner.h"
#include "router/config.h"
#include "router/coordinator.h"
#include "router/model_runner.h"
#include "router/monitoring/serving_metrics.h"
#include "router/registry.h"
#include "router/residency.h"
#include "router/transitions.h"

namespace sain::router {

/// What teams share, one after the other; outlives them all.
struct TeamResources {
  engine::ThreadPool& pool;
  Residency& residency;
  const engine::Model& assistant;
  Transitions& transitions;
  ServingMetrics& serving;
  std::shared_ptr<FeatureExtractor> features;
  HeadKey feature_key;
  engine::SessionOptions session;
  ConversationPolicy policy;
  std::filesystem::path folder;  // of what the router keeps
};

/// Never changes: other specialists make another team, while those who began with this one go on with it. Thread-safe,
/// as far as its parts are.
class Team {
 public:
  /// Trains the router where that is needed. `before` is the team whose place it takes. Errors: those of training.
  static Result<std::shared_ptr<Team>> assemble(Config config, const Team* before, const TeamResources& resources,
                                                const TrainingObserver& observer, Retrain retrain,
                                                std::stop_token stop);

  const Config& config() const { return config_; }
  const Registry& registry() const { return registry_; }
  const RegistrySnapshot& members() const { return registry_.snapshot(); }
  const Classifier& classifier() const { return *classifier_; }
  const ModelRunner& runner() const { return runner_; }
  Coordinator& coordinator() { return *coordinator_; }

 private:
  Team(Config config, const Team* before, const TeamResources& resources);
  CoordinatorParts parts(ServingMetrics& serving) const;

  // In this order: the later ones refer to the earlier ones.
  Config config_;
  Registry registry_;
  ModelRunner runner_;
  std::unique_ptr<Classifier> classifier_;
  std::unique_ptr<CloudRunner> cloud_;  // where a specialist is in the cloud
  std::unique_ptr<Coordinator> coordinator_;
};

}  // namespace sain::router
