// The checks between the bytes of one GGUF file and what the rest of SAIN may trust.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/byte_reader.h"
#include "formats/gguf.h"
#include "formats/result.h"

namespace sain::formats {

/// What one file holds; for a split model, one part.
struct GgufPart {
  uint32_t version = 0;
  Metadata metadata;
  std::vector<TensorInfo> tensors;
};

/// Reads one file from its first byte to its last tensor. Used once: construct, read().
class GgufReader {
 public:
  /// `bytes` must outlive what read() returns; `file` names it in messages.
  GgufReader(std::span<const std::byte> bytes, std::string file)
      : bytes_(bytes), reader_(bytes), file_(std::move(file)) {}

  Result<GgufPart> read();

 private:
  Status read_header();
  Status read_metadata();
  Status read_tensors();
  Result<GgufValue> read_value(std::string_view key);
  Result<GgufType> read_type(std::string_view key, const char* field);
  Result<GgufArray> read_array(std::string_view key, int depth);
  Result<TensorInfo> read_tensor(uint64_t number);
  Status place_tensors();
  Status check_overlaps() const;

  template <class... Args>
  Error corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    return make_error(ErrorCode::kCorrupt, "{}: {}", file_, fmt::format(format, std::forward<Args>(args)...));
  }
  Error cut(std::string_view field) const;
  Error bad_string(std::string_view field);

  std::span<const std::byte> bytes_;
  ByteReader reader_;
  std::string file_;
  uint64_t n_tensors_ = 0;
  uint64_t n_entries_ = 0;
  uint64_t n_array_elements_ = 0;
  std::vector<uint64_t> offsets_;  // of each tensor, from the start of the data
  GgufPart part_;
};

}  // namespace sain::formats
