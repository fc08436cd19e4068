// Angles of the rotary position embedding, with the scalings that real models use.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/model_config.h"

namespace sain::engine {

/// Which of a model's two sets of angles: sliding-window layers may have a base of their own and are never scaled.
enum class RopeKind { kGlobal, kLocal };

/// Frequencies are kept and multiplied by the position in double: in float the angle is off by more than a degree
/// from some hundred thousand tokens on.
class RopeTable {
 public:
  /// `factors` (rotary_dim / 2, or empty) divide the frequencies: Llama 3's scaling as GGUF stores it.
  /// Linear scaling: arXiv 2306.15595. YaRN: arXiv 2309.00071, section 3.2 (NTK by parts) and 3.4 (temperature).
  RopeTable(const RopeConfig& config, RopeKind kind, std::span<const float> factors);

  /// Writes rotary_dim / 2 pairs (cos, sin), times YaRN's magnitude.
  void fill(uint64_t position, float* cos_sin) const;

  /// Radians a position, of each pair.
  std::span<const double> frequencies() const { return frequencies_; }
  /// What cos and sin are multiplied by.
  double magnitude() const { return magnitude_; }

  size_t rotary_dim() const { return frequencies_.size() * 2; }

 private:
  std::vector<double> frequencies_;  // radians a position
  double magnitude_ = 1;
};

}  // namespace sain::engine
