// Finding a model's tensors by name, with the type and shape that they must have.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>

#include "engine/weights.h"
#include "formats/gguf.h"
#include "formats/result.h"

namespace sain::engine {

enum class Presence { kRequired, kOptional };

/// Remembers which tensors were asked for. `file` must outlive it and the matrices; `bytes` counts those found.
class TensorLoader {
 public:
  TensorLoader(const formats::GgufFile& file, size_t& bytes) : file_(file), bytes_(bytes) {}

  /// Errors: kNotFound (missing), kCorrupt (its shape).
  Status matrix(const std::string& name, size_t rows, size_t cols, WeightMatrix& out,
                Presence presence = Presence::kRequired);

  /// Errors: also kUnsupported (not F32); kCorrupt for what is not finite.
  Status vector(const std::string& name, size_t n, WeightVector& out, Presence presence = Presence::kRequired);

  bool is_used(std::string_view name) const { return used_.contains(name); }

 private:
  Result<const formats::TensorInfo*> find(const std::string& name, size_t row_length, size_t rows, Presence presence);

  const formats::GgufFile& file_;
  std::unordered_set<std::string_view> used_;
  size_t& bytes_;
};

}  // namespace sain::engine
