#include "router/routed_chat.h"

#include <fmt/ranges.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <system_error>

#include "router/catalog.h"
#include "router/monitoring/process_memory.h"
#include "router/monitoring/residency_report.h"
#include "router/packages/merge.h"

namespace sain::router {
namespace {

/// In use: tokenizers, the router's head, conversations.
uint64_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::filesystem::path router_folder() {
  return cache_dir() / "router";
}

std::filesystem::path transitions_file() {
  return router_folder() / "transitions.toml";
}

engine::Tuning tuning_of(const Config& config, const RoutedChatOptions& options) {
  engine::Tuning tuning = options.session.tuning;
  if (const unsigned threads = options.threads ? options.threads : config.threads; threads != 0)
    tuning.n_threads = threads;
  return tuning;
}

}  // namespace

Result<std::filesystem::path> find_model_file(const Config& config, const std::string& model) {
  std::error_code ignored;
  const std::filesystem::path beside = config.directory / model;
  if (!config.directory.empty() && std::filesystem::is_regular_file(beside, ignored)) return beside;
  auto file = resolve_model(model);
  if (!file) return make_error(file.error().code, "{}: model: {}", config.file, file.error().message);
  return file;
}

RoutedChat::RoutedChat(const Config& config, const RoutedChatOptions& options, const engine::Tuning& tuning)
    : config_(config), options_(options), pool_(tuning), serving_("sain", {}), program_bytes_(rss_bytes()) {}

Result<std::unique_ptr<RoutedChat>> RoutedChat::open(const Config& config, const RoutedChatOptions& options) {
  SAIN_ASSIGN_OR_RETURN(const std::filesystem::path assistant, find_model_file(config, config.assistant.model));
  engine::SessionOptions session = options.session;
  if (session.context_length == 0) session.context_length = config.context_length;
  session.tuning = tuning_of(config, options);
  std::unique_ptr<RoutedChat> chat(new RoutedChat(config, options, session.tuning));
  // Prefixes in memory are a part of the budget like everything else.
  const uint64_t prefix_bytes = config.memory_budget_bytes / 32;
  chat->prefixes_ = session.prefixes = std::make_shared<engine::PrefixStore>(
      engine::PrefixStoreOptions{.memory_bytes = prefix_bytes,
                                 .directory = options.snapshots,
                                 .warn = [self = chat.get()](const std::string& message) { self->say(message); }});
  const uint64_t device_bytes =
      options.accelerator != nullptr ? std::min(config.memory_budget_bytes, options.accelerator->available_bytes()) : 0;
  chat->residency_ = std::make_unique<Residency>(
      gguf_model_source(session.context_length, session.kv(), session.tuning.isa, options.accelerator,
                        [self = chat.get()](const std::string& message) { self->say(message); }),
      std::vector<std::filesystem::path>{assistant},
      ResidencyOptions{
          .budget_bytes = config.memory_budget_bytes - prefix_bytes,
          .device_budget_bytes = device_bytes,
          .keep_loaded = config.unload_after_answer ? KeepLoaded::kWhileLeased : KeepLoaded::kUntilNeeded});
  SAIN_ASSIGN_OR_RETURN(
      chat->assistant_,
      chat->residency_->acquire(kAssistant, {.status = options.on_status, .stop = options.stop, .is_pinned = true}));

  const Status counted = chat->transitions_.load(transitions_file());
  if (!counted && counted.error().code != ErrorCode::kNotFound) chat->say(counted.error().message);
  SAIN_ASSIGN_OR_RETURN(TeamResources resources, chat->resources(session));
  chat->resources_.emplace(std::move(resources));
  SAIN_RETURN_IF_ERROR(chat->take_over(options.observer, options.retrain, options.stop));
  return chat;
}

Result<TeamResources> RoutedChat::resources(const engine::SessionOptions& session) {
  const engine::Model& assistant = assistant_.model();
  std::vector<std::filesystem::path> files = {assistant.file().path()};
  std::optional<engine::Encoder> encoder = find_encoder(files);
  HiddenState hidden;
  if (!encoder) {
    SAIN_ASSIGN_OR_RETURN(hidden, hidden_state_of(assistant, pool_, config_.routing.layer, session));
  }
  SAIN_ASSIGN_OR_RETURN(const HeadKey key, feature_key(files, config_.routing.layer));
  return TeamResources{
      .pool = pool_,
      .residency = *residency_,
      .assistant = assistant,
      .transitions = transitions_,
      .serving = serving_,
      .features = std::make_shared<FeatureExtractor>(std::move(hidden), assistant.config().d_model, std::move(encoder)),
      .feature_key = key,
      .session = session,
      .policy = options_.policy.value_or(config_.context_policy),
      .folder = router_folder()};
}

/// Without its encoder the router works, and less well.
std::optional<engine::Encoder> RoutedChat::find_encoder(std::vector<std::filesystem::path>& files) {
  if (config_.routing.encoder.empty()) return std::nullopt;
  const auto file = find_model_file(config_, config_.routing.encoder);
  auto encoder = file ? engine::Encoder::load(*file, pool_) : Result<engine::Encoder>(file.error());
  if (!encoder) {
    say(fmt::format("routing without its encoder: {}", encoder.error().message));
    return std::nullopt;
  }
  files.push_back(*file);
  return *std::move(encoder);
}

namespace {

/// About what adapters take once they are loaded.
uint64_t adapter_file_bytes(const Config& config) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const MemberConfig& member : config.specialists) {
    const uint64_t size = member.adapter.empty() ? 0 : std::filesystem::file_size(member.adapter, error);
    if (!error) bytes += size;
  }
  return bytes;
}

}  // namespace

