// Which intent a request has: features of its text, then the trained head, which is kept in a file between runs.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include "router/feature_cache.h"
#include "router/features.h"
#include "router/registry.h"
#include "router/route_head.h"

namespace sain::router {

/// Hears how a training goes; either function may be empty.
struct TrainingObserver {
  std::function<void(std::string_view line)> say = {};
  std::function<void(double fraction)> progress = {};  // 0 to 1
};

/// What features depend on: the files of the assistant and of the encoder if there is one, and the layer. A file is
/// known by its size and by samples of its content, 64 KiB at each sixteenth of it, because hashing gigabytes would
/// cost more than the routing. Errors: kIo, kNotFound.
Result<HeadKey> feature_key(std::span<const std::filesystem::path> files, uint32_t layer);

enum class Retrain { kIfStale, kAlways };

/// Immutable, and thread-safe.
class Classifier {
 public:
  /// `features` are those that `key` stands for; see feature_key(). Takes the head from `folder` if one was trained
  /// from them and these examples. Otherwise, with one line to the observer, trains it anew and writes it; that it
  /// cannot be written is only said. Features of examples are kept in `folder` too, so that of a specialist that joins
  /// only its own are computed, unless all is to be done anew. The oldest files of other configurations go. Without any
  /// intent there is nothing to train, and classify() gives an empty vector.
  static Result<Classifier> open(const Registry& registry, std::shared_ptr<FeatureExtractor> features,
                                 const HeadKey& key, const std::filesystem::path& folder,
                                 const TrainingObserver& observer, Retrain retrain = Retrain::kIfStale,
                                 std::stop_token stop = {});

  /// Probabilities by intent (RegistrySnapshot::intents), or none when there are no intents.
  Result<Classification> classify(std::string_view text) const;

  const RouteHead& head() const { return head_; }
  const std::filesystem::path& head_file() const { return head_file_; }

 private:
  explicit Classifier(std::shared_ptr<FeatureExtractor> features) : features_(std::move(features)) {}

  std::shared_ptr<FeatureExtractor> features_;
  std::filesystem::path head_file_;
  RouteHead head_;  // of no intents when there are none
};

/// The features of every example, labelled.
/// Errors: those of `features`, naming the example; kCancelled.
Result<HeadExamples> extract_examples(const Registry& registry, FeatureExtractor& features, FeatureCache& cache,
                                      const TrainingObserver& observer, std::stop_token stop = {});

}  // namespace sain::router
