// sain tune: finds what the engine should do differently on this machine, and keeps it for all other commands.
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/tuning_file.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"
#include "tools/interrupt.h"
#include "tools/progress_bar.h"
#include "tools/tune/parameters.h"
#include "tools/tune/search.h"
#include "tools/tune/tuned_model.h"

namespace sain::tools {
namespace {

using engine::Tuning;
using nlohmann::ordered_json;

constexpr Phase kPhases[] = {Phase::kPrefill, Phase::kDecode};

struct Options {
  std::string model;  // empty: one of random weights
  unsigned reps = 5;
  bool quick = false, dry_run = false, json = false;
};

/// What a run found.
struct Outcome {
  std::string model;
  std::vector<TriedValue> tried = {};
  Tuning found = {};  // by the search
  Comparison comparison = {};
  Tuning tuning = {};  // what is kept: `found`, or the defaults where the last comparison did not bear it out
};

std::string speed_text(double tokens_per_second) {
  return tokens_per_second > 0 ? fmt::format("{:.1f}", tokens_per_second) : "";
}

void print_row(std::string_view name, std::string_view value, bool is_chosen, const PhaseSpeeds& speed,
               const std::string& gain) {
  fmt::print("{:<18} {:>7} {} {:>9} {:>9} {:>9}\n", name, value, is_chosen ? '*' : ' ', speed_text(speed.prefill),
             speed_text(speed.decode), gain);
}

void print_parameter(std::span<const TriedValue> tried) {
  for (const TriedValue& value : tried) {
    print_row(&value == &tried.front() ? value.parameter : "", value.label, value.is_chosen, value.speed,
              value.was_in_place ? "" : fmt::format("{:+.1f} %", 100 * value.gain));
  }
  std::fflush(stdout);
}

Result<Outcome> search(const TunedModel& model, const Options& options) {
  const std::vector<TuneParameter> parameters = tune_parameters(tunable_machine());
  // Comparisons of a promising value come on top; most parameters have none.
  size_t n_expected = 2 * std::size(kPhases) * options.reps, n_measured = 0;
  for (const TuneParameter& parameter : parameters) {
    n_expected += parameter.values.size() * parameter.phases.size() * ((options.reps + 1) / 2);
  }
  ProgressBar bar("measuring");
  const MeasurePhase measure = [&](const Tuning& tuning, Phase phase) {
    bar.show_fraction(std::min(1.0, static_cast<double>(n_measured++) / static_cast<double>(n_expected)));
    return model.measure(tuning, phase);
  };
  Outcome outcome{.model = model.model().file().path().filename().string()};
  SearchOptions search_options{.n_rounds = options.reps};
  search_options.on_parameter = [&](std::span<const TriedValue> tried) {
    bar.clear();
    if (!options.json) print_parameter(tried);
    outcome.tried.insert(outcome.tried.end(), tried.begin(), tried.end());
  };
  if (!options.json) {
    fmt::print("{:<18} {:>7}   {:>9} {:>9} {:>9}\n", "PARAMETER", "VALUE", "PREFILL", "DECODE", "GAIN");
    std::fflush(stdout);
  }
  SAIN_ASSIGN_OR_RETURN(outcome.found, search_tuning(Tuning(), parameters, measure, search_options));
  const bool is_default = outcome.found == Tuning();
  SAIN_ASSIGN_OR_RETURN(outcome.comparison, compare_tunings(Tuning(), outcome.found, kPhases, measure,
                                                            is_default ? (options.reps + 1) / 2 : options.reps));
  outcome.tuning = outcome.comparison.gain >= 0 ? outcome.found : Tuning();
  return outcome;
}

ordered_json to_json(const PhaseSpeeds& speed) {
  const auto or_null = [](double tps) { return tps > 0 ? ordered_json(tps) : ordered_json(nullptr); };
  return {{"prefill_tps", or_null(speed.prefill)}, {"decode_tps", or_null(speed.decode)}};
}

ordered_json to_json(const Outcome& outcome, const std::optional<std::filesystem::path>& file, double seconds) {
  ordered_json tried = ordered_json::array();
  for (const TriedValue& value : outcome.tried) {
    ordered_json row = {{"parameter", value.parameter}, {"value", value.label}};
    row.update(to_json(value.speed));
    row.update({{"gain", value.gain}, {"chosen", value.is_chosen}});
    tried.push_back(std::move(row));
  }
  return {{"model", outcome.model},
          {"tuning", engine::to_json(outcome.tuning)},
          {"default", to_json(outcome.comparison.before)},
          {"tuned", to_json(outcome.comparison.after)},
          {"gain", outcome.comparison.gain},
          {"won", outcome.comparison.won},
          {"tried", std::move(tried)},
          {"file", file ? ordered_json(file->string()) : ordered_json(nullptr)},
          {"seconds", seconds}};
}

void print_outcome(const Outcome& outcome) {
  const Comparison& comparison = outcome.comparison;
  fmt::print("\n");
  print_row("default", "", false, comparison.before, "");
  if (outcome.found == Tuning()) {
    fmt::print("nothing that was tried is faster than the defaults\n");
    return;
  }
  print_row("tuned", "", false, comparison.after, fmt::format("{:+.1f} %", 100 * comparison.gain));
  fmt::print("{} with {}; faster in {:.0f} % of the rounds\n", outcome.model, engine::tuning_changes(outcome.found),
             100 * comparison.won);
  if (outcome.tuning != outcome.found) fmt::print("that is slower after all: the defaults stay\n");
}

Status keep(const Outcome& outcome, const std::filesystem::path& file) {
  const Comparison& comparison = outcome.comparison;
  const bool is_found = outcome.tuning == outcome.found;
  const PhaseSpeeds& after = is_found ? comparison.after : comparison.before;
  return engine::write_tuning(file, {.machine = engine::identify_machine(),
                                     .tuning = outcome.tuning,
                                     .model = outcome.model,
                                     .before = {comparison.before.prefill, comparison.before.decode},
                                     .after = {after.prefill, after.decode}});
}

/// Other programs take their share from one value and not from the next.
void warn_if_busy() {
  const long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);  // of the whole machine, as the load is
  double load = 0;
  if (getloadavg(&load, 1) != 1 || load < 0.5 * static_cast<double>(n_cpus)) return;
  fmt::print(stderr, "sain: warning: this machine is busy (load {:.1f} on {} processors): better tune when it is not\n",
             load, n_cpus);
}

Status tune(const Options& options) {
  const std::optional<std::filesystem::path> file = options.dry_run ? std::nullopt : engine::tuning_path();
  if (!file && !options.dry_run) {
    return make_error(ErrorCode::kInvalidArgument,
                      "SAIN_TUNING=off: there is no file to keep the result in; give --dry-run, or unset it");
  }
  warn_if_busy();
  const Interrupt interrupt;
  const auto start = std::chrono::steady_clock::now();
  std::string model = options.model;
  std::optional<TemporaryModel> temporary;
  if (model.empty()) {
    SAIN_ASSIGN_OR_RETURN(TemporaryModel made, TemporaryModel::create("1b", interrupt.token()));
    model = temporary.emplace(std::move(made)).path().string();
  }
  const TuneWork work = options.quick ? TuneWork{.n_prompt = 192, .n_decode = 24} : TuneWork();
  SAIN_ASSIGN_OR_RETURN(const TunedModel tuned,
                        TunedModel::open(model, tunable_machine().isas, work, interrupt.token()));
  temporary.reset();
  SAIN_ASSIGN_OR_RETURN(const Outcome outcome, search(tuned, options));
  if (!options.json) print_outcome(outcome);
  if (file) SAIN_RETURN_IF_ERROR(keep(outcome, *file));
  if (options.json) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    fmt::print("{}\n", to_json(outcome, file, seconds).dump(-1, ' ', false, ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}\n", file ? "kept in " + file->string() : "--dry-run: nothing is written");
  }
  return finish_output();
}

}  // namespace