/// A team of the specialists that there are now.
Status RoutedChat::take_over(const TrainingObserver& observer, Retrain retrain, std::stop_token stop) {
  const std::shared_ptr<Team> before = team();
  const uint64_t stamp = options_.packages ? options_.packages->stamp() : 0;
  Config config = config_;
  if (options_.packages)
    config = with_packages(config_, *options_.packages, [this](std::string_view line) { say(line); });
  SAIN_ASSIGN_OR_RETURN(std::shared_ptr<Team> next, Team::assemble(std::move(config), before.get(), *resources_,
                                                                   observer, retrain, std::move(stop)));
  residency_->reserve(resources_->features->bytes() + next->classifier().head().bytes() +
                      adapter_file_bytes(next->config()));
  serving_.set_members(next->members().names);
  const std::vector<std::filesystem::path> files = model_files(*next);
  const std::lock_guard lock(mutex_);
  residency_->assign(files);
  team_ = std::move(next);
  packages_stamp_ = stamp;
  return {};
}

/// By SpecialistId. A specialist that cannot be found keeps its name for a path: loading it will fail, and say so.
std::vector<std::filesystem::path> RoutedChat::model_files(const Team& team) const {
  std::vector<std::filesystem::path> files = {assistant_.model().file().path()};
  for (size_t i = 1; i < team.registry().size(); ++i) {
    const MemberConfig& member = team.registry().member(SpecialistId(i));
    if (member.model.empty()) {  // it is in the cloud, or gone: a name that no file has
      files.push_back(std::filesystem::path("nowhere") / member.name);
      continue;
    }
    auto file = find_model_file(config_, member.model);
    if (!file) say(fmt::format("the {} specialist is missing: {}", member.name, file.error().message));
    files.push_back(file ? *std::move(file) : std::filesystem::path(member.model));
  }
  return files;
}

std::shared_ptr<Team> RoutedChat::team() const {
  const std::lock_guard lock(mutex_);
  return team_;
}

