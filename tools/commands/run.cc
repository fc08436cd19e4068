// sain run: one prompt, one model, one answer.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "engine/session.h"
#include "router/monitoring/process_memory.h"
#include "router/prompt.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"
#include "tools/interrupt.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

using engine::Token;

struct Options {
  std::string model;
  RunOptions run;
  SamplerFlags sampler;
  GrammarFlags grammar;
  std::string prompt, file, tokens, system;
  bool raw = false, special = false, ignore_end = false, no_lookup = false, prompt_cache = false, json = false;
  uint32_t max_tokens = 512;
  uint32_t context = 0;
  std::vector<std::string> stop_strings;
};

/// Writes the answer while it grows, harmless where that is to a terminal.
class OutputSink : public engine::TokenSink {
 public:
  explicit OutputSink(bool silent) : silent_(silent) {}
  void on_text(std::string_view text) override {
    if (silent_ || text.empty()) return;
    const std::string shown = is_terminal_ ? safe_text(text) : std::string(text);
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    std::fflush(stdout);
    ends_line_ = text.back() == '\n';
  }
  void end_line() {
    if (!silent_ && !ends_line_) std::fputc('\n', stdout);
  }

 private:
  bool silent_;
  bool is_terminal_ = isatty(STDOUT_FILENO) == 1;
  bool ends_line_ = true;
};

/// The text of -p and -f: either, or the instruction, an empty line, and the file.
Result<std::string> prompt_text(const Options& options) {
  SAIN_RETURN_IF_ERROR(check_utf8("--prompt", options.prompt));
  std::string text = options.prompt;
  if (!options.file.empty()) {
    SAIN_ASSIGN_OR_RETURN(const std::string content, read_text(options.file));
    if (!text.empty()) text += "\n\n";
    text += content;
  }
  if (text.empty()) return make_error(ErrorCode::kInvalidArgument, "the prompt is empty: give -p, -f or --tokens");
  return text;
}

Result<std::vector<Token>> prompt_tokens(const Options& options, const std::string& text, const engine::Model& model) {
  if (!options.tokens.empty()) return parse_tokens(options.tokens);
  if (!options.raw && model.chat_template() != nullptr) {
    std::vector<router::Message> messages;
    if (!options.system.empty()) messages.push_back({"system", options.system});
    messages.push_back({"user", text});
    return router::render_prompt(model, messages, std::time(nullptr));
  }
  if (!options.raw) {
    if (!options.system.empty()) {
      return make_error(ErrorCode::kInvalidArgument, "--system: {} has no chat template to put it in", options.model);
    }
    fmt::print(stderr, "sain: {} has no chat template: it continues the prompt as it stands\n", options.model);
  }
  const auto special = options.special ? formats::SpecialTokens::kParse : formats::SpecialTokens::kAsText;
  return router::with_bos(model.tokenizer(), model.tokenizer().encode(text, special));
}

void print_json(const engine::Generation& answer, const std::vector<Token>& prompt, uint64_t n_reused, double load_ms,
                const engine::Session& session, uint64_t adapter_bytes) {
  const engine::Timings& timings = answer.timings;
  const nlohmann::ordered_json json = {
      {"prompt_tokens", prompt},
      {"tokens", answer.tokens},
      {"text", answer.text},
      {"finish_reason", engine::to_string(answer.finish_reason)},
      {"timings",
       {{"load_ms", load_ms},
        {"first_token_ms", timings.first_token_ms},
        {"reused_tokens", n_reused},
        {"prefill_tokens", timings.prefill_tokens},
        {"prefill_ms", timings.prefill_ms},
        {"decode_tokens", timings.decode_tokens},
        {"decode_ms", timings.decode_ms},
        {"decode_passes", timings.decode_passes},
        {"grammar_ms", timings.grammar_ms}}},
      {"memory",
       {{"peak_rss_bytes", router::peak_rss_bytes()},
        {"kv_bytes", session.kv_bytes()},
        {"weights_bytes", session.model().weights_bytes()},
        {"adapter_bytes", adapter_bytes}}},
  };
  fmt::print("{}\n", json.dump());
}