void add_tune_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tune", "Find out what is fastest on this machine, and keep it");
  command
      ->add_option("-m,--model", options->model,
                   "A GGUF file or a name to measure with (default: a 1B of random weights in Q4_0, for as long as "
                   "this takes 1.3 GB of disk)")
      ->type_name("FILE");
  command->add_option("--reps", options->reps, "Rounds of a comparison; values are first tried in half as many")
      ->check(in_range(1u, 1000u))
      ->capture_default_str()
      ->type_name("N");
  command->add_flag("--quick", options->quick, "Shorter runs: less time, more noise");
  command->add_flag("--dry-run", options->dry_run, "Keep nothing");
  command->add_flag("--json", options->json,
                    "Print one JSON object: tuning, default and tuned (prefill_tps, decode_tps), gain, won, tried[], "
                    "file, ...");
  command->footer(
      "Tries, one after the other: the instruction set, threads, sub-blocks of a tile, memory of a batch of prefill,\n"
      "pieces of a product, the time that an idle thread spins, and how far ahead weights are asked for. Values are\n"
      "measured in turn; one is taken (*) if it is at least 2 % faster, and faster in every round. At last all that "
      "was\n"
      "found is compared with the defaults, and the better of the two is kept in tuning.json in the cache folder\n"
      "(SAIN_TUNING=FILE is another place, SAIN_TUNING=off has it ignored). run, chat, route, eval, logits and bench\n"
      "follow it on this machine; -t and SAIN_ISA stand above it. Best on an otherwise idle machine, 2 to 4 minutes.\n"
      "Examples:\n"
      "  sain tune\n"
      "  sain tune -m smollm2-135m-instruct --quick --dry-run\n"
      "  SAIN_TUNING=/tmp/t.json sain tune -m 5b.gguf --reps 9 --json");
  command->callback([options, &exit_code] {
    const Status status = tune(*options);
    exit_code = status ? kSuccess : fail("tune", status.error());
  });
}

}  // namespace sain::tools
