// The search of `sain tune`: which values of which parameters are faster, told from noise. It measures through a
// function, so that a test can put a machine of its own behind it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/tuning.h"
#include "formats/result.h"

namespace sain::tools {

enum class Phase { kPrefill, kDecode };

/// Tokens a second of one short run; above 0.
using MeasurePhase = std::function<Result<double>(const engine::Tuning&, Phase)>;

/// One thing to vary.
struct TuneParameter {
  struct Value {
    std::string label;
    std::function<void(engine::Tuning&)> set;
  };
  std::string name;
  std::vector<Phase> phases;  // that it has a say in; what counts is the geometric mean of their speeds
  std::vector<Value> values;  // the default's among them
};

/// Medians of tokens a second; 0 for a phase that was not measured.
struct PhaseSpeeds {
  double prefill = 0, decode = 0;
};

/// A value of a parameter that was tried.
struct TriedValue {
  std::string parameter, label;
  PhaseSpeeds speed = {};
  double gain = 0;  // over the value that was in place, the median of all rounds: 0.05 is 5 % faster
  bool was_in_place = false;
  bool is_chosen = false;
};

/// Two tunings measured in turn.
struct Comparison {
  PhaseSpeeds before = {}, after = {};
  double gain = 0;  // the median over the rounds of after / before, less 1
  double won = 0;   // the share of rounds in which `after` was faster

  /// All of up to 7 rounds must be won: where both are equally fast, 5 are in one of 32 cases.
  bool is_faster(double least_gain) const { return gain > least_gain && won >= 7.0 / 8; }
};

struct SearchOptions {
  unsigned n_rounds = 5;     // of a comparison of two; values are first tried in half as many
  double least_gain = 0.02;  // less is not worth leaving the defaults
  std::function<void(std::span<const TriedValue>)> on_parameter = {};  // after each; may be empty
};

/// Coordinate descent: goes through `parameters` once, in their order, and puts the best value of each in place. A
/// round measures every value once, and rounds run forwards and backwards in turn, so that a machine that gets slower
/// slows all alike; what counts is a value's speed over that of the value in place in the same round. The best value
/// is then measured anew beside that one, for the largest of several noisy numbers says too much, and taken if this
/// comparison says is_faster(). Errors: those of `measure`.
Result<engine::Tuning> search_tuning(const engine::Tuning& start, std::span<const TuneParameter> parameters,
                                     const MeasurePhase& measure, const SearchOptions& options);

/// Both in turn, n_rounds (> 0) times. Errors: those of `measure`.
Result<Comparison> compare_tunings(const engine::Tuning& before, const engine::Tuning& after,
                                   std::span<const Phase> phases, const MeasurePhase& measure, unsigned n_rounds);

}  // namespace sain::tools
