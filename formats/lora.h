// LoRA adapters (arXiv 2106.09685, section 4.1) as GGUF files: what they hold, checked without their model.
//
// `general.type` is "adapter", `adapter.type` "lora", `general.architecture` that of the model, `adapter.lora.alpha` a
// number. For each matrix W that is adapted there are two tensors named after it, `W.lora_a` and `W.lora_b`, and W x
// becomes W x + alpha / rank * B A x.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "formats/result.h"

namespace sain::formats {

/// The two factors of what is added to a matrix. The token embedding, of which rows are looked up and nothing is
/// multiplied with, has A as (vocab_size, rank), so that a token's row is in one piece: row of token t + B A[t].
struct LoraPair {
  std::string_view base;  // the matrix's name in the model
  bool is_embedding = false;
  const TensorInfo* a = nullptr;  // (rank, cols), of the embedding (rows, rank)
  const TensorInfo* b = nullptr;  // (rows, rank), of the embedding (cols, rank)

  size_t rank() const { return b->shape[0]; }
  // The shape that the matrix must have.
  size_t rows() const { return is_embedding ? a->shape[1] : b->shape[1]; }
  size_t cols() const { return is_embedding ? b->shape[1] : a->shape[0]; }
};

/// Refers to the GgufFile that it was read from.
struct LoraFile {
  const GgufFile* file = nullptr;
  std::string_view architecture;  // of the model
  float alpha = 0;                // finite, not 0
  std::vector<LoraPair> pairs;    // in the order of the file, at least one

  /// Errors, naming the file, the key or tensor, and what was found: kUnsupported (no adapter, another kind of one,
  /// tensors that are no factors, as changed norms); kNotFound (a key); kCorrupt (alpha, half of a pair, ranks that
  /// differ, more than two dimensions).
  static Result<LoraFile> from_gguf(const GgufFile& file);
};

}  // namespace sain::formats
