// sain logits: what a model expects next.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/sampling/truncation.h"
#include "engine/session.h"
#include "formats/gguf_text.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"
#include "tools/interrupt.h"

namespace sain::tools {
namespace {

using engine::Candidate;
using engine::Token;

struct Options {
  std::string model, tokens;
  RunOptions run;
  uint32_t top = 20;
  bool json = false;
};

void print(const std::vector<Candidate>& candidates, const formats::Tokenizer& tokenizer, bool as_json) {
  if (as_json) {
    nlohmann::ordered_json top = nlohmann::ordered_json::array();
    for (const Candidate& candidate : candidates) {
      top.push_back({{"token", candidate.token}, {"logit", candidate.logit}});
    }
    fmt::print("{}\n", nlohmann::ordered_json{{"top", top}}.dump());
    return;
  }
  fmt::print("{:>8}  {:>10}  {}\n", "TOKEN", "LOGIT", "TEXT");
  for (const Candidate& candidate : candidates) {
    fmt::print("{:>8}  {:>10.5f}  {}\n", candidate.token, candidate.logit,
               formats::quote(tokenizer.piece(candidate.token, formats::SpecialTokens::kParse)));
  }
}

Status logits(const Options& options) {
  SAIN_RETURN_IF_ERROR(options.run.check());
  SAIN_ASSIGN_OR_RETURN(const std::vector<Token> tokens, parse_tokens(options.tokens));
  const Interrupt interrupt;
  const engine::Tuning tuning = options.run.tuning();
  SAIN_ASSIGN_OR_RETURN(const LoadedModel loaded,
                        load_model(options.model, options.run, tuning.isa, interrupt.token()));
  engine::ThreadPool pool(tuning);
  SAIN_ASSIGN_OR_RETURN(
      engine::Session session,
      engine::Session::create(*loaded.model, pool, options.run.session(static_cast<uint32_t>(tokens.size()), tuning)));
  SAIN_ASSIGN_OR_RETURN(const std::span<const float> next, session.prefill(tokens, interrupt.token()));
  std::vector<Candidate> candidates;
  engine::collect_top_k(next, options.top, loaded.model->kernels().reduce, candidates);
  print(candidates, loaded.model->tokenizer(), options.json);
  return finish_output();
}

}  // namespace

void add_logits_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("logits", "Show the most likely next tokens and their logits");
  add_model_option(*command, options->model);
  command->add_option("--tokens", options->tokens, "The text so far as token ids, taken as they are: 1,2,3")
      ->required()
      ->type_name("IDS");
  command->add_option("--top", options->top, "How many tokens to show")
      ->check(in_range(1u, 1u << 30))
      ->capture_default_str()
      ->type_name("K");
  command->add_flag("--json", options->json, "Print one JSON object: {\"top\": [{\"token\": ID, \"logit\": X}, ...]}");
  add_run_options(*command, options->run);
  command->footer(
      "Example:\n"
      "  sain logits -m smollm2-135m-instruct --tokens 1,4093,198 --top 5");
  command->callback([options, &exit_code] {
    const Status status = logits(*options);
    exit_code = status ? kSuccess : fail("logits", status.error());
  });
}

}  // namespace sain::tools
