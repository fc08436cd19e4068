#include "router/routed_chat.h"

#include <malloc.h>

#include <algorithm>
#include <system_error>

#include "router/catalog.h"
#include "router/monitoring/process_memory.h"
#include "router/monitoring/residency_report.h"

namespace sain::router {
namespace {

/// One file a key, so that two configurations do not train each other's head away.
std::filesystem::path head_file_of(const HeadKey& key) {
  std::string name = "route-";
  for (size_t i = 0; i < 8; ++i) name += fmt::format("{:02x}", key[i]);
  return cache_dir() / "router" / (name + ".head");
}

/// In use: tokenizers, the router's head, conversations.
uint64_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::filesystem::path transitions_file() {
  return cache_dir() / "router" / "transitions.toml";
}

/// By SpecialistId. A specialist that cannot be found keeps its name for a path: loading it will fail, and say so.
Result<std::vector<std::filesystem::path>> model_files(const Config& config, const TrainingObserver& observer) {
  std::vector<std::filesystem::path> files;
  SAIN_ASSIGN_OR_RETURN(std::filesystem::path assistant, find_model_file(config, config.assistant.model));
  files.push_back(std::move(assistant));
  for (const MemberConfig& member : config.specialists) {
    if (member.cloud) {  // a name that no file has
      files.push_back(std::filesystem::path("cloud") / member.name);
      continue;
    }
    auto file = find_model_file(config, member.model);
    if (!file && observer.say)
      observer.say(fmt::format("the {} specialist is missing: {}", member.name, file.error().message));
    files.push_back(file ? *std::move(file) : std::filesystem::path(member.model));
  }
  return files;
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

Result<std::unique_ptr<RoutedChat>> RoutedChat::open(const Config& config, const RoutedChatOptions& options) {
  SAIN_ASSIGN_OR_RETURN(const std::vector<std::filesystem::path> files, model_files(config, options.observer));
  engine::SessionOptions session = options.session;
  if (session.context_length == 0) session.context_length = config.context_length;
  if (const unsigned threads = options.threads ? options.threads : config.threads; threads != 0) {
    session.tuning.n_threads = threads;
  }
  // Prefixes in memory are a part of the budget like everything else.
  const uint64_t prefix_bytes = config.memory_budget_bytes / 32;
  session.prefixes = std::make_shared<engine::PrefixStore>(
      engine::PrefixStoreOptions{.memory_bytes = prefix_bytes,
                                 .directory = options.snapshots,
                                 .warn = [say = options.observer.say](const std::string& message) {
                                   if (say) say(message);
                                 }});
  std::unique_ptr<RoutedChat> chat(new RoutedChat(config, session.tuning));
  chat->program_bytes_ = rss_bytes();
  chat->prefixes_ = session.prefixes;
  const Registry& registry = chat->registry_;

  chat->residency_ = std::make_unique<Residency>(
      gguf_model_source(session.context_length, session.kv(), session.tuning.isa), files,
      ResidencyOptions{
          .budget_bytes = config.memory_budget_bytes - prefix_bytes,
          .keep_loaded = config.unload_after_answer ? KeepLoaded::kWhileLeased : KeepLoaded::kUntilNeeded});
  SAIN_ASSIGN_OR_RETURN(
      chat->assistant_,
      chat->residency_->acquire(kAssistant, {.status = options.on_status, .stop = options.stop, .is_pinned = true}));

  SAIN_ASSIGN_OR_RETURN(ModelRunner runner,
                        ModelRunner::create(registry, chat->pool_, chat->assistant_.model(), config.routing.layer,
                                            session, options.policy.value_or(config.context_policy)));
  chat->runner_ = std::make_unique<ModelRunner>(std::move(runner));
  ModelRunner* const run = chat->runner_.get();

  std::vector<std::filesystem::path> feature_files = {files.front()};
  std::optional<engine::Encoder> encoder = chat->find_encoder(options.observer, feature_files);
  FeatureExtractor features([run](std::string_view text) { return run->features(text); },
                            chat->assistant_.model().config().d_model, std::move(encoder));
  SAIN_ASSIGN_OR_RETURN(const HeadKey key, route_head_key(feature_files, config.routing.layer, registry));
  chat->head_file_ = head_file_of(key);
  SAIN_ASSIGN_OR_RETURN(Classifier classifier, Classifier::open(registry, std::move(features), key, chat->head_file_,
                                                                options.observer, options.retrain, options.stop));
  chat->classifier_ = std::make_unique<Classifier>(std::move(classifier));

  chat->residency_->reserve(chat->classifier_->encoder_bytes() + chat->classifier_->head().bytes());

  const Status counted = chat->transitions_.load(transitions_file());
  if (!counted && counted.error().code != ErrorCode::kNotFound && options.observer.say)
    options.observer.say(counted.error().message);

  CoordinatorParts parts;
  parts.serving = &chat->serving_;
  parts.classify = [self = chat.get()](std::string_view text) {
    const std::lock_guard lock(self->classifying_);
    return self->classifier_->classify(text);
  };
  if (std::ranges::any_of(config.specialists, [](const MemberConfig& member) { return member.cloud.has_value(); })) {
    SAIN_ASSIGN_OR_RETURN(chat->cloud_,
                          CloudRunner::open(registry, config.privacy, session.context_length, cache_dir() / "router"));
  }
  parts.answer = [run, cloud = chat->cloud_.get(), &registry](
                     SpecialistId id, const ModelLease& lease, Conversation& conversation, std::string_view request,
                     std::stop_token stop, const EventSink& events, engine::TokenSink& sink) {
    if (registry.member(id).cloud) return cloud->answer(id, conversation, request, stop, events, sink);
    return run->answer(id, lease.model(), conversation, request, stop, events, sink);
  };
  parts.vote = [run](std::string_view request, std::span<const SpecialistId> members) {
    return run->vote(request, members, {});
  };
  parts.talk = [run](SpecialistId id, std::string_view request, std::stop_token stop, engine::TokenSink& sink) {
    run->talk(id, request, stop, sink);
  };
  const RoutePolicy policy{.threshold = config.routing.threshold,
                           .min_familiarity = config.routing.familiarity,
                           .stickiness = config.routing.stickiness};
  const CoordinatorOptions coordinator{.policy = policy,
                                       .vote_weight = config.routing.vote_weight,
                                       .prefetch = config.prefetch && !config.unload_after_answer,
                                       .talk_after = std::chrono::milliseconds(config.talk_after_ms),
                                       .load_timeout = std::chrono::seconds(config.load_timeout_s),
                                       .answer_timeout = std::chrono::seconds(config.answer_timeout_s)};
  chat->coordinator_ =
      std::make_unique<Coordinator>(registry, *chat->residency_, chat->transitions_, coordinator, std::move(parts));
  return chat;
}

StatusReport RoutedChat::status() const {
  StatusReport report = serving_.report();
  add_residency(report, *residency_, registry_.snapshot().names);
  const uint64_t head = classifier_->head().bytes(), heap = heap_bytes();
  report.memory.push_back({"prefixes", prefixes_->memory_bytes()});
  report.memory.push_back({"encoder", classifier_->encoder_bytes()});
  report.memory.push_back({"router", head});
  report.memory.push_back({"program", program_bytes_ + heap - std::min(heap, head)});
  return report;
}

RoutedChat::~RoutedChat() {
  // That it cannot be kept costs the next start a few predictions.
  if (coordinator_) [[maybe_unused]]
    const Status kept = transitions_.save(transitions_file());
}

/// Without its encoder the router works, and less well.
std::optional<engine::Encoder> RoutedChat::find_encoder(const TrainingObserver& observer,
                                                        std::vector<std::filesystem::path>& files) {
  if (config_.routing.encoder.empty()) return std::nullopt;
  const auto file = find_model_file(config_, config_.routing.encoder);
  auto encoder = file ? engine::Encoder::load(*file, pool_) : Result<engine::Encoder>(file.error());
  if (!encoder) {
    if (observer.say) observer.say(fmt::format("routing without its encoder: {}", encoder.error().message));
    return std::nullopt;
  }
  files.push_back(*file);
  return *std::move(encoder);
}

Status RoutedChat::prepare(const TrainingObserver& observer, std::stop_token stop) {
  const std::vector<std::string>& names = registry_.snapshot().names;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto id = SpecialistId(i);
    if (registry_.member(id).cloud) continue;
    const auto lease = residency_->acquire(id, {.stop = stop});
    const Status status = lease ? runner_->prepare(id, lease->model(), stop) : Status(lease.error());
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "preparing the specialists was stopped");
    if (!status && observer.say) observer.say(fmt::format("{}: {}", names[i], status.error().message));
  }
  return {};
}

void RoutedChat::forget(Conversation& conversation) {
  conversation.reset();
  runner_->forget();
}

}  // namespace sain::router
