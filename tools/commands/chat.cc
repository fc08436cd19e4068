// sain chat: a routed conversation, on a terminal or from a pipe.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "router/catalog.h"
#include "router/monitoring/status_server.h"
#include "router/protocol/message.h"
#include "router/protocol/protocol_log.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/routed.h"
#include "tools/interrupt.h"
#include "tools/terminal/chat_view.h"
#include "tools/terminal/line_editor.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

struct Options {
  RoutedOptions routed;
  std::string mode = "auto";
  std::string log;  // empty: none
  bool json = false;
};

constexpr std::string_view kHelp =
    "Ask anything; the assistant brings in a specialist where one knows better. @name at the start picks one.\n"
    "  /route TEXT  who would answer, and why\n"
    "  /mode MODE   auto, fast (the assistant alone) or slow (always a specialist, which may think first)\n"
    "  /models      the assistant, the specialists, and what is in memory\n"
    "  /reset       forget the conversation\n"
    "  /help        this text\n"
    "  /quit        leave; so does Ctrl-D\n"
    "Ctrl-C stops an answer. A line that ends in \\ goes on in the next one.";

/// Holds SIGINT back in this thread and those that it starts, so that a Ctrl-C that comes just after an answer has
/// ended does not end the program; Interrupt takes it while an answer runs.
class HeldInterrupts {
 public:
  HeldInterrupts() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, &old_mask_);
  }
  ~HeldInterrupts() {
    forget();
    pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
  }
  HeldInterrupts(const HeldInterrupts&) = delete;
  HeldInterrupts& operator=(const HeldInterrupts&) = delete;

  /// Drops one that waits.
  void forget() const {
    const timespec now{};
    while (sigtimedwait(&set_, nullptr, &now) > 0) {
    }
  }

 private:
  sigset_t set_, old_mask_;
};

/// One conversation: requests and commands in, events out.
class Dialogue {
 public:
  /// `log`: nullptr for none; it must outlive the dialogue.
  Dialogue(router::RoutedChat& chat, router::Mode mode, bool json, router::ProtocolLog* log)
      : chat_(chat), request_{.mode = mode}, json_(json), log_(log) {
    use(chat.team());
  }

  bool is_over() const { return is_over_; }
  bool has_failed() const { return has_failed_; }
  ChatView& view() { return view_; }

  /// A request, or a command when it starts with a slash and a letter.
  void handle(const std::string& line, std::stop_token stop) {
    settling_ = {};  // from here on the conversation is ours again
    if (const Status valid = check_utf8("the request", line); !valid) return report(valid.error());
    const bool is_command = line.size() > 1 && line[0] == '/' && line[1] >= 'a' && line[1] <= 'z';
    use(chat_.team());
    if (is_command) return command(line);
    if (log_ != nullptr) log_->begin(conversation_.id, {line, request_}, team_->members());
    const router::EventSink sink = [this](const router::Event& event) {
      if (log_ != nullptr) log_->on_event(event);
      if (json_) {
        fmt::print("{}\n", router::to_line(to_json(event, team_->members())));
        std::fflush(stdout);
      } else {
        view_.on_event(event);
      }
    };
    has_failed_ |= !team_->coordinator().handle(conversation_, line, request_, sink, std::move(stop));
    settling_ = std::jthread([this, team = team_](std::stop_token until_the_next_line) {
      team->runner().settle(conversation_, std::move(until_the_next_line));
    });
  }

 private:
  void use(std::shared_ptr<router::Team> team) {
    view_.use(team->members());
    team_ = std::move(team);
  }

  void report(const Error& error) {
    has_failed_ = true;
    if (json_) {
      fmt::print("{}\n", router::to_line(to_json(router::ErrorEvent{error}, team_->members())));
    } else {
      view_.note(error.message);
    }
  }

  void command(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/quit" || name == "/exit") {
      is_over_ = true;
    } else if (name == "/help") {
      fmt::print("{}\n", kHelp);
    } else if (name == "/reset") {
      chat_.forget(conversation_);
      view_.note("The conversation is forgotten.");
    } else if (name == "/mode" && router::find_mode(rest)) {
      request_.mode = *router::find_mode(rest);
    } else if (name == "/models") {
      print_models();
    } else if (name == "/route" && !rest.empty()) {
      print_route(rest);
    } else {
      report(make_error(ErrorCode::kInvalidArgument, "{}: there is no such command; /help lists them", name));
    }
    std::fflush(stdout);
  }

  void print_route(const std::string& text) {
    const router::RouteDecision decision = team_->coordinator().route(text, conversation_, request_.mode);
    if (json_) {
      fmt::print("{}\n", router::to_line(to_json(decision, team_->members())));
    } else {
      fmt::print("{}: {}\n", team_->members().names[index(decision.target)], safe_text(decision.reason));
    }
  }

  void print_models() {
    for (size_t i = 0; i < team_->members().names.size(); ++i) {
      const auto id = router::SpecialistId(i);
      if (team_->members().is_gone(id)) continue;
      const router::MemberConfig& member = team_->registry().member(id);
      fmt::print("@{:<12} {}{}: {}\n", team_->members().names[i], member.cloud ? member.cloud->url : member.model,
                 chat_.residency().is_loaded(id) ? " (in memory)" : "", member.description);
    }
    const router::MemoryBytes used = chat_.residency().used(), budget = chat_.residency().budget();
    fmt::print("{} of {} MiB are in use\n", used.host >> 20, budget.host >> 20);
    if (budget.device > 0) fmt::print("{} of {} MiB on the device\n", used.device >> 20, budget.device >> 20);
  }

  router::RoutedChat& chat_;
  router::Conversation conversation_;
  router::RequestOptions request_;
  std::shared_ptr<router::Team> team_;  // of the last request
  ChatView view_;
  bool json_;
  router::ProtocolLog* log_;
  bool is_over_ = false;
  bool has_failed_ = false;
  std::jthread settling_;  // between requests; the last member, as it uses the others
};

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

