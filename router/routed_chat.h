// A configuration brought to life: everything that answers routed requests, put together.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/session.h"
#include "engine/thread_pool.h"
#include "engine/tuning.h"
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

struct RoutedChatOptions {
  engine::SessionOptions session = {};            // context_length 0: what the configuration says
  std::optional<ConversationPolicy> policy = {};  // none: what the configuration says
  std::filesystem::path snapshots = {};           // folder of a PrefixStore; empty: none are kept
  unsigned threads = 0;  // 0: what the configuration says, or session.tuning where it says nothing
  Retrain retrain = Retrain::kIfStale;
  std::stop_token stop = {};       // ends the load and the training with kCancelled
  StatusSink on_status = {};       // while the assistant loads
  TrainingObserver observer = {};  // while the router is trained, and about specialists that are missing
};

/// Owns a pool, the assistant (loaded for as long as this lives) and the parts around it.
class RoutedChat {
 public:
  /// Loads the assistant, and the router's head or trains it. A specialist whose model is missing is only told to the
  /// observer: its requests fall back to the assistant. Errors: the assistant's, and those of training.
  static Result<std::unique_ptr<RoutedChat>> open(const Config& config, const RoutedChatOptions& options);

  const Config& config() const { return config_; }
  const Registry& registry() const { return registry_; }
  Residency& residency() { return *residency_; }
  const Classifier& classifier() const { return *classifier_; }
  const std::filesystem::path& head_file() const { return head_file_; }
  Coordinator& coordinator() { return *coordinator_; }

  /// Keeps the beginnings of all members' prompts in snapshots, for which each is loaded once. One that cannot be is
  /// only told to the observer. Errors: kCancelled.
  Status prepare(const TrainingObserver& observer, std::stop_token stop);

  /// Forgets a conversation, and all that was computed of any.
  void forget(Conversation& conversation);

  /// What goes on, with an account of memory: what counts against the budget, and what the program itself takes. May be
  /// called by any thread.
  StatusReport status() const;
  ServingMetrics& metrics() { return serving_; }

  ~RoutedChat();  // keeps the transitions that were counted

 private:
  RoutedChat(const Config& config, const engine::Tuning& tuning)
      : config_(config), registry_(config), pool_(tuning), serving_("sain", registry_.snapshot().names) {}
  std::optional<engine::Encoder> find_encoder(const TrainingObserver& observer,
                                              std::vector<std::filesystem::path>& files);

  // In this order: the later ones refer to the earlier ones.
  Config config_;
  Registry registry_;
  engine::ThreadPool pool_;
  mutable ServingMetrics serving_;
  uint64_t program_bytes_ = 0;  // resident before anything was loaded
  std::shared_ptr<engine::PrefixStore> prefixes_;
  std::unique_ptr<Residency> residency_;
  ModelLease assistant_;
  std::unique_ptr<ModelRunner> runner_;
  std::filesystem::path head_file_;
  std::mutex classifying_;
  std::unique_ptr<Classifier> classifier_;
  Transitions transitions_;
  std::unique_ptr<CloudRunner> cloud_;  // where a specialist is in the cloud
  std::unique_ptr<Coordinator> coordinator_;
};

/// The file of a model that a configuration names: relative to the configuration, else as resolve_model() finds it.
Result<std::filesystem::path> find_model_file(const Config& config, const std::string& model);

}  // namespace sain::router
