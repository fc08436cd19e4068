#include "tools/bench/report.h"

#include <fmt/format.h>

#include <set>

#include "engine/tuning_file.h"
#include "kernels/isa.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

using nlohmann::ordered_json;

ordered_json to_json(const Spread& spread) {
  if (!spread) return nullptr;
  return {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}};
}

ordered_json or_null(double value) {
  return value > 0 ? ordered_json(value) : ordered_json(nullptr);
}

std::string per_cent(double part, double whole) {
  return part > 0 && whole > 0 ? fmt::format("{:.0f} %", 100 * part / whole) : "";
}

void print_line(const BenchRow& row, const std::string& what, const Spread& speed, const std::string& bandwidth,
                const std::string& of_bandwidth, const std::string& of_peak) {
  if (!speed) return;
  fmt::print("{:>7}  {:<20} {:>9.2f} {:>9.2f} {:>9.2f}  {:>6} {:>13} {:>12}\n", row.test.n_threads, what, speed.median,
             speed.min, speed.max, bandwidth, of_bandwidth, of_peak);
}

}  // namespace

double decode_gbs(const BenchRow& row, const TokenCost& cost) {
  return static_cast<double>(cost.weight_bytes) * row.speed.decode.median / row.test.n_batch / 1e9;
}

double prefill_gops(const BenchRow& row, const TokenCost& cost) {
  if (!row.speed.prefill) return 0;
  // Logits are wanted of the last token alone.
  const double macs = static_cast<double>(cost.layer_macs) + static_cast<double>(cost.output_macs) / row.test.n_prompt;
  return 2 * macs * row.speed.prefill.median / 1e9;
}

ordered_json to_json(const BenchRow& row, const engine::Model& model, const BenchOptions& options) {
  const TokenCost cost = token_cost(model.file());
  return {{"model", model.file().path().string()},
          {"threads", row.test.n_threads},
          {"prompt", row.test.n_prompt},
          {"decode", row.test.n_decode},
          {"depth", row.test.depth},
          {"batch", row.test.n_batch},
          {"reps", options.n_reps},
          {"isa", kernels::isa_name(model.kernels().isa)},
          {"tuning", engine::to_json(row.tuning)},
          {"prefill_tps", to_json(row.speed.prefill)},
          {"decode_tps", to_json(row.speed.decode)},
          {"mixed_tps", to_json(row.speed.mixed)},
          {"weight_bytes_per_step", cost.weight_bytes},
          {"bandwidth_gbs", or_null(decode_gbs(row, cost))},
          {"bandwidth_measured_gbs", row.machine.read_gbs},
          {"int8_gops", or_null(prefill_gops(row, cost))},
          {"int8_measured_gops", row.machine.int8_gops},
          {"rss_bytes", row.rss_bytes}};
}

void print_table(std::span<const BenchRow> rows, const engine::Model& model, const BenchOptions& options) {
  const TokenCost cost = token_cost(model.file());
  fmt::print("{}: {} of weights a step, {} kernels, {} repetitions, at most {} of memory\n",
             model.file().path().filename().string(), format_bytes(cost.weight_bytes),
             kernels::isa_name(model.kernels().isa), options.n_reps, format_bytes(rows.back().rss_bytes));
  engine::Tuning tuning = rows.front().tuning;
  tuning.n_threads = 0;  // each row shows its own
  if (const std::string changes = engine::tuning_changes(tuning); !changes.empty()) fmt::print("tuned: {}\n", changes);
  std::set<unsigned> shown;
  for (const BenchRow& row : rows) {
    if (!shown.insert(row.test.n_threads).second) continue;
    fmt::print("the machine with {} thread{}: {:.1f} GB/s out of memory, {:.0f} int8 GOP/s\n", row.test.n_threads,
               row.test.n_threads == 1 ? "" : "s", row.machine.read_gbs, row.machine.int8_gops);
  }
  fmt::print("\n{:>7}  {:<20} {:>9} {:>9} {:>9}  {:>6} {:>13} {:>12}\n", "THREADS", "TEST", "TOKENS/S", "LEAST", "MOST",
             "GB/S", "OF BANDWIDTH", "OF INT8 PEAK");
  for (const BenchRow& row : rows) {
    const BenchCase& test = row.test;
    const double gbs = decode_gbs(row, cost);
    print_line(row, fmt::format("prefill {}", test.n_prompt), row.speed.prefill, "", "",
               per_cent(prefill_gops(row, cost), row.machine.int8_gops));
    print_line(row,
               fmt::format("decode {}{}{}", test.n_decode, test.n_batch > 1 ? fmt::format("x{}", test.n_batch) : "",
                           test.depth > 0 ? fmt::format(" at {}", test.depth) : ""),
               row.speed.decode, fmt::format("{:.1f}", gbs), per_cent(gbs, row.machine.read_gbs), "");
    print_line(row, fmt::format("mixed {}+{}", test.n_prompt, test.n_decode), row.speed.mixed, "", "", "");
  }
}

}  // namespace sain::tools
