// sain eval: how good a model is on a text.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/kl_divergence.h"
#include "engine/perplexity.h"
#include "engine/stream_perplexity.h"
#include "router/monitoring/process_memory.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"
#include "tools/interrupt.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

using engine::Token;

struct Options {
  std::string model, reference, file;
  RunOptions run;
  uint32_t context = 512;
  uint32_t chunks = 0;  // 0: all
  uint32_t stretch = 10'000, oracle_step = 0;
  uint64_t n_tokens = 0;  // 0: the text once
  bool json = false;
};

/// The text's tokens, no more than --chunks need.
std::vector<Token> text_tokens(const Options& options, const std::string& text, const engine::Model& model) {
  std::vector<Token> tokens = model.tokenizer().encode(text, formats::SpecialTokens::kAsText);
  const size_t wanted = size_t{options.chunks} * options.context;
  if (wanted > 0 && wanted < tokens.size()) tokens.resize(wanted);
  return tokens;
}

std::function<void(size_t, size_t)> shown_on(ProgressBar& bar) {
  return [&bar](size_t done, size_t n) {
    bar.show_fraction(static_cast<double>(done) / static_cast<double>(n), fmt::format("chunk {} of {}", done, n));
  };
}

Result<engine::Session> make_session(const Options& options, const RunOptions& run, const engine::Tuning& tuning,
                                     const engine::Model& model, engine::ThreadPool& pool) {
  engine::SessionOptions session = run.session(options.context, tuning);
  SAIN_ASSIGN_OR_RETURN(session.adapter, run.load_adapter(model));
  return engine::Session::create(model, pool, session);
}

Status eval_ppl(const Options& options) {
  SAIN_RETURN_IF_ERROR(options.run.check());
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text(options.file));
  const Interrupt interrupt;
  const engine::Tuning tuning = options.run.tuning();
  SAIN_ASSIGN_OR_RETURN(const LoadedModel loaded,
                        load_model(options.model, options.run, tuning.isa, interrupt.token()));
  engine::ThreadPool pool(tuning);
  SAIN_ASSIGN_OR_RETURN(engine::Session session, make_session(options, options.run, tuning, *loaded.model, pool));
  ProgressBar bar("perplexity");
  SAIN_ASSIGN_OR_RETURN(
      const engine::PerplexityResult result,
      engine::perplexity(session, text_tokens(options, text, *loaded.model),
                         {.context = options.context, .stop = interrupt.token(), .on_progress = shown_on(bar)}));
  bar.clear();
  if (options.json) {
    const nlohmann::ordered_json json = {{"perplexity", result.ppl_all}, {"perplexity_second_half", result.ppl_half},
                                         {"tokens", result.n_tokens},    {"chunks", result.n_chunks},
                                         {"context", options.context},   {"chunk_nll", result.chunk_nll}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("perplexity {:.4f} over {} tokens in {} chunks of {}\n", result.ppl_all, result.n_tokens,
               result.n_chunks, options.context);
    fmt::print("perplexity {:.4f} where only the second half of each chunk counts\n", result.ppl_half);
  }
  return finish_output();
}

/// Both models must read the same tokens, or their predictions cannot be compared.
Status check_same_tokens(const std::vector<Token>& reference, const std::vector<Token>& model) {
  if (reference == model) return {};
  const auto [a, b] = std::mismatch(reference.begin(), reference.end(), model.begin(), model.end());
  return make_error(ErrorCode::kInvalidArgument, "the two models read the text as different tokens, from token {} on",
                    a - reference.begin());
}

