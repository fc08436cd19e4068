#include "engine/model_identity.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <span>
#include <system_error>

#include "formats/mapped_file.h"
#include "formats/sha256.h"

namespace sain::engine {

ModelIdentity ModelIdentity::of(const formats::GgufFile& file) {
  constexpr size_t kSampleBytes = 256;  // of each tensor
  formats::Sha256 hash;
  for (const formats::TensorInfo& tensor : file.tensors()) {
    hash.update(std::as_bytes(std::span(tensor.name)));
    hash.update(std::as_bytes(std::span(&tensor.dtype, 1)));
    hash.update(std::as_bytes(std::span(tensor.shape)));
    const std::span data(tensor.data, tensor.bytes);
    const formats::SparseReads sparse(data);
    hash.update(data.first(std::min(tensor.bytes, kSampleBytes)));
  }
  std::error_code error;
  const auto modified = std::filesystem::last_write_time(file.path(), error).time_since_epoch();
  return {file.file_bytes(), modified / std::chrono::nanoseconds(1), hash.hex()};
}

}  // namespace sain::engine
