// The trained part of routing: which intent a request has, and whether it has any of them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "formats/result.h"
#include "router/features.h"

namespace sain::router {

/// Identifies what a head was trained from; see route_head_key().
using HeadKey = std::array<unsigned char, 32>;

struct HeadExamples {
  std::vector<FeatureView> views = {};  // that the features consist of; at least one
  uint32_t n_intents = 0;
  std::vector<uint32_t> intent_group = {};  // (n_intents): the member that an intent belongs to
  std::vector<float> features = {};         // (n_examples, n_features()), row-major
  std::vector<uint32_t> labels = {};        // (n_examples), ascending; n_intents: background, which belongs to nobody

  uint32_t n_features() const;
};

struct Classification {
  std::vector<double> probabilities = {};  // by intent, summing to 1; empty when there are no intents
  /// The share of the examples that would be less familiar than this request if they were new, 0 to 1. What belongs to
  /// nobody has next to none.
  double familiarity = 1;
};

/// Brings the two parts of the gate to one scale, and adds them.
struct GateScale {
  double lead = 1, cosine = 1;

  double score(double lead_value, double cosine_value) const { return lead * lead_value + cosine * cosine_value; }
};

/// Kernel ridge regression from the views of a request, each centred and of unit length, to its intent. The kernel is
/// exp(2 (s - 1)) of the weighted mean s of the views' cosines. A gate says whether the request is like any example: by
/// how much more it is like an intent than like the background, and by its mean cosine to the three nearest examples
/// in the first view. Immutable after training.
class RouteHead {
 public:
  /// In closed form; the same input gives the same head. The temperature (Guo et al., arXiv 1706.04599) is the one
  /// under which probabilities, summed to groups, explain best what examples get when they are left out. Background
  /// that is too much like the examples is left out. Takes time with the third power of the examples, and memory with
  /// the second: 3,000 of them some seconds and 0.1 GB.
  /// Errors: kInvalidArgument (no examples, sizes that do not fit, labels not in order, a feature that is not finite).
  static Result<RouteHead> train(const HeadExamples& examples);

  /// `features`: those of one request. Errors: kInvalidArgument (a wrong size, not finite).
  Result<Classification> classify(std::span<const float> features) const;

  /// Writes `path` atomically. Errors: kIo.
  Status save(const std::filesystem::path& path, const HeadKey& key) const;

  /// Errors: kNotFound; kInvalidArgument (made from something else than `key`); kCorrupt; kIo.
  static Result<RouteHead> load(const std::filesystem::path& path, const HeadKey& key);

  uint32_t n_features() const { return static_cast<uint32_t>(mean_.size()); }
  uint32_t n_intents() const { return n_intents_; }
  uint32_t n_background() const;  // that was kept
  double temperature() const { return temperature_; }
  uint64_t bytes() const;

 private:
  uint32_t n_rows() const { return mean_.empty() ? 0 : static_cast<uint32_t>(rows_.size() / mean_.size()); }

  std::vector<FeatureView> views_;
  uint32_t n_intents_ = 0;
  uint32_t n_known_ = 0;             // rows of intents; the others are background
  std::vector<float> mean_;          // (n_features)
  std::vector<float> rows_;          // (n_rows, n_features)
  std::vector<float> coefficients_;  // (n_rows, n_intents + 1)
  double temperature_ = 1;
  GateScale gate_;
  std::vector<double> quantiles_;  // of the gate's scores of examples that were left out, ascending
};

}  // namespace sain::router
