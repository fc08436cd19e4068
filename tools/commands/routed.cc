#include "tools/commands/routed.h"

#include <filesystem>
#include <system_error>

#include "tools/progress_bar.h"

namespace sain::tools {

using nlohmann::ordered_json;

void add_routed_options(CLI::App& command, RoutedOptions& options) {
  command
      .add_option("--config", options.config,
                  "The assistant and its specialists (default: ./sain.toml, else the one built in)")
      ->type_name("FILE");
  add_run_options(command, options.run);
}

Result<router::Config> find_config(const std::string& path) {
  if (!path.empty()) return router::load_config(path);
  std::error_code ignored;
  if (std::filesystem::exists("sain.toml", ignored)) return router::load_config("sain.toml");
  return router::default_config();
}

Result<std::unique_ptr<router::RoutedChat>> open_routed_chat(const RoutedOptions& options, std::stop_token stop,
                                                             router::Retrain retrain) {
  SAIN_RETURN_IF_ERROR(options.run.check());
  if (options.run.window != 0 && !options.policy.empty() && options.policy != "stream")
    return make_error(ErrorCode::kInvalidArgument, "--policy: expected stream beside --window, found {}",
                      options.policy);
  SAIN_ASSIGN_OR_RETURN(const router::Config config, find_config(options.config));
  ProgressBar loading("Loading " + config.assistant.name);
  ProgressBar training("Training the router");
  router::RoutedChatOptions chat_options;
  chat_options.session = options.run.session(options.context, options.run.tuning());
  chat_options.policy = router::find_conversation_policy(options.run.window != 0 ? "stream" : options.policy);
  chat_options.threads = options.run.threads;
  chat_options.snapshots = prefix_folder();
  chat_options.retrain = retrain;
  chat_options.stop = std::move(stop);
  chat_options.on_status = [&loading](const router::StatusEvent& event) { loading.show_fraction(event.fraction); };
  chat_options.observer.say = [&loading](std::string_view line) {
    loading.clear();
    fmt::print(stderr, "sain: {}\n", line);
  };
  chat_options.observer.progress = [&](double fraction) {
    loading.clear();
    training.show_fraction(fraction);
  };
  return router::RoutedChat::open(config, chat_options);
}

ordered_json to_json(const router::RouteDecision& decision, const router::RegistrySnapshot& registry) {
  ordered_json probabilities = ordered_json::object();
  for (size_t i = 0; i < decision.probabilities.size(); ++i)
    probabilities[registry.names[i]] = decision.probabilities[i];
  return {{"specialist", registry.names[index(decision.target)]},
          {"confidence", decision.confidence},
          {"margin", decision.margin},
          {"familiarity", decision.familiarity},
          {"cause", to_string(decision.cause)},
          {"reason", decision.reason},
          {"probabilities", std::move(probabilities)}};
}

namespace {

std::string_view kind_name(router::StatusEvent::Kind kind) {
  switch (kind) {
    case router::StatusEvent::Kind::kAcknowledged:
      return "acknowledged";
    case router::StatusEvent::Kind::kLoading:
      return "loading";
    case router::StatusEvent::Kind::kReady:
      return "ready";
    case router::StatusEvent::Kind::kSummarising:
      return "summarising";
    case router::StatusEvent::Kind::kTalking:
      return "talking";
  }
  return "loading";
}

std::string_view forgetting_name(router::Forgetting what) {
  switch (what) {
    case router::Forgetting::kNothing:
      return "nothing";
    case router::Forgetting::kSummarised:
      return "summarised";
    case router::Forgetting::kStreamed:
      return "streamed";
    case router::Forgetting::kDropped:
      return "dropped";
  }
  return "nothing";
}

/// One overload an event; each gives the fields of its JSON object.
struct EventFields {
  const router::RegistrySnapshot& registry;

  const std::string& name(router::SpecialistId id) const { return registry.names[index(id)]; }

  ordered_json operator()(const router::RouteEvent& event) const {
    ordered_json json = {{"event", "route"}};
    json.update(to_json(event.decision, registry));
    return json;
  }
  ordered_json operator()(const router::PlanEvent& event) const {
    ordered_json steps = ordered_json::array();
    for (const auto& step : event.steps)
      steps.push_back({{"specialist", name(step.target)}, {"request", step.request}});
    return {{"event", "plan"}, {"steps", std::move(steps)}};
  }
  ordered_json operator()(const router::StepEvent& event) const { return {{"event", "step"}, {"index", event.index}}; }
  ordered_json operator()(const router::StatusEvent& event) const {
    ordered_json json = {{"event", "status"}, {"kind", kind_name(event.kind)}, {"specialist", name(event.member)}};
    if (!event.text.empty()) json["text"] = event.text;
    if (event.kind == router::StatusEvent::Kind::kLoading) json["fraction"] = event.fraction;
    return json;
  }
  ordered_json operator()(const router::HandoffEvent& event) const {
    return {{"event", "handoff"},       {"to", name(event.to)},          {"turns", event.n_turns},
            {"tokens", event.n_tokens}, {"known_tokens", event.n_known}, {"ms", event.ms}};
  }
  ordered_json operator()(const router::TokenEvent& event) const {
    return {{"event", "token"}, {"by", name(event.by)}, {"text", event.text}};
  }
  ordered_json operator()(const router::FallbackEvent& event) const {
    return {{"event", "fallback"},
            {"from", name(event.from)},
            {"to", name(event.to)},
            {"reason", event.reason},
            {"text", event.text}};
  }
  ordered_json operator()(const router::ForgetEvent& event) const {
    return {{"event", "forget"}, {"kind", forgetting_name(event.what)}, {"text", event.text}};
  }
  ordered_json operator()(const router::DoneEvent& event) const {
    const router::RequestTimings& timings = event.timings;
    return {{"event", "done"},
            {"by", name(event.by)},
            {"place", event.is_local ? "local" : "cloud"},
            {"finish_reason", engine::to_string(event.finish_reason)},
            {"dropped_turns", event.n_dropped_turns},
            {"context", {{"tokens", event.context.n_tokens}, {"limit", event.context.limit}}},
            {"timings",
             {{"route_ms", timings.route_ms},
              {"load_ms", timings.load_ms},
              {"first_token_ms", timings.first_token_ms},
              {"total_ms", timings.total_ms},
              {"prefill_tokens", timings.prefill_tokens},
              {"decode_tokens", timings.decode_tokens}}}};
  }
  ordered_json operator()(const router::ErrorEvent& event) const {
    return {{"event", "error"}, {"message", event.error.message}};
  }
};

}  // namespace

ordered_json to_json(const router::Event& event, const router::RegistrySnapshot& registry) {
  return std::visit(EventFields{registry}, event);
}

std::string to_line(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace sain::tools
