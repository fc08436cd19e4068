// A loaded model: configuration, weights, tokenizer and chat template. Immutable, shared by all its sessions.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/accelerator.h"
#include "engine/model_config.h"
#include "engine/packed_weights.h"
#include "engine/weights.h"
#include "formats/chat_template.h"
#include "formats/gguf.h"
#include "formats/result.h"
#include "formats/tokenizer.h"
#include "kernels/kernel_set.h"

namespace sain::engine {

namespace cpu {
class Batchers;
}

struct LoadOptions {
  std::filesystem::path path;
  kernels::Isa isa = kernels::Isa::kAuto;  // capped by SAIN_ISA
  Packing packing = Packing::kSidecar;
  std::shared_ptr<Accelerator> accelerator = {};          // where sessions compute; none: on the CPU
  uint64_t max_device_bytes = UINT64_MAX;                 // of its memory, that the weights may take
  std::function<void(double fraction)> on_progress = {};  // 0 to 1, called from the loading thread; may be empty
  std::stop_token stop = {};                              // a stop request ends the load with kCancelled
};

class Model {
 public:
  /// Maps the file, checks every tensor against the configuration, packs the weights or finds them packed, and reads
  /// them into the page cache.
  /// With an accelerator it brings them there too; where that fails a warning says so, and the CPU will do.
  /// Errors: those of GgufFile::open; kUnsupported (architecture); kCorrupt (shapes); kCancelled; kIo also where a file
  /// was cut after it was mapped.
  static Result<Model> load(const LoadOptions& options);

  /// The weights stay mapped: kIo, naming the file, once a read of them has failed because the file was cut in place or
  /// the disk is broken. What was computed since is worthless. Session asks; the model has to be loaded again.
  Status status() const;

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  const formats::Tokenizer& tokenizer() const { return tokenizer_; }
  const formats::ChatTemplate* chat_template() const { return chat_template_ ? &*chat_template_ : nullptr; }
  /// What a user should know about this file: an odd pre-tokenizer, a chat template that does not compile (and is
  /// then left out).
  const std::vector<std::string>& warnings() const { return warnings_; }
  const formats::GgufFile& file() const { return file_; }
  const kernels::KernelSet& kernels() const { return kernels_; }
  size_t weights_bytes() const { return weights_.bytes; }
  /// Where the sessions compute; nullptr: on the CPU.
  const DeviceModel* device() const { return device_.get(); }
  /// What its sessions share on the CPU while there are any; thread-safe.
  cpu::Batchers& batchers() const { return *batchers_; }

 private:
  static Result<Model> load(formats::GgufFile& file, const LoadOptions& options);
  Status bring_to(Accelerator& accelerator, const UploadOptions& options);
  Model(formats::GgufFile file, ModelConfig config, Weights weights, PackedWeights packed, formats::Tokenizer tokenizer,
        std::optional<formats::ChatTemplate> chat_template, std::vector<std::string> warnings,
        kernels::KernelSet kernels);

  formats::GgufFile file_;
  ModelConfig config_;
  Weights weights_;  // points into file_ and packed_
  PackedWeights packed_;
  formats::Tokenizer tokenizer_;
  std::optional<formats::ChatTemplate> chat_template_;
  std::vector<std::string> warnings_;
  kernels::KernelSet kernels_;
  std::shared_ptr<const DeviceModel> device_;
  std::shared_ptr<cpu::Batchers> batchers_;
};

}  // namespace sain::engine