Status eval_kld(const Options& options) {
  SAIN_RETURN_IF_ERROR(options.run.check());
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text(options.file));
  const Interrupt interrupt;
  RunOptions exact = options.run;  // a reference has no errors of its own
  exact.exact = true;
  exact.device = "cpu";
  exact.kv.clear();
  exact.window = 0;
  exact.adapter.clear();
  const engine::Tuning tuning = options.run.tuning();
  SAIN_ASSIGN_OR_RETURN(const LoadedModel reference,
                        load_model(options.reference, exact, tuning.isa, interrupt.token()));
  SAIN_ASSIGN_OR_RETURN(const LoadedModel model, load_model(options.model, options.run, tuning.isa, interrupt.token()));
  const std::vector<Token> tokens = text_tokens(options, text, *reference.model);
  engine::ThreadPool pool(tuning);
  SAIN_ASSIGN_OR_RETURN(engine::Session reference_session,
                        make_session(options, exact, tuning, *reference.model, pool));
  SAIN_ASSIGN_OR_RETURN(engine::Session model_session, make_session(options, options.run, tuning, *model.model, pool));
  if (reference.model->config().vocab_size == model.model->config().vocab_size) {
    SAIN_RETURN_IF_ERROR(check_same_tokens(tokens, text_tokens(options, text, *model.model)));
  }
  ProgressBar bar("comparing");
  SAIN_ASSIGN_OR_RETURN(
      const engine::KlDivergence result,
      engine::kl_divergence(reference_session, model_session, tokens,
                            {.context = options.context, .stop = interrupt.token(), .on_progress = shown_on(bar)}));
  bar.clear();
  if (options.json) {
    const nlohmann::ordered_json json = {{"mean_kld", result.mean_kld},
                                         {"max_kld", result.max_kld},
                                         {"top1_agreement", result.top1_agreement},
                                         {"tokens", result.n_tokens}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("KL divergence from the reference, over {} tokens: mean {:.6f}, greatest {:.6f} nats\n", result.n_tokens,
               result.mean_kld, result.max_kld);
    fmt::print("the same most likely token for {:.2f} % of them\n", 100 * result.top1_agreement);
  }
  return finish_output();
}

nlohmann::ordered_json to_json(const engine::TextStretch& stretch) {
  nlohmann::ordered_json json = {{"first", stretch.first},
                                 {"tokens", stretch.n_tokens},
                                 {"perplexity", stretch.perplexity},
                                 {"ms_per_token", stretch.ms_per_token},
                                 {"resident_bytes", router::rss_bytes()}};
  if (stretch.oracle_perplexity != 0) {
    json["sampled_perplexity"] = stretch.sampled_perplexity;
    json["oracle_perplexity"] = stretch.oracle_perplexity;
  }
  return json;
}

void print(const engine::TextStretch& stretch) {
  fmt::print("{:>10}  {:>8}  {:>10.4f}  {:>8.3f}  {:>8.1f}", stretch.first, stretch.n_tokens, stretch.perplexity,
             stretch.ms_per_token, static_cast<double>(router::rss_bytes()) / (1 << 20));
  if (stretch.oracle_perplexity != 0) {
    fmt::print("  {:>10.4f}  {:>10.4f}", stretch.sampled_perplexity, stretch.oracle_perplexity);
  }
  fmt::print("\n");
  std::fflush(stdout);  // a stretch may take minutes
}

Status eval_stream(const Options& options) {
  SAIN_RETURN_IF_ERROR(options.run.check());
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text(options.file));
  const Interrupt interrupt;
  const engine::Tuning tuning = options.run.tuning();
  SAIN_ASSIGN_OR_RETURN(const LoadedModel loaded,
                        load_model(options.model, options.run, tuning.isa, interrupt.token()));
  const std::vector<Token> tokens = loaded.model->tokenizer().encode(text, formats::SpecialTokens::kAsText);
  engine::ThreadPool pool(tuning);
  const engine::SessionOptions stream = options.run.session(0, tuning);
  SAIN_ASSIGN_OR_RETURN(engine::Session session, engine::Session::create(*loaded.model, pool, stream));
  engine::StreamPerplexityOptions how = {
      .stretch = options.stretch, .n_tokens = options.n_tokens, .stop = interrupt.token()};
  std::optional<engine::Session> oracle;
  if (options.oracle_step != 0) {
    SAIN_ASSIGN_OR_RETURN(oracle, engine::Session::create(*loaded.model, pool, stream));
    how.oracle = &*oracle;
    how.oracle_step = options.oracle_step;
  }
  nlohmann::ordered_json stretches = nlohmann::ordered_json::array();
  how.on_stretch = [&](const engine::TextStretch& stretch) {
    options.json ? stretches.push_back(to_json(stretch)) : print(stretch);
  };
  if (!options.json) {
    fmt::print("{:>10}  {:>8}  {:>10}  {:>8}  {:>8}{}\n", "FROM", "TOKENS", "PERPLEXITY", "MS/TOKEN", "RSS MIB",
               oracle ? "     SAMPLED      ORACLE" : "");
  }
  SAIN_RETURN_IF_ERROR(engine::stream_perplexity(session, tokens, how));
  if (options.json) {
    const nlohmann::ordered_json json = {{"sinks", options.run.sinks},
                                         {"window", options.run.window},
                                         {"kv_bytes", session.kv_bytes()},
                                         {"stretches", std::move(stretches)}};
    fmt::print("{}\n", json.dump());
  }
  return finish_output();
}