/// Lines from a terminal, until Ctrl-D, /quit, or Ctrl-C twice.
void converse_interactively(Dialogue& dialogue, const HeldInterrupts& held) {
  LineEditor editor("> ", router::cache_dir() / "history");
  dialogue.view().note("/help says what there is; Ctrl-D leaves.");
  bool was_interrupted = false;
  while (!dialogue.is_over()) {
    const LineEditor::Input input = editor.read();
    if (input.outcome == LineEditor::Outcome::kEnd) {
      fmt::print("\n");
      return;
    }
    if (input.outcome == LineEditor::Outcome::kLeaving) {
      if (was_interrupted) return;
      was_interrupted = true;
      dialogue.view().note("(Ctrl-C again, or Ctrl-D, leaves)");
      continue;
    }
    was_interrupted = false;
    if (input.outcome == LineEditor::Outcome::kCleared || is_blank(input.text)) continue;
    if (const Status saved = editor.remember(input.text); !saved) dialogue.view().note(saved.error().message);
    held.forget();
    const Interrupt interrupt;
    dialogue.handle(input.text, interrupt.token());
  }
}

/// Lines from a pipe or a file, each a request; shown with the answers unless those are JSON.
void converse_with_stdin(Dialogue& dialogue, const Options& options, std::stop_token stop) {
  std::string line;
  while (!dialogue.is_over() && !stop.stop_requested() && std::getline(std::cin, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (is_blank(line)) continue;
    if (!options.json) fmt::print("> {}\n", safe_text(line));
    std::fflush(stdout);
    dialogue.handle(line, stop);
  }
}

Result<int> chat(const Options& options) {
  const bool is_interactive = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && !options.json;
  std::unique_ptr<HeldInterrupts> held;
  if (is_interactive) held = std::make_unique<HeldInterrupts>();
  auto interrupt = std::make_unique<Interrupt>();
  SAIN_ASSIGN_OR_RETURN(const auto chat, open_routed_chat(options.routed, interrupt->token()));
  const auto report = [&chat] {
    router::StatusReport status = chat->status();
    status.program = "sain chat";
    status.conversations = 1;
    return status;
  };
  const auto server = router::StatusServer::start({.status = [&] { return router::to_json(report()); },
                                                   .metrics = [&] { return chat->metrics().prometheus(report()); },
                                                   .keep_up = [&] { chat->metrics().keep_up(); },
                                                   .folder = router::status_folder()});
  if (!server) fmt::print(stderr, "sain: `sain status` will not see this program: {}\n", server.error().message);
  chat->watch_packages([](std::string_view line) { fmt::print(stderr, "sain: {}\n", safe_text(line)); });
  std::unique_ptr<router::ProtocolLog> log;
  if (!options.log.empty()) {
    const auto warn = [](const Error& error) { fmt::print(stderr, "sain: {}\n", error.message); };
    SAIN_ASSIGN_OR_RETURN(log, router::ProtocolLog::create(options.log, chat->team()->members(), warn));
  }
  Dialogue dialogue(*chat, router::find_mode(options.mode).value_or(router::Mode::kAuto), options.json, log.get());
  if (is_interactive) {
    interrupt.reset();
    converse_interactively(dialogue, *held);
    return kSuccess;
  }
  converse_with_stdin(dialogue, options, interrupt->token());
  if (std::fflush(stdout) != 0) return make_error(ErrorCode::kIo, "standard output: the answers could not be written");
  if (interrupt->token().stop_requested()) return kInterrupted;
  return dialogue.has_failed() ? kFailure : kSuccess;
}

}  // namespace

void add_chat_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("chat", "Talk to the assistant, which brings in specialists");
  add_routed_options(*command, options->routed);
  CLI::Option* context =
      command->add_option("--ctx", options->routed.context, "Context in tokens (default: what the configuration says)");
  context->check(in_range(128u, 1u << 30))->type_name("N");
  command
      ->add_option("--policy", options->routed.policy,
                   "When the conversation outgrows the context: compact (a summary replaces the oldest turns), stream "
                   "(only the first tokens and the newest are kept) or stop (what does not fit is refused) "
                   "(default: what the configuration says)")
      ->check(CLI::IsMember({"compact", "stream", "stop"}).description(""))
      ->type_name("POLICY");
  add_stream_options(*command, options->routed.run, context);
  command
      ->add_option(
          "--mode", options->mode,
          "Who answers: auto (as the router decides), fast (the assistant alone) or slow (always a specialist, "
          "which may think first)")
      ->check(CLI::IsMember({"auto", "fast", "slow"}).description(""))
      ->capture_default_str()
      ->type_name("MODE");
  command->add_flag("--json", options->json, "Requests from standard input, a line each; events as lines of JSON");
  command
      ->add_option("--log", options->log,
                   "Write all that is said, and who answers why, to a new file that only you can read; `sain replay` "
                   "shows it again")
      ->type_name("FILE");
  command->footer(
      "On a terminal: line editing, history, /help. From a pipe: each line is a request.\n"
      "Example:\n"
      "  printf 'Hello!\\nWrite a Python function that reverses a string.\\n' | sain chat");
  command->callback([options, &exit_code] {
    const Result<int> result = chat(*options);
    exit_code = result ? *result : fail("chat", result.error());
  });
}

}  // namespace sain::tools