Result<bool> RoutedChat::refresh(std::stop_token stop) {
  const std::lock_guard lock(refreshing_);
  if (!options_.packages || options_.packages->stamp() == packages_stamp_) return false;
  SAIN_RETURN_IF_ERROR(take_over({.say = options_.observer.say}, Retrain::kIfStale, std::move(stop)));
  return true;
}

void RoutedChat::watch_packages(std::function<void(std::string_view line)> on_change) {
  watcher_ = std::jthread([this, on_change = std::move(on_change)](const std::stop_token& stop) {
    constexpr std::chrono::seconds kInterval{1};
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    uint64_t failed_stamp = 0;  // is not tried again
    while (!never.wait_for(lock, stop, kInterval, [] { return false; }) && !stop.stop_requested()) {
      const uint64_t stamp = options_.packages ? options_.packages->stamp() : 0;
      if (stamp == failed_stamp) continue;
      const auto refreshed = refresh(stop);
      failed_stamp = refreshed ? 0 : stamp;
      if (!refreshed && !stop.stop_requested()) on_change(refreshed.error().message);
      if (refreshed && *refreshed)
        on_change(fmt::format("the specialists are now @{}", fmt::join(team()->members().present_names(), ", @")));
    }
  });
}

void RoutedChat::say(std::string_view line) const {
  if (options_.observer.say) options_.observer.say(line);
}

StatusReport RoutedChat::status() const {
  StatusReport report = serving_.report();
  uint64_t head = 0, adapters = 0;
  {
    const std::lock_guard lock(mutex_);
    add_residency(report, *residency_, team_->members());
    if (options_.accelerator != nullptr) {
      report.device.name = options_.accelerator->name();
      report.device.used_bytes = options_.accelerator->used_bytes();
    }
    head = team_->classifier().head().bytes();
    adapters = team_->runner().adapter_bytes();
  }
  const uint64_t heap = heap_bytes();
  report.memory.push_back({"prefixes", prefixes_->memory_bytes()});
  report.memory.push_back({"encoder", resources_->features->bytes()});
  report.memory.push_back({"router", head});
  report.memory.push_back({"adapters", adapters});
  report.memory.push_back({"program", program_bytes_ + heap - std::min(heap, head)});
  return report;
}

RoutedChat::~RoutedChat() {
  // That it cannot be kept costs the next start a few predictions.
  if (team_) [[maybe_unused]]
    const Status kept = transitions_.save(transitions_file());
}

Status RoutedChat::prepare(const TrainingObserver& observer, std::stop_token stop) {
  const std::shared_ptr<Team> team = this->team();
  for (size_t i = 0; i < team->registry().size(); ++i) {
    const auto id = SpecialistId(i);
    if (team->registry().member(id).model.empty()) continue;
    const auto lease = residency_->acquire(id, {.stop = stop});
    const Status status = lease ? team->runner().prepare(id, lease->model(), stop) : Status(lease.error());
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "preparing the specialists was stopped");
    if (!status && observer.say) observer.say(fmt::format("{}: {}", team->members().names[i], status.error().message));
  }
  return {};
}

void RoutedChat::forget(Conversation& conversation) {
  conversation.reset();
  team()->runner().forget();
}

Result<Embedding> RoutedChat::embed(std::string_view text) {
  if (resources_->features->has_encoder()) return resources_->features->embed(text);
  SAIN_ASSIGN_OR_RETURN(std::vector<float> values, resources_->features->hidden_state(text));
  double squares = 0;
  for (const float value : values) squares += double{value} * double{value};
  for (float& value : values) value = static_cast<float>(value / std::sqrt(squares));
  const formats::Tokenizer& tokenizer = assistant_.model().tokenizer();
  return Embedding{std::move(values), tokenizer.encode(text, formats::SpecialTokens::kAsText).size()};
}

Result<Embedding> RoutedChat::embed(std::span<const engine::Token> tokens) {
  return resources_->features->embed(tokens);
}

}  // namespace sain::router