void add_text_option(CLI::App& command, Options& options) {
  command.add_option("-f,--file", options.file, "The text, UTF-8; -: standard input")->required()->type_name("TEXT");
}

void add_common(CLI::App& command, Options& options) {
  add_text_option(command, options);
  command
      .add_option("--ctx", options.context,
                  "Tokens per chunk; chunks do not overlap, and what does not fill one is left out")
      ->check(in_range(4u, 1u << 30))
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--chunks", options.chunks, "Only the first N chunks")
      ->check(in_range(1u, 1u << 30))
      ->type_name("N");
  command.add_flag("--json", options.json, "Print one JSON object");
  add_stream_options(command, options.run, nullptr);
  add_adapter_options(command, options.run);
  add_run_options(command, options.run);
}

void add_stream_command(CLI::App& eval, const std::shared_ptr<Options>& options, int& exit_code) {
  CLI::App* stream =
      eval.add_subcommand("stream", "Perplexity, time and memory of a text without end, stretch by stretch");
  add_model_option(*stream, options->model);
  add_text_option(*stream, *options);
  add_stream_options(*stream, options->run, nullptr)->required();
  stream->add_option("--stretch", options->stretch, "Tokens that a line is about")
      ->check(in_range(1u, 1u << 30))
      ->capture_default_str()
      ->type_name("N");
  stream->add_option("--tokens", options->n_tokens, "How many to read, the text again and again (default: once)")
      ->check(in_range(uint64_t{1}, uint64_t{1} << 40))
      ->type_name("N");
  stream
      ->add_option("--oracle", options->oracle_step,
                   "After every N tokens, read the next 16 from a fresh start with what is kept, too, and compare")
      ->check(in_range(16u, 1u << 30))
      ->type_name("N");
  stream->add_flag("--json", options->json, "Print one JSON object");
  add_run_options(*stream, options->run);
  stream->footer("Example:\n  sain eval stream -m smollm2-135m-instruct -f book.txt --window 1024 --sinks 4");
  stream->callback([options, &exit_code] {
    const Status status = eval_stream(*options);
    exit_code = status ? kSuccess : fail("eval stream", status.error());
  });
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit_code) {
  CLI::App* eval = app.add_subcommand("eval", "Measure a model on a text: perplexity, distance from another model");
  eval->require_subcommand(1);
  const auto options = std::make_shared<Options>();

  CLI::App* ppl = eval->add_subcommand("ppl", "Perplexity: how well the model predicts the text; lower is better");
  add_model_option(*ppl, options->model);
  add_common(*ppl, *options);
  ppl->footer("Example:\n  sain eval ppl -m smollm2-135m-instruct -f book.txt --ctx 512 --chunks 8");
  ppl->callback([options, &exit_code] {
    const Status status = eval_ppl(*options);
    exit_code = status ? kSuccess : fail("eval ppl", status.error());
  });

  CLI::App* kld = eval->add_subcommand("kld", "KL divergence of the model's predictions from a reference's");
  add_model_option(*kld, options->model);
  kld->add_option("--reference", options->reference,
                  "The model to compare with, of the same vocabulary; runs in reference precision")
      ->required()
      ->type_name("FILE");
  add_common(*kld, *options);
  kld->footer("Example:\n  sain eval kld -m model-q4.gguf --reference model-f16.gguf -f book.txt --ctx 512");
  kld->callback([options, &exit_code] {
    const Status status = eval_kld(*options);
    exit_code = status ? kSuccess : fail("eval kld", status.error());
  });
  add_stream_command(*eval, options, exit_code);
}

}  // namespace sain::tools
