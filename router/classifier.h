// Which intent a request has: features of its text, then the trained head, which is kept in a file between runs.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "router/features.h"
#include "router/registry.h"
#include "router/route_head.h"

namespace sain::router {

/// Hears how a training goes; either function may be empty.
struct TrainingObserver {
  std::function<void(std::string_view line)> say;
  std::function<void(double fraction)> progress;  // 0 to 1
};

/// What a head depends on: the files of the assistant and of the encoder if there is one, the layer, and every example
/// of every intent. A file is known by its size and by samples of its content, 64 KiB at each sixteenth of it, because
/// hashing gigabytes would cost more than the routing. Errors: kIo, kNotFound.
Result<HeadKey> route_head_key(std::span<const std::filesystem::path> files, uint32_t layer, const Registry& registry);

enum class Retrain { kIfStale, kAlways };

class Classifier {
 public:
  /// Takes the head from `head_file` if it was trained from what `key` says. Otherwise, with one line to the
  /// observer, trains it anew and writes the file; that the file cannot be written is only said. Without any intent
  /// there is nothing to train, and classify() gives an empty vector.
  static Result<Classifier> open(const Registry& registry, FeatureExtractor features, const HeadKey& key,
                                 const std::filesystem::path& head_file, const TrainingObserver& observer,
                                 Retrain retrain = Retrain::kIfStale, std::stop_token stop = {});

  /// Probabilities by intent (RegistrySnapshot::intents), or none when there are no intents. One thread at a time.
  Result<Classification> classify(std::string_view text);

  const RouteHead& head() const { return head_; }
  uint64_t encoder_bytes() const { return features_.bytes(); }

 private:
  explicit Classifier(FeatureExtractor features) : features_(std::move(features)) {}

  FeatureExtractor features_;
  RouteHead head_;  // of no intents when there are none
};

/// The features of every example, labelled. Errors: those of `features`, naming the example; kCancelled.
Result<HeadExamples> extract_examples(const Registry& registry, FeatureExtractor& features,
                                      const TrainingObserver& observer, std::stop_token stop = {});

}  // namespace sain::router
