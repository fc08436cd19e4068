// The model that `sain tune` measures with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "engine/model.h"
#include "engine/tuning.h"
#include "formats/result.h"
#include "tools/tune/search.h"

namespace sain::tools {

/// A file of random weights in the cache folder, and its packed form: both go with this object.
class TemporaryModel {
 public:
  /// `preset`: as `sain make-model` has them, in Q4_0. Errors: kIo, kNotFound, kCancelled.
  static Result<TemporaryModel> create(std::string_view preset, std::stop_token stop);
  TemporaryModel(TemporaryModel&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
  TemporaryModel& operator=(TemporaryModel&&) = delete;
  ~TemporaryModel();

  std::filesystem::path path() const;

 private:
  explicit TemporaryModel(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;
};

/// One run of a phase.
struct TuneWork {
  uint32_t n_prompt = 480;  // tokens of prefill, a whole number of batches of most lengths
  uint32_t n_decode = 48;
};

/// A model that runs under any tuning. Its file may go once it is open.
class TunedModel {
 public:
  /// Loads it with the kernels of each of `isas`; the weights are in memory once. Errors: those of load_model().
  static Result<TunedModel> open(const std::string& name_or_path, std::span<const kernels::Isa> isas,
                                 const TuneWork& work, std::stop_token stop);

  /// Tokens a second of one run, after a short warm-up; no more tokens than the model's context has. Errors:
  /// kCancelled, kResourceExhausted.
  Result<double> measure(const engine::Tuning& tuning, Phase phase) const;

  const engine::Model& model() const { return *models_.begin()->second; }

 private:
  std::map<kernels::Isa, std::unique_ptr<engine::Model>> models_;
  TuneWork work_;
  std::stop_token stop_;
};

}  // namespace sain::tools
