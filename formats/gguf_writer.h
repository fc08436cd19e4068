// Writes GGUF files: metadata and tensors, in one file or split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "formats/atomic_file.h"
#include "formats/gguf.h"
#include "formats/gguf_encode.h"
#include "formats/result.h"
#include "kernels/dtype.h"

namespace sain::formats {

struct GgufWriteOptions {
  uint32_t version = 3;     // or 2, which differs in nothing else
  uint32_t alignment = 32;  // of tensors, in bytes: a power of two up to 1 MiB; decides `general.alignment`
  FileAccess access = FileAccess::kDefault;
  uint32_t n_parts = 1;  // more: `name-00001-of-0000N.gguf` and so on, of about the same size
  /// Called from the writing thread as tensors are written; may be empty.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_progress = {};
  std::stop_token stop = {};  // a stop request ends write() with kCancelled, within a few MiB
};

/// Collects metadata and tensors in the order of the file, then writes them:
///
///   GgufWriter writer;
///   writer.set("general.architecture", "llama");
///   writer.set("llama.block_count", uint32_t{2});
///   writer.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
///   writer.add_tensor("output_norm.weight", {64}, std::vector<float>(64, 1.0f));
///   Result<std::filesystem::path> file = writer.write("tiny.gguf");
///
/// The C++ type of a value decides its type in the file. Faults in what was added come out of write().
class GgufWriter {
 public:
  /// Sets `key` to a number, a bool, a string, a range of these, or a GgufValue out of a file that was read. A second
  /// value replaces the first.
  template <class T>
  void set(std::string_view key, const T& value) {
    set_encoded(key, encode_gguf_value(value));
  }
  void remove(std::string_view key);

  /// Writes rows to `out`, as they stand in a file, from `first_row` on. write() calls it for whole rows in order, a
  /// few MiB at a time, so that a large tensor never lies in memory whole.
  using FillRows = std::function<void(uint64_t first_row, std::span<std::byte> out)>;

  /// shape[0] is the length of a row.
  void add_tensor(std::string_view name, DType dtype, std::vector<uint64_t> shape, FillRows fill);
  /// `data` is the whole tensor as it stands in a file.
  void add_tensor(std::string_view name, DType dtype, std::vector<uint64_t> shape, std::vector<std::byte> data);
  void add_tensor(std::string_view name, std::vector<uint64_t> shape, const std::vector<float>& data);  // F32
  /// A tensor of a file that was read; its GgufFile must live until write() is done.
  void add_tensor(const TensorInfo& tensor);

  /// Writes `path`, or the parts named after it, atomically: on an error no new file is left. Returns the file to
  /// open, for a split model the first part. Errors: kInvalidArgument (names, shapes, sizes, options), kNotFound, kIo,
  /// kCancelled.
  Result<std::filesystem::path> write(const std::filesystem::path& path, const GgufWriteOptions& options = {}) const;

  /// The bytes that write() would put into one file; for tests of what reads them. `n_parts` must be 1.
  Result<std::string> to_bytes(const GgufWriteOptions& options = {}) const;

 private:
  struct Entry {
    std::string key;
    std::string bytes;  // type and value
  };
  struct Tensor {
    std::string name;
    DType dtype = DType::kF32;
    std::vector<uint64_t> shape;
    std::vector<std::byte> data;  // empty when fill is set
    FillRows fill;

    uint64_t row_bytes() const { return sain::row_bytes(dtype, shape[0]); }
    uint64_t n_rows() const;
    uint64_t bytes() const { return row_bytes() * n_rows(); }
  };
  struct Part {
    std::string header;  // padded to the alignment
    std::span<const Tensor> tensors;
  };

  void set_encoded(std::string_view key, std::string bytes);
  Status check(const GgufWriteOptions& options) const;
  Status check(const Tensor& tensor) const;
  std::vector<Part> lay_out(const GgufWriteOptions& options) const;
  std::string header(uint32_t part, std::span<const Tensor> tensors, const GgufWriteOptions& options) const;
  uint64_t total_bytes() const;  // of all tensors
  template <class Sink>
  Status emit(const Part& part, const GgufWriteOptions& options, uint64_t& done_bytes, Sink& sink) const;

  std::vector<Entry> entries_;
  std::vector<Tensor> tensors_;
};

}  // namespace sain::formats
