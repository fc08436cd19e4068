// What a bench found, as a table for people and as JSON for scripts.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "engine/machine_probe.h"
#include "engine/model.h"
#include "engine/tuning.h"
#include "tools/bench/benchmark.h"

namespace sain::tools {

/// One row of a sweep.
struct BenchRow {
  BenchCase test;
  engine::Tuning tuning = {};  // that it ran with
  BenchSpeed speed;
  engine::MachineSpeed machine = {};  // on as many threads
  size_t rss_bytes = 0;               // the most that the process has held so far
};

/// Bytes of weights that decode reads a second, in 10^9; 0 where it was not measured.
double decode_gbs(const BenchRow& row, const TokenCost& cost);

/// 8-bit operations of prefill a second, in 10^9, as MachineSpeed counts them; 0 where it was not measured.
double prefill_gops(const BenchRow& row, const TokenCost& cost);

/// The contract of `sain bench --json`. What was not measured is null.
nlohmann::ordered_json to_json(const BenchRow& row, const engine::Model& model, const BenchOptions& options);

/// Prints the model, what the machine can do, and a line for each of prefill, decode and mixed.
void print_table(std::span<const BenchRow> rows, const engine::Model& model, const BenchOptions& options);

}  // namespace sain::tools
