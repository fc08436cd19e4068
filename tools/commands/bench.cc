// sain bench: how fast a model runs on this machine, beside what the machine could do.
#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/cpu_count.h"
#include "engine/machine_probe.h"
#include "engine/session.h"
#include "router/monitoring/process_memory.h"
#include "tools/bench/benchmark.h"
#include "tools/bench/report.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"
#include "tools/interrupt.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

struct Options {
  std::string model;
  RunOptions run;
  std::vector<uint32_t> n_prompt = {512}, n_decode = {128}, depths = {0};
  std::vector<unsigned> threads = {};  // empty: as tuned, else as many as physical cores
  uint32_t batch = 1;
  unsigned reps = 5;
  bool json = false;
};

/// Every combination of what the options list, in their order.
Result<std::vector<BenchCase>> cases_of(const Options& options, uint32_t largest_context) {
  std::vector<BenchCase> cases;
  for (const unsigned n_threads : options.threads) {
    for (const uint32_t n_prompt : options.n_prompt) {
      for (const uint32_t n_decode : options.n_decode) {
        for (const uint32_t depth : options.depths) {
          cases.push_back({n_threads, n_prompt, n_decode, depth, options.batch});
          if (n_prompt == 0 && n_decode == 0) {
            return make_error(ErrorCode::kInvalidArgument, "-p 0 and -n 0: there is nothing to measure");
          }
          const uint32_t needed = cases.back().context_length();
          if (needed > largest_context && options.run.window == 0) {
            return make_error(ErrorCode::kInvalidArgument,
                              "-p {} -n {} --depth {} -b {} need a context of {} tokens, and the model has {}",
                              n_prompt, n_decode, depth, options.batch, needed, largest_context);
          }
        }
      }
    }
  }
  return cases;
}

Result<BenchRow> measure(const BenchCase& test, const Options& options, const engine::Model& model,
                         const std::shared_ptr<const engine::Adapter>& adapter, engine::Tuning tuning,
                         const BenchOptions& bench_options) {
  tuning.n_threads = test.n_threads;
  engine::ThreadPool pool(tuning);
  if (pool.n_threads() != test.n_threads) {
    return make_error(ErrorCode::kResourceExhausted, "-t {}: the system gives {} threads", test.n_threads,
                      pool.n_threads());
  }
  engine::SessionOptions session_options = options.run.session(test.context_length(), tuning);
  session_options.adapter = adapter;
  SAIN_ASSIGN_OR_RETURN(engine::Session session, engine::Session::create(model, pool, session_options));
  SAIN_ASSIGN_OR_RETURN(const BenchSpeed speed, measure_speed(session, test, bench_options));
  return BenchRow{.test = test, .tuning = tuning, .speed = speed, .rss_bytes = router::peak_rss_bytes()};
}

/// After all rows, so that the memory it takes is in none of them.
Status measure_machines(std::vector<BenchRow>& rows, kernels::Isa isa, std::stop_token stop) {
  std::map<unsigned, engine::MachineSpeed> machines;  // by number of threads
  for (BenchRow& row : rows) {
    const auto [found, is_new] = machines.try_emplace(row.test.n_threads);
    if (is_new) {
      engine::ThreadPool pool(row.test.n_threads);
      SAIN_ASSIGN_OR_RETURN(found->second, engine::measure_machine(pool, isa, stop));
    }
    row.machine = found->second;
  }
  return {};
}

