// What the host tells a device about tokens that it is to draw by itself.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/sampler.h"
#include "engine/vulkan/memory.h"
#include "shaders/interface.h"

namespace sain::engine::vulkan {

/// Writes the SamplingState of one conversation, which passes take over as each begins. A token's number is known by
/// the token's position alone, so that it does not matter how often a pass is repeated, and numbers of later tokens are
/// told while passes are under way.
class Sampling {
 public:
  /// Numbers that are told in advance: the other half are of passes under way.
  static constexpr uint32_t kMostAhead = shaders::kHistory / 2;

  Sampling() = default;
  /// `state` is mapped.
  explicit Sampling(const Slice& state) : state_(state) {}

  /// Whether the shaders can do it: with a top_k of at most kMostTopK, or without top_k and top_p.
  static bool can(const PlainSampling& rule);

  /// Tells of `rule`, and that draws[i], in [0, 1), is of the token at position + i; at most kMostAhead. What was told
  /// before is forgotten; nothing is under way.
  void begin(const PlainSampling& rule, uint64_t position, std::span<const double> draws);

  /// Tells what is new of this. False, and nothing changes, where something else has been told about a token from
  /// `position` on. At most kMostAhead tokens from there on are under way, and none before.
  bool go_on(const PlainSampling& rule, uint64_t position, std::span<const double> draws);

  const PlainSampling& rule() const { return rule_; }
  const Slice& state() const { return state_; }

 private:
  void tell(uint64_t position, double draw);

  Slice state_;
  PlainSampling rule_ = {};
  uint64_t first_ = 0, end_ = 0;                      // positions that have been told about
  std::array<double, shaders::kHistory> draws_ = {};  // as in SamplingState
};

}  // namespace sain::engine::vulkan
