// sain replay: a logged conversation, shown again or sent again.
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "formats/utf8.h"
#include "router/protocol/message.h"
#include "router/protocol/protocol_log_reader.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/routed.h"
#include "tools/interrupt.h"
#include "tools/terminal/chat_view.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

using nlohmann::ordered_json;
using router::LoggedConversations;
using router::LoggedMessage;

struct Options {
  RoutedOptions routed;
  std::string file;
  double speed = 0;  // 0: at once
  bool json = false;
  bool again = false;
};

Result<LoggedConversations> read_log(const std::string& file) {
  SAIN_ASSIGN_OR_RETURN(LoggedConversations log, router::read_protocol_log(file));
  if (log.is_cut) fmt::print(stderr, "sain: {}: is cut in line {}, which is left out\n", file, log.messages.size() + 2);
  return log;
}

/// Until the message's time has come.
void wait_for(const LoggedMessage& message, std::chrono::steady_clock::time_point start, double speed) {
  const std::chrono::duration<double, std::milli> since_start(message.ms / speed);
  std::this_thread::sleep_until(start + std::chrono::duration_cast<std::chrono::nanoseconds>(since_start));
}

Result<int> show(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const LoggedConversations log, read_log(options.file));
  ChatView view;
  view.use(log.registry);
  const auto start = std::chrono::steady_clock::now();
  const std::string* conversation = nullptr;
  for (const LoggedMessage& logged : log.messages) {
    if (options.speed > 0) wait_for(logged, start, options.speed);
    const auto* request = std::get_if<router::RequestMessage>(&logged.message);
    const auto* event = std::get_if<router::Event>(&logged.message);
    if (options.json) {
      fmt::print("{}\n", router::to_line(event != nullptr ? to_json(*event, log.registry) : to_json(*request)));
    } else if (event != nullptr) {
      view.on_event(*event);
    } else {
      if (conversation != nullptr && *conversation != logged.conversation) view.note("The conversation is forgotten.");
      fmt::print("> {}\n", safe_text(request->text));
    }
    conversation = &logged.conversation;
    std::fflush(stdout);
  }
  if (log.is_open && !options.json)
    view.on_event(router::ErrorEvent{{ErrorCode::kCorrupt, "the log ends before the end of the request"}});
  SAIN_RETURN_IF_ERROR(finish_output());
  return kSuccess;
}

struct Outcome {
  std::string member, cause;  // of the decision
  double total_ms = -1;       // of the request; less than 0: it has no answer

  void take(const router::Event& event, const router::RegistrySnapshot& registry) {
    if (const auto* route = std::get_if<router::RouteEvent>(&event)) {
      member = registry.names[index(route->decision.target)];
      cause = to_string(route->decision.cause);
    }
    if (const auto* done = std::get_if<router::DoneEvent>(&event)) total_ms = done->timings.total_ms;
  }
  bool decides_as(const Outcome& other) const { return member == other.member && cause == other.cause; }
  std::string decision() const { return safe_text(member) + " " + cause; }
  std::string latency() const { return total_ms < 0 ? "no answer" : fmt::format("{:.0f} ms", total_ms); }
  ordered_json json() const {
    return {{"specialist", member},
            {"cause", cause},
            {"total_ms", total_ms < 0 ? ordered_json(nullptr) : ordered_json(total_ms)}};
  }
};

struct LoggedRequest {
  std::string conversation;
  router::RequestMessage message;
  Outcome outcome;
};

/// Those that were decided.
std::vector<LoggedRequest> requests_of(const LoggedConversations& log) {
  std::vector<LoggedRequest> requests;
  for (const LoggedMessage& logged : log.messages) {
    if (const auto* message = std::get_if<router::RequestMessage>(&logged.message)) {
      requests.push_back({logged.conversation, *message, {}});
    } else {
      requests.back().outcome.take(std::get<router::Event>(logged.message), log.registry);
    }
  }
  if (!requests.empty() && requests.back().outcome.member.empty()) requests.pop_back();
  return requests;
}

/// The beginning of a text, in one line.
std::string one_line(std::string_view text) {
  constexpr size_t kMostBytes = 60;
  const std::string_view begin = text.substr(0, kMostBytes);
  std::string line = safe_text(begin.substr(0, formats::valid_utf8_prefix(begin)));
  for (char& c : line)
    if (c == '\n' || c == '\t') c = ' ';
  return line + (text.size() > kMostBytes ? "..." : "");
}

