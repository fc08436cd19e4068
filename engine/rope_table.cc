#include "engine/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sain::engine {
namespace {

/// YaRN's ramp: 1 keeps a pair's frequency (it turns often within the original context), 0 interpolates it.
class YarnRamp {
 public:
  YarnRamp(const RopeConfig& config, double base) {
    const double dim = config.rotary_dim;
    const auto pair_that_turns = [&](double turns) {
      return dim * std::log(config.original_context / (turns * 2 * std::numbers::pi)) / (2 * std::log(base));
    };
    low_ = std::max(std::floor(pair_that_turns(config.yarn_beta_fast)), 0.0);
    high_ = std::min(std::ceil(pair_that_turns(config.yarn_beta_slow)), dim - 1);
  }

  double operator()(size_t pair) const {
    const double along = (static_cast<double>(pair) - low_) / std::max(high_ - low_, 0.001);
    return 1 - std::clamp(along, 0.0, 1.0);
  }

 private:
  double low_, high_;
};

}  // namespace

RopeTable::RopeTable(const RopeConfig& config, RopeKind kind, std::span<const float> factors)
    : frequencies_(config.rotary_dim / 2) {
  const bool is_scaled = kind == RopeKind::kGlobal && config.scaling != RopeConfig::Scaling::kNone;
  const bool is_yarn = is_scaled && config.scaling == RopeConfig::Scaling::kYarn;
  const double base = static_cast<double>(kind == RopeKind::kGlobal ? config.base : config.local_base);
  const double factor = is_scaled ? static_cast<double>(config.factor) : 1;
  const YarnRamp ramp(config, base);
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    double frequency = std::pow(base, -2.0 * static_cast<double>(i) / config.rotary_dim);
    if (!factors.empty()) frequency /= static_cast<double>(factors[i]);
    const double kept = is_yarn ? ramp(i) * static_cast<double>(config.yarn_extrapolation) : 0;
    frequencies_[i] = frequency / factor * (1 - kept) + frequency * kept;
  }
  if (is_yarn) {
    magnitude_ = static_cast<double>(config.attention_factor);
    if (config.yarn_extrapolation != 0) magnitude_ *= 1 + 0.1 * std::log(factor);
  }
}

void RopeTable::fill(uint64_t position, float* cos_sin) const {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    cos_sin[2 * i] = static_cast<float>(std::cos(angle) * magnitude_);
    cos_sin[2 * i + 1] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

}  // namespace sain::engine