Result<int> run(const Options& options) {
  SAIN_RETURN_IF_ERROR(options.run.check());
  SAIN_ASSIGN_OR_RETURN(const engine::SamplerOptions sampler, options.sampler.options());
  SAIN_RETURN_IF_ERROR(check_utf8("--system", options.system));
  SAIN_ASSIGN_OR_RETURN(std::optional<formats::Grammar> rules, options.grammar.read());
  std::string text;
  if (options.tokens.empty()) {
    SAIN_ASSIGN_OR_RETURN(text, prompt_text(options));
  } else {
    SAIN_RETURN_IF_ERROR(parse_tokens(options.tokens));
  }

  const Interrupt interrupt;
  const engine::Tuning tuning = options.run.tuning();
  SAIN_ASSIGN_OR_RETURN(const LoadedModel loaded,
                        load_model(options.model, options.run, tuning.isa, interrupt.token()));
  SAIN_ASSIGN_OR_RETURN(const std::vector<Token> prompt, prompt_tokens(options, text, *loaded.model));
  engine::ThreadPool pool(tuning);
  engine::SessionOptions session_options = options.run.session(options.context, tuning);
  if (options.prompt_cache) session_options.prefixes = prefix_store();
  SAIN_ASSIGN_OR_RETURN(session_options.adapter, options.run.load_adapter(*loaded.model));
  SAIN_ASSIGN_OR_RETURN(engine::Session session, engine::Session::create(*loaded.model, pool, session_options));
  const auto start = std::chrono::steady_clock::now();
  const uint64_t n_reused = session.resume(prompt);
  const std::chrono::duration<double, std::milli> resumed = std::chrono::steady_clock::now() - start;
  std::shared_ptr<const engine::CompiledGrammar> grammar;
  if (rules) {
    grammar = std::make_shared<engine::CompiledGrammar>(*std::move(rules),
                                                        std::make_shared<engine::TokenTrie>(loaded.model->tokenizer()));
  }
  OutputSink sink(options.json);
  const auto speculation = options.no_lookup ? engine::Speculation::kNone : engine::Speculation::kPromptLookup;
  SAIN_ASSIGN_OR_RETURN(
      engine::Generation answer,
      session.generate(std::span(prompt).subspan(n_reused),
                       {.max_tokens = options.max_tokens,
                        .ignore_end = options.ignore_end,
                        .stop_strings = options.stop_strings,
                        .sampler = sampler,
                        .grammar = std::move(grammar),
                        .speculation = speculation,
                        .keep_prompt = options.prompt_cache ? engine::Keep::kDisk : engine::Keep::kNowhere},
                       interrupt.token(), sink));
  answer.timings.first_token_ms += resumed.count();
  sink.end_line();
  const engine::Adapter* adapter = session_options.adapter.get();
  const uint64_t adapter_bytes = adapter != nullptr ? adapter->bytes() : 0;
  if (options.json) print_json(answer, prompt, n_reused, loaded.load_ms, session, adapter_bytes);
  SAIN_RETURN_IF_ERROR(finish_output());
  return answer.finish_reason == engine::FinishReason::kCancelled ? kInterrupted : kSuccess;
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Answer one prompt with one model");
  add_model_option(*command, options->model);
  CLI::Option* prompt = command->add_option("-p,--prompt", options->prompt, "The prompt");
  prompt->type_name("TEXT");
  CLI::Option* file = command->add_option(
      "-f,--file", options->file, "A text file as the prompt, or after it where -p is given too; -: standard input");
  file->type_name("FILE");
  CLI::Option* tokens =
      command->add_option("--tokens", options->tokens, "The prompt as token ids, taken as they are: 1,2,3");
  tokens->type_name("IDS")->excludes(prompt)->excludes(file);
  CLI::Option* raw =
      command->add_flag("--raw", options->raw, "Continue the prompt as it stands, without the model's chat template");
  command->add_flag("--special", options->special, "With --raw: special tokens written in the prompt become tokens")
      ->needs(raw);
  command->add_option("--system", options->system, "A system message before the prompt")
      ->type_name("TEXT")
      ->excludes(raw)
      ->excludes(tokens);
  command->add_option("-n,--max-tokens", options->max_tokens, "The most tokens to generate")
      ->check(in_range(0u, 1u << 30))
      ->capture_default_str()
      ->type_name("N");
  command->add_flag("--ignore-eos", options->ignore_end, "Go on where the model would end; not with a grammar");
  command->add_flag("--no-lookup", options->no_lookup,
                    "Never draft tokens from the text so far; the answer is the same, later");
  command->add_flag("--prompt-cache", options->prompt_cache,
                    "Start from what an earlier run with this option computed of the same beginning, and keep this "
                    "prompt for later ones");
  command->add_option("--stop", options->stop_strings, "End before this text; may be given again")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  CLI::Option* context =
      command->add_option("--ctx", options->context, "Context in tokens (default: the model's own, at most 4096)");
  context->check(in_range(1u, 1u << 30))->type_name("N");
  add_stream_options(*command, options->run, context);
  command->add_flag("--json", options->json, "Print one JSON object instead of the text");
  add_adapter_options(*command, options->run);
  add_run_options(*command, options->run);
  options->grammar.add_to(*command);
  options->sampler.add_to(*command);
  command->footer(
      "The answer goes to standard output as it grows. Ctrl-C ends it early, with exit code 130.\n"
      "Example:\n"
      "  sain run -m smollm2-135m-instruct -p 'Name three rivers.' -n 64");
  command->callback([options, &exit_code] {
    const Result<int> result = run(*options);
    exit_code = result ? *result : fail("run", result.error());
  });
}

}  // namespace sain::tools
