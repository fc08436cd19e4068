// Whether a file that was made from a model still belongs to it.
#pragma once

#include <cstdint>
#include <string>

#include "formats/gguf.h"

namespace sain::engine {

/// A model's file as it is now. Quick to find: data of a model are gigabytes.
struct ModelIdentity {
  uint64_t bytes = 0;       // of all parts together
  int64_t modified = 0;     // nanoseconds of the file clock
  std::string fingerprint;  // SHA-256 of the tensors' names, types and shapes, and of the beginning of each one's data

  static ModelIdentity of(const formats::GgufFile& file);
};

}  // namespace sain::engine
