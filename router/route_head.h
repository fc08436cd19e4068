// The trained part of routing: multinomial logistic regression over intents, and a gate for what is none of them.
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
  std::vector<uint32_t> labels = {};        // (n_examples), below n_intents

  uint32_t n_features() const;
};

struct HeadOptions {
  double l2 = 1e-4;  // weight of |W|^2 / 2 beside the mean negative log-likelihood
  unsigned max_iterations = 200;
  double tolerance = 1e-4;        // on the largest component of the gradient
  unsigned calibration_fold = 5;  // every fifth example of an intent sets temperature and familiarity; 0: none does
};

struct Classification {
  std::vector<double> probabilities = {};  // by intent, summing to 1; empty when there are no intents
  /// The share of known requests that are less like the examples than this one, 0 to 1. One that belongs to nobody has
  /// next to none: asking for 0.05 keeps 95 % of those that belong to somebody.
  double familiarity = 1;
};

/// A linear layer over the views of a request, each standardised by the training examples and of unit length, and a
/// gate that says whether it is like any example at all: the greatest logit, and the mean cosine to the three nearest
/// examples in the first view, each in units of its deviation. Immutable after training.
class RouteHead {
 public:
  /// Minimises the regularised likelihood by L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5);
  /// the same input gives the same head. The temperature (Guo et al., arXiv 1706.04599) is the one under which the
  /// probabilities, summed to groups, explain the held-out fold best; then all examples are trained on.
  /// Errors: kInvalidArgument (no examples, sizes that do not fit, a feature that is not finite).
  static Result<RouteHead> train(const HeadExamples& examples, const HeadOptions& options = {});

  /// `features`: those of one request. Errors: kInvalidArgument (a wrong size, not finite).
  Result<Classification> classify(std::span<const float> features) const;

  /// Writes `path` atomically. Errors: kIo.
  Status save(const std::filesystem::path& path, const HeadKey& key) const;

  /// Errors: kNotFound; kInvalidArgument (made from something else than `key`); kCorrupt; kIo.
  static Result<RouteHead> load(const std::filesystem::path& path, const HeadKey& key);

  uint32_t n_features() const { return static_cast<uint32_t>(mean_.size()); }
  uint32_t n_intents() const { return static_cast<uint32_t>(bias_.size()); }
  double temperature() const { return temperature_; }
  uint64_t bytes() const;

 private:
  std::vector<FeatureView> views_;
  std::vector<float> mean_, inverse_deviation_;  // (n_features)
  std::vector<float> weights_;                   // (n_intents, n_features), row-major
  std::vector<float> bias_;                      // (n_intents)
  std::vector<float> neighbours_;                // (n_examples, views_[0].size): what is near in the first view
  double temperature_ = 1;
  std::array<double, 2> gate_weights_ = {1, 1};  // of the greatest logit, of the cosines
  std::vector<double> gate_quantiles_;           // gate scores of held-out examples, ascending; may be empty
};

}  // namespace sain::router
