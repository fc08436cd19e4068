#include "tools/tune/search.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "tools/bench/benchmark.h"

namespace sain::tools {
namespace {

using engine::Tuning;

/// Tokens a second of one tuning: by round, then by phase.
using Rounds = std::vector<std::vector<double>>;

double median(std::vector<double> values) {
  return spread_of(std::move(values)).median;
}

/// Every tuning once a round; the rounds of each.
Result<std::vector<Rounds>> measure_in_turn(std::span<const Tuning> tunings, std::span<const Phase> phases,
                                            const MeasurePhase& measure, unsigned n_rounds) {
  std::vector<Rounds> all(tunings.size(), Rounds(n_rounds));
  for (unsigned round = 0; round < n_rounds; ++round) {
    for (size_t i = 0; i < tunings.size(); ++i) {
      const size_t which = round % 2 == 0 ? i : tunings.size() - 1 - i;
      for (const Phase phase : phases) {
        SAIN_ASSIGN_OR_RETURN(const double speed, measure(tunings[which], phase));
        all[which][round].push_back(speed);
      }
    }
  }
  return all;
}

/// By round, how much faster `rounds` is than `base`: the geometric mean over the phases, less 1.
std::vector<double> gains(const Rounds& rounds, const Rounds& base) {
  std::vector<double> result;
  for (size_t r = 0; r < rounds.size(); ++r) {
    double log_ratio = 0;
    for (size_t p = 0; p < rounds[r].size(); ++p) log_ratio += std::log(rounds[r][p] / base[r][p]);
    result.push_back(std::exp(log_ratio / static_cast<double>(rounds[r].size())) - 1);
  }
  return result;
}

PhaseSpeeds median_speeds(const Rounds& rounds, std::span<const Phase> phases) {
  PhaseSpeeds speeds;
  for (size_t p = 0; p < phases.size(); ++p) {
    std::vector<double> values;
    for (const std::vector<double>& round : rounds) values.push_back(round[p]);
    (phases[p] == Phase::kPrefill ? speeds.prefill : speeds.decode) = median(std::move(values));
  }
  return speeds;
}

/// Tries the values of one parameter on top of `tuning`, and puts the best in place.
Result<std::vector<TriedValue>> try_values(Tuning& tuning, const TuneParameter& parameter, const MeasurePhase& measure,
                                           const SearchOptions& options) {
  std::vector<Tuning> tunings;
  for (const TuneParameter::Value& value : parameter.values) value.set(tunings.emplace_back(tuning));
  const size_t in_place = static_cast<size_t>(std::ranges::find(tunings, tuning) - tunings.begin());
  SAIN_CHECK(in_place < tunings.size());
  SAIN_ASSIGN_OR_RETURN(const std::vector<Rounds> rounds,
                        measure_in_turn(tunings, parameter.phases, measure, (options.n_rounds + 1) / 2));
  std::vector<TriedValue> tried;
  for (size_t i = 0; i < tunings.size(); ++i) {
    tried.push_back({.parameter = parameter.name,
                     .label = parameter.values[i].label,
                     .speed = median_speeds(rounds[i], parameter.phases),
                     .gain = median(gains(rounds[i], rounds[in_place])),
                     .was_in_place = i == in_place});
  }
  size_t best = static_cast<size_t>(std::ranges::max_element(tried, {}, &TriedValue::gain) - tried.begin());
  if (best != in_place && tried[best].gain > options.least_gain) {
    SAIN_ASSIGN_OR_RETURN(const Comparison again,
                          compare_tunings(tuning, tunings[best], parameter.phases, measure, options.n_rounds));
    tried[best].gain = again.gain;
    if (!again.is_faster(options.least_gain)) best = in_place;
  } else {
    best = in_place;
  }
  tried[best].is_chosen = true;
  tuning = tunings[best];
  return tried;
}

}  // namespace

Result<Tuning> search_tuning(const Tuning& start, std::span<const TuneParameter> parameters,
                             const MeasurePhase& measure, const SearchOptions& options) {
  Tuning tuning = start;
  for (const TuneParameter& parameter : parameters) {
    if (parameter.values.size() < 2) continue;
    SAIN_ASSIGN_OR_RETURN(const std::vector<TriedValue> tried, try_values(tuning, parameter, measure, options));
    if (options.on_parameter) options.on_parameter(tried);
  }
  return tuning;
}

Result<Comparison> compare_tunings(const Tuning& before, const Tuning& after, std::span<const Phase> phases,
                                   const MeasurePhase& measure, unsigned n_rounds) {
  const std::array tunings = {before, after};
  SAIN_ASSIGN_OR_RETURN(const std::vector<Rounds> rounds, measure_in_turn(tunings, phases, measure, n_rounds));
  const std::vector<double> all = gains(rounds[1], rounds[0]);
  Comparison result = {median_speeds(rounds[0], phases), median_speeds(rounds[1], phases), median(all)};
  result.won = static_cast<double>(std::ranges::count_if(all, [](double gain) { return gain > 0; })) / n_rounds;
  return result;
}

}  // namespace sain::tools
