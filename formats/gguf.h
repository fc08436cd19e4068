// GGUF v2 and v3: a model's metadata and its tensors, mapped read-only. Split models open as one.
//
// A file is hostile until it is checked. open() refuses whatever contradicts the format, before allocating for it:
// counts beyond the bytes left, over-long or over-nested values, duplicate names, bad alignment, overflowing shapes,
// tensors outside the file or overlapping. The message names the file, the field and the value found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "formats/result.h"
#include "kernels/dtype.h"

namespace sain::formats {

enum class GgufType : uint32_t {
  kU8 = 0,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

/// A homogeneous array. Integers are widened; strings point into the mapped file (or into the writer's input).
struct GgufArray {
  GgufType element_type = GgufType::kU8;
  std::variant<std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>, std::vector<bool>,
               std::vector<std::string_view>, std::vector<GgufArray>>
      values;

  size_t size() const;
};

/// One metadata value, widened, with the type that it has in the file.
struct GgufValue {
  GgufType type = GgufType::kU8;
  std::variant<uint64_t, int64_t, double, bool, std::string_view, GgufArray> value;
};

const char* type_name(GgufType type);  // "u32", "string", ...

/// A value on one line for messages and listings: long strings and arrays are shortened, control characters escaped.
std::string summary(const GgufValue& value);

/// The key-value part. Accessors convert between number types where no value is lost, and otherwise fail naming
/// the file, the key, what was expected and what was found. A key that is absent is kNotFound.
class Metadata {
 public:
  const std::string& file() const { return file_; }
  const std::vector<std::pair<std::string_view, GgufValue>>& entries() const { return entries_; }  // in file order
  const GgufValue* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }

  Result<uint32_t> u32(std::string_view key) const;
  Result<uint64_t> u64(std::string_view key) const;
  Result<float> f32(std::string_view key) const;  // finite
  Result<bool> boolean(std::string_view key) const;
  Result<std::string_view> string(std::string_view key) const;
  Result<std::vector<std::string_view>> strings(std::string_view key) const;
  Result<std::vector<float>> f32s(std::string_view key) const;
  Result<std::vector<int64_t>> integers(std::string_view key) const;

  /// The value of an accessor above, or `fallback` when the key is absent; a present but wrong value still fails.
  template <class T>
  static Result<T> value_or(Result<T> result, T fallback) {
    if (!result && result.error().code == ErrorCode::kNotFound) return fallback;
    return result;
  }

 private:
  friend class GgufReader;
  std::string file_;
  std::vector<std::pair<std::string_view, GgufValue>> entries_;
  std::unordered_map<std::string_view, size_t> index_;
};

/// A tensor inside a mapped file. shape[0] is the length of a row (GGUF order); unused dimensions are 1.
struct TensorInfo {
  std::string_view name;
  DType dtype = DType::kF32;
  uint32_t n_dims = 1;
  uint64_t shape[4] = {1, 1, 1, 1};
  const std::byte* data = nullptr;  // at least 1-byte aligned; read-only, lives as long as the GgufFile
  size_t bytes = 0;

  uint64_t n_rows() const { return shape[1] * shape[2] * shape[3]; }
  uint64_t n_elements() const { return shape[0] * n_rows(); }
};

/// A mapped model file, or all files of a split model. Movable; views into it stay valid when it moves. Thread-safe
/// to read.
class GgufFile {
 public:
  /// Maps and checks `path`. For a split model pass its first part (`...-00001-of-0000N.gguf`).
  /// Errors: kNotFound, kIo, kCorrupt, kUnsupported (version, byte order, tensor type).
  static Result<GgufFile> open(const std::filesystem::path& path);

  /// Checks a whole file that is in memory already; `bytes` must outlive the result, `name` stands for its path.
  /// Part of a split model is refused. Errors: kCorrupt, kUnsupported.
  static Result<GgufFile> parse(std::span<const std::byte> bytes, const std::string& name);

  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;
  ~GgufFile();

  const std::filesystem::path& path() const;
  uint32_t version() const;
  const Metadata& metadata() const;
  const std::vector<TensorInfo>& tensors() const;  // in file order, parts in sequence
  const TensorInfo* find_tensor(std::string_view name) const;
  uint64_t file_bytes() const;  // of all parts

  /// As MappedFile::status(), of all parts: ask after reading metadata or tensors.
  Status status() const;

 private:
  struct State;
  explicit GgufFile(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

}  // namespace sain::formats
