// A model's matrices in the layout that the kernels stream (kernels/packed.h), made once and kept in a file.
//
// The file, a sidecar, is a GGUF itself; formats/packed.md has it byte by byte. It is written beside the model, or in
// the cache folder where the model's folder is read-only, and made anew when it does not belong to the model as it is
// now.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/aligned_buffer.h"
#include "engine/weights.h"
#include "formats/gguf.h"
#include "formats/result.h"

namespace sain::engine {

enum class Packing {
  kSidecar,  // read from a file beside the model, which is made at the first time
  kMemory,   // done anew at each load; no file is read or written
  kNone,     // not at all: what is needed for fp32 activations alone
};

struct PackOptions {
  Packing packing = Packing::kSidecar;
  std::function<void(double fraction)> on_progress = {};
  std::stop_token stop = {};
};

/// Owns the packed matrices: a mapped sidecar, or memory.
class PackedWeights {
 public:
  PackedWeights() = default;

  /// Finds or makes the packed form of those of `weights` that have one, and sets their `packed`. `source` is the file
  /// that they are in. Where no sidecar can be written they are packed into memory, and a warning says why.
  /// Errors: kCancelled, kResourceExhausted, kIo (the model's file was cut meanwhile).
  static Result<PackedWeights> create(const formats::GgufFile& source, Weights& weights, const PackOptions& options,
                                      std::vector<std::string>& warnings);

  size_t bytes() const { return bytes_; }
  bool is_mapped() const { return file_.has_value(); }
  /// As MappedFile::status(), of the sidecar.
  Status status() const { return file_ ? file_->status() : Status(); }

  /// Where the sidecar of `model` lies if its folder can be written to.
  static std::filesystem::path sidecar_path(const std::filesystem::path& model);

 private:
  std::optional<formats::GgufFile> file_;
  AlignedBuffer memory_;
  size_t bytes_ = 0;
};

}  // namespace sain::engine
