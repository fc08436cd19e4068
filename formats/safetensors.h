// Safetensors: tensors in a file, behind a header of JSON (https://github.com/huggingface/safetensors, "Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/mapped_file.h"
#include "formats/result.h"

namespace sain::formats {

struct SafeTensor {
  std::string dtype;            // "F32", "BF16", "I64", ...
  std::vector<uint64_t> shape;  // as in the file: the last one is the length of a row
  std::span<const std::byte> data;
};

/// A mapped file, checked: every tensor's bytes lie inside, and are as many as type and shape say.
class SafetensorsFile {
 public:
  /// Errors: kNotFound, kIo; kCorrupt, naming the tensor and the value; kUnsupported (a type that is not known).
  static Result<SafetensorsFile> open(const std::filesystem::path& path);

  /// The same of a whole file that is in memory already; `bytes` must outlive the result, `name` stands for its path.
  static Result<SafetensorsFile> parse(std::span<const std::byte> bytes, const std::string& name);

  const std::map<std::string, SafeTensor>& tensors() const { return tensors_; }

 private:
  std::optional<MappedFile> file_;  // none where the bytes are somebody else's
  std::map<std::string, SafeTensor> tensors_;
};

}  // namespace sain::formats