Status bench(Options options) {
  SAIN_RETURN_IF_ERROR(options.run.check());
  const engine::Tuning tuning = options.run.tuning();
  if (options.threads.empty()) options.threads = {tuning.n_threads ? tuning.n_threads : engine::available_cores()};
  const Interrupt interrupt;
  SAIN_ASSIGN_OR_RETURN(const LoadedModel loaded,
                        load_model(options.model, options.run, tuning.isa, interrupt.token()));
  const engine::Model& model = *loaded.model;
  SAIN_ASSIGN_OR_RETURN(const std::shared_ptr<const engine::Adapter> adapter, options.run.load_adapter(model));
  SAIN_ASSIGN_OR_RETURN(const std::vector<BenchCase> cases, cases_of(options, model.config().context_length));

  std::vector<BenchRow> rows;
  ProgressBar bar("measuring");
  const BenchOptions bench_options = {
      .n_reps = options.reps, .stop = interrupt.token(), .on_progress = [&](double fraction) {
        bar.show_fraction((static_cast<double>(rows.size()) + fraction) / static_cast<double>(cases.size()),
                          fmt::format("row {} of {}", rows.size() + 1, cases.size()));
      }};
  for (const BenchCase& test : cases) {
    SAIN_ASSIGN_OR_RETURN(BenchRow row, measure(test, options, model, adapter, tuning, bench_options));
    rows.push_back(row);
  }
  SAIN_RETURN_IF_ERROR(measure_machines(rows, model.kernels().isa, interrupt.token()));
  bar.clear();

  if (!options.json) {
    print_table(rows, model, bench_options);
  } else if (rows.size() == 1) {
    fmt::print("{}\n", to_json(rows[0], model, bench_options).dump());
  } else {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const BenchRow& row : rows) list.push_back(to_json(row, model, bench_options));
    fmt::print("{}\n", list.dump());
  }
  return finish_output();
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench", "Measure how fast a model runs, beside what the machine could do");
  add_model_option(*command, options->model);
  const auto list = [&](const char* flags, auto& values, const char* help, uint32_t least, uint32_t most) {
    return command->add_option(flags, values, help)
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(in_range(least, most))
        ->type_name("N,...");
  };
  constexpr uint32_t kMost = 1u << 24;
  list("-p,--prompt", options->n_prompt, "Tokens of prefill; 0: none", 0, kMost)->default_str("512");
  list("-n,--decode", options->n_decode, "Steps of decode; 0: none", 0, kMost)->default_str("128");
  list("-t,--threads", options->threads, "Threads to compute with (default: as tuned, else the physical cores)", 1,
       1024);
  list("--depth", options->depths, "Tokens in the context when decode begins", 0, kMost)->default_str("0");
  command
      ->add_option("-b,--batch", options->batch,
                   "Tokens a step of decode: a prefill of B tokens, again and again, with logits of the last")
      ->check(in_range(1u, 64u))
      ->capture_default_str()
      ->type_name("B");
  command->add_option("--reps", options->reps, "Repetitions; the median counts")
      ->check(in_range(1u, 10000u))
      ->capture_default_str()
      ->type_name("N");
  command->add_flag("--json", options->json,
                    "Print one JSON object, or an array of them where there are several rows: prefill_tps, decode_tps, "
                    "mixed_tps (each median, min, max), bandwidth_gbs, bandwidth_measured_gbs, rss_bytes, ...");
  add_stream_options(*command, options->run, nullptr);
  add_adapter_options(*command, options->run);
  add_backend_options(*command, options->run);
  command->footer(
      "Lists of -p, -n, -t and --depth are a sweep: a row for each combination.\n"
      "GB/S are the weights that decode reads, OF BANDWIDTH compares them with reads out of memory on as many "
      "threads,\n"
      "OF INT8 PEAK the products of prefill with the fastest 8-bit instructions; mixed is a prompt and decode after "
      "it.\n"
      "Examples:\n"
      "  sain bench -m smollm2-135m-instruct\n"
      "  sain bench -m 1b.gguf -p 64,512,4096 -n 0 -t 1,2 --json\n"
      "  sain bench -m 1b.gguf -p 0 -n 32 --depth 0,1024,8192,32768 --reps 3");
  command->callback([options, &exit_code] {
    const Status status = bench(*options);
    exit_code = status ? kSuccess : fail("bench", status.error());
  });
}

}  // namespace sain::tools