void print_comparison(const LoggedRequest& request, const Outcome& again, bool as_json) {
  const Outcome& before = request.outcome;
  const bool is_same = again.decides_as(before);
  if (as_json) {
    ordered_json json = {{"text", request.message.text}, {"same", is_same}};
    json.update(again.json());
    json["logged"] = before.json();
    fmt::print("{}\n", router::to_line(json));
  } else {
    fmt::print("{:<7} {}{}, {} (was {}): {}\n", is_same ? "same" : "changed", again.decision(),
               is_same ? "" : " (was " + before.decision() + ")", again.latency(), before.latency(),
               one_line(request.message.text));
  }
  std::fflush(stdout);
}

struct Summary {
  size_t n_requests = 0, n_same = 0;
  double total_ms = 0, logged_ms = 0;  // of those that were answered both times

  void add(const Outcome& before, const Outcome& again) {
    ++n_requests;
    n_same += again.decides_as(before) ? 1 : 0;
    if (before.total_ms < 0 || again.total_ms < 0) return;
    total_ms += again.total_ms;
    logged_ms += before.total_ms;
  }
  void print(bool as_json) const {
    if (as_json) {
      const ordered_json json = {
          {"requests", n_requests}, {"same", n_same}, {"total_ms", total_ms}, {"logged_ms", logged_ms}};
      fmt::print("{}\n", router::to_line(json));
    } else {
      fmt::print("{} of {} requests are decided as before, in {:.1f} s (was {:.1f} s)\n", n_same, n_requests,
                 total_ms / 1000, logged_ms / 1000);
    }
  }
};

Result<int> send_again(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const LoggedConversations log, read_log(options.file));
  const Interrupt interrupt;
  SAIN_ASSIGN_OR_RETURN(const auto chat, open_routed_chat(options.routed, interrupt.token()));
  const std::shared_ptr<router::Team> team = chat->team();
  const router::RegistrySnapshot& registry = team->members();
  router::Conversation conversation;
  std::string logged_id;
  Summary summary;
  for (const LoggedRequest& request : requests_of(log)) {
    if (!logged_id.empty() && request.conversation != logged_id) chat->forget(conversation);
    logged_id = request.conversation;
    Outcome again;
    const Status answered = team->coordinator().handle(
        conversation, request.message.text, request.message.options,
        [&](const router::Event& event) { again.take(event, registry); }, interrupt.token());
    if (interrupt.token().stop_requested()) return kInterrupted;
    if (!answered) fmt::print(stderr, "sain: no answer: {}\n", safe_text(answered.error().message));
    print_comparison(request, again, options.json);
    summary.add(request.outcome, again);
  }
  summary.print(options.json);
  SAIN_RETURN_IF_ERROR(finish_output());
  return summary.n_same == summary.n_requests ? kSuccess : kFailure;
}

}  // namespace

void add_replay_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("replay", "Show a conversation that `sain chat --log` has kept, or hold it again");
  command->add_option("FILE", options->file, "The log")->required();
  CLI::Option* again = command->add_flag(
      "--again", options->again,
      "Send the requests to the configuration anew, and compare who answers, why, and after how long");
  command->add_option("--speed", options->speed, "Take the time that it took, divided by X (default: no time at all)")
      ->check(in_range(0.01, 1000.0))
      ->type_name("X")
      ->excludes(again);
  command->add_flag("--json", options->json, "Print the messages, or with --again the comparison, as lines of JSON");
  add_routed_options(*command, options->routed);
  for (const char* name : {"--config", "-t"}) command->get_option(name)->needs(again);
  command->footer(
      "With --again the exit code is 0 if all requests are decided as before, and 1 if not.\n"
      "Examples:\n"
      "  sain chat --log talk.jsonl\n"
      "  sain replay talk.jsonl --speed 2\n"
      "  sain replay --again talk.jsonl --config new.toml");
  command->callback([options, &exit_code] {
    const Result<int> result = options->again ? send_again(*options) : show(*options);
    exit_code = result ? *result : fail("replay", result.error());
  });
}

}  // namespace sain::tools
