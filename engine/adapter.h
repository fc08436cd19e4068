// A LoRA adapter (arXiv 2106.09685): small factors beside a model's matrices that make a specialist of it.
//
// The model stays as it is, so any number of adapters share one, and sessions with different ones, or none, run side by
// side. To switch is to go on with another session: nothing is merged into the weights.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/aligned_buffer.h"
#include "engine/weights.h"
#include "formats/lora.h"
#include "formats/result.h"
#include "kernels/dtype.h"
#include "kernels/kernel_set.h"

namespace sain::engine {

class Model;

/// What is added to the product with a matrix W of (rows, cols): y = W x + scale * B (A x). Of the token embedding what
/// is added to a token's row, scale * B A[token]. Empty where a matrix is as it was.
struct LowRank {
  WeightMatrix a;                // (rank, cols), row-major; of the embedding (vocab_size, rank)
  const std::byte* b = nullptr;  // (rows, rank) in panels of 16 rows, each (rank, 16): see kernels::GemmF32::pack
  DType b_dtype = DType::kF32;   // it and a's: F16 and BF16 as in the file, else F32
  size_t rows = 0;               // of W; of the embedding d_model
  size_t rank = 0;
  float scale = 0;  // the user's, times alpha / rank

  explicit operator bool() const { return b != nullptr; }
  const std::byte* panel(size_t group) const { return b + group * panel_bytes(); }
  size_t panel_bytes() const { return row_bytes(b_dtype, kernels::kGemmF32Rows * rank); }
};

struct LayerAdapter {
  LowRank q, k, v, attention_output, gate, up, down;
};

/// As in Weights.
struct AdapterWeights {
  LowRank token_embedding;
  std::vector<LayerAdapter> layers;
  LowRank output;
};

/// Immutable, in memory of its own. Any number of sessions and threads may share it.
class Adapter {
 public:
  /// Reads `path`, made for the model (or another one of the same architecture and shapes); `scale` multiplies what it
  /// adds: 1 as it was trained, 0 the model alone. Adapters of the token embedding change what is looked up, not what
  /// the output matrix multiplies with where the two are one.
  /// Errors, naming the file and the tensor: those of GgufFile::open and formats::LoraFile; kUnsupported (made for
  /// another architecture, for a matrix that the model does not have or that has another shape there); kCorrupt (a
  /// number that is not finite); kInvalidArgument (such a scale); kResourceExhausted.
  static Result<std::shared_ptr<const Adapter>> load(const std::filesystem::path& path, const Model& model,
                                                     float scale = 1);

  /// The same of a file that is open, whatever its architecture.
  static Result<std::shared_ptr<const Adapter>> create(const formats::LoraFile& file, const Weights& weights,
                                                       float scale = 1);

  /// Whether all that it adds has a matrix of the right shape among `weights`.
  bool fits(const Weights& weights) const;

  const AdapterWeights& weights() const { return weights_; }
  size_t max_rank() const { return max_rank_; }
  size_t bytes() const { return memory_.bytes(); }

  /// Tells apart what differs in a byte of a tensor, in alpha or in scale: 32 hexadecimal digits.
  const std::string& id() const { return id_; }

 private:
  Adapter() = default;
  AdapterWeights weights_;  // points into memory_
  AlignedBuffer memory_;
  size_t max_rank_ = 0;
  std::string id_;
};

}  // namespace sain::engine
