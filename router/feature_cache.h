// Features of examples that were computed before, so that a specialist that joins costs only its own.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/route_head.h"

namespace sain::router {

/// Features by text, in a file between runs. Used by one thread at a time.
class FeatureCache {
 public:
  /// What `file` holds of features that `key` stands for; nothing where it holds others, is damaged or is not there.
  static FeatureCache load(std::filesystem::path file, const HeadKey& key, uint32_t n_features);

  /// Those of a text: what is known, else what `compute` says, which is known from then on. The reference lasts until
  /// the next call. Errors: those of `compute`.
  using Compute = std::function<Result<std::vector<float>>(std::string_view text)>;
  Result<std::span<const float>> get(std::string_view text, const Compute& compute);

  /// Forgets the texts that nobody has asked for since the last time, and writes the file atomically if it changes.
  /// Errors: kIo.
  Status save();

 private:
  using Hash = std::array<uint64_t, 2>;
  struct Entry {
    std::vector<float> features;
    bool is_used = false;
  };

  FeatureCache(std::filesystem::path file, const HeadKey& key, uint32_t n_features)
      : file_(std::move(file)), key_(key), n_features_(n_features) {}

  std::filesystem::path file_;
  HeadKey key_;
  uint32_t n_features_;
  std::map<Hash, Entry> entries_;
  bool has_grown_ = false;
};

}  // namespace sain::router
