// A configuration brought to life: everything that answers routed requests, put together.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/session.h"
#include "engine/thread_pool.h"
#include "engine/tuning.h"
#include "router/config.h"
#include "router/features.h"
#include "router/monitoring/serving_metrics.h"
#include "router/packages/store.h"
#include "router/residency.h"
#include "router/team.h"
#include "router/transitions.h"

namespace sain::router {

struct RoutedChatOptions {
  engine::SessionOptions session = {};                    // context_length 0: what the configuration says
  std::optional<ConversationPolicy> policy = {};          // none: what the configuration says
  std::filesystem::path snapshots = {};                   // folder of a PrefixStore; empty: none are kept
  std::shared_ptr<engine::Accelerator> accelerator = {};  // where models compute, within its memory; none: on the CPU
  unsigned threads = 0;  // 0: what the configuration says, or session.tuning where it says nothing
  Retrain retrain = Retrain::kIfStale;
  std::optional<PackageStore> packages = {};  // specialists that are installed join those of the configuration
  std::stop_token stop = {};                  // ends the load and the training with kCancelled
  StatusSink on_status = {};                  // while the assistant loads
  TrainingObserver observer = {};             // while the router is trained, and about specialists that are missing
};

/// Owns a pool, the assistant (loaded for as long as this lives) and the parts around it. Thread-safe.
class RoutedChat {
 public:
  /// Loads the assistant, and the router's head or trains it. A specialist whose model is missing is only told to the
  /// observer: its requests fall back to the assistant. Errors: the assistant's, and those of training.
  static Result<std::unique_ptr<RoutedChat>> open(const Config& config, const RoutedChatOptions& options);

  /// Who answers now. Whoever holds it may go on with it when others take over.
  std::shared_ptr<Team> team() const;
  Residency& residency() { return *residency_; }
  const Config& config() const { return config_; }  // without packages

  /// If other packages are active than before, trains the router for them and lets their team take over; requests that
  /// are being answered end with the models they have. True if it did. Errors: those of training, and the team stays.
  Result<bool> refresh(std::stop_token stop = {});

  /// Calls refresh() from a thread of its own whenever something has been installed or removed, and tells `on_change`
  /// there what came of it.
  void watch_packages(std::function<void(std::string_view line)> on_change);

  /// Keeps the beginnings of all members' prompts in snapshots, for which each is loaded once. One that cannot be is
  /// only told to the observer. Errors: kCancelled.
  Status prepare(const TrainingObserver& observer, std::stop_token stop);

  /// See FeatureExtractor::embed(). Without an encoder texts are embedded by the assistant's hidden state.
  Result<Embedding> embed(std::string_view text);
  Result<Embedding> embed(std::span<const engine::Token> tokens);

  /// Forgets a conversation, and all that was computed of any.
  void forget(Conversation& conversation);

  /// What goes on, with an account of memory: what counts against the budget, and what the program itself takes.
  StatusReport status() const;
  ServingMetrics& metrics() { return serving_; }

  ~RoutedChat();  // keeps the transitions that were counted

 private:
  RoutedChat(const Config& config, const RoutedChatOptions& options, const engine::Tuning& tuning);
  Result<TeamResources> resources(const engine::SessionOptions& session);
  std::optional<engine::Encoder> find_encoder(std::vector<std::filesystem::path>& files);
  Status take_over(const TrainingObserver& observer, Retrain retrain, std::stop_token stop);
  std::vector<std::filesystem::path> model_files(const Team& team) const;
  void say(std::string_view line) const;

  // In this order: the later ones refer to the earlier ones.
  Config config_;  // without packages
  RoutedChatOptions options_;
  engine::ThreadPool pool_;
  mutable ServingMetrics serving_;
  uint64_t program_bytes_ = 0;  // resident before anything was loaded
  std::shared_ptr<engine::PrefixStore> prefixes_;
  std::unique_ptr<Residency> residency_;
  ModelLease assistant_;
  Transitions transitions_;
  std::optional<TeamResources> resources_;
  std::mutex refreshing_;
  uint64_t packages_stamp_ = 0;  // of what team_ was made of
  mutable std::mutex mutex_;     // of team_, and that the residency's files are those of its members
  std::shared_ptr<Team> team_;
  std::jthread watcher_;
};

/// The file of a model that a configuration names: relative to the configuration, else as resolve_model() finds it.
Result<std::filesystem::path> find_model_file(const Config& config, const std::string& model);

}  // namespace sain::router
