// The trained part of routing: multinomial logistic regression over intents, on features of the assistant.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "formats/result.h"

namespace sain::router {

/// Identifies what a head was trained from; see route_head_key().
using HeadKey = std::array<unsigned char, 32>;

struct HeadExamples {
  uint32_t n_features = 0;
  uint32_t n_intents = 0;
  std::vector<uint32_t> intent_group = {};  // (n_intents): the member that an intent belongs to
  std::vector<float> features = {};         // (n_examples, n_features), row-major
  std::vector<uint32_t> labels = {};        // (n_examples), below n_intents
};

struct HeadOptions {
  double l2 = 3e-4;  // weight of |W|^2 / 2 beside the mean negative log-likelihood; five folds of the built-in examples
                     // chose it
  unsigned max_iterations = 200;
  double tolerance = 1e-4;        // on the largest component of the gradient
  unsigned calibration_fold = 5;  // every fifth example of an intent sets the temperature; 0: temperature 1
};

/// Features are standardised by the mean and deviation of the training examples and brought to unit length before
/// the linear layer. Immutable after training.
class RouteHead {
 public:
  /// Minimises the regularised likelihood by L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5);
  /// the same input gives the same head. The temperature (Guo et al., arXiv 1706.04599) is the one under which the
  /// probabilities, summed to groups, explain the held-out fold best; then all examples are trained on.
  /// Errors: kInvalidArgument (no examples, sizes that do not fit, a feature that is not finite).
  static Result<RouteHead> train(const HeadExamples& examples, const HeadOptions& options = {});

  /// (n_intents) calibrated probabilities, summing to 1. Errors: kInvalidArgument (a wrong size, not finite).
  Result<std::vector<double>> probabilities(std::span<const float> features) const;

  /// Writes `path` atomically. Errors: kIo.
  Status save(const std::filesystem::path& path, const HeadKey& key) const;

  /// Errors: kNotFound; kInvalidArgument (made from something else than `key`); kCorrupt; kIo.
  static Result<RouteHead> load(const std::filesystem::path& path, const HeadKey& key);

  uint32_t n_features() const { return static_cast<uint32_t>(mean_.size()); }
  uint32_t n_intents() const { return static_cast<uint32_t>(bias_.size()); }
  double temperature() const { return temperature_; }

 private:
  std::vector<float> mean_, inverse_deviation_;  // (n_features)
  std::vector<float> weights_;                   // (n_intents, n_features), row-major
  std::vector<float> bias_;                      // (n_intents)
  double temperature_ = 1;
};

}  // namespace sain::router
