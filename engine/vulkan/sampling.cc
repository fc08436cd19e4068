#include "engine/vulkan/sampling.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

namespace sain::engine::vulkan {

using shaders::SamplingState;

bool Sampling::can(const PlainSampling& rule) {
  constexpr float kLargest = 0x1p126f;  // that all devices divide by as they should, as the least normal one
  return (rule.top_k > 0 ? rule.top_k <= shaders::kMostTopK : rule.top_p == 1) && std::isnormal(rule.temperature) &&
         rule.temperature <= kLargest;
}

void Sampling::begin(const PlainSampling& rule, uint64_t position, std::span<const double> draws) {
  SAIN_CHECK(draws.size() <= kMostAhead);
  const SamplingState state = {
      .top_k = rule.top_k, .top_p = rule.top_p, .min_p = rule.min_p, .temperature = rule.temperature, .draws = {}};
  std::memcpy(state_.mapped, &state, offsetof(SamplingState, draws));
  rule_ = rule;
  first_ = end_ = position;
  for (const double draw : draws) tell(end_++, draw);
}

bool Sampling::go_on(const PlainSampling& rule, uint64_t position, std::span<const double> draws) {
  SAIN_CHECK(draws.size() <= kMostAhead);
  if (rule != rule_ || position < first_ || position > end_) return false;
  const auto n_told = static_cast<size_t>(std::min<uint64_t>(end_ - position, draws.size()));
  for (size_t i = 0; i < n_told; ++i) {
    if (draws_[(position + i) % shaders::kHistory] != draws[i]) return false;
  }
  for (const double draw : draws.subspan(n_told)) tell(end_++, draw);
  first_ = position;
  return true;
}

void Sampling::tell(uint64_t position, double draw) {
  const uint64_t i = position % shaders::kHistory;
  draws_[i] = draw;
  const double high = std::floor(draw * 0x1p32);
  const uint32_t halves[] = {static_cast<uint32_t>(high), static_cast<uint32_t>((draw * 0x1p32 - high) * 0x1p32)};
  std::memcpy(state_.mapped + offsetof(SamplingState, draws) + i * sizeof halves, halves, sizeof halves);
}

}  // namespace sain::engine::vulkan
