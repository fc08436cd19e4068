#include "formats/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <set>
#include <utility>

#include "formats/atomic_file.h"
#include "formats/gguf_layout.h"
#include "formats/gguf_text.h"

namespace sain::formats {
namespace {

constexpr size_t kChunkBytes = 4 << 20;  // that FillRows is asked for at a time

uint64_t align_up(uint64_t position, uint64_t alignment) {
  return (position + alignment - 1) & ~(alignment - 1);
}

std::vector<std::byte> to_vector(const std::byte* data, size_t bytes) {
  return {data, data + bytes};
}

}  // namespace

uint64_t GgufWriter::Tensor::n_rows() const {
  uint64_t n = 1;
  for (size_t d = 1; d < shape.size(); ++d) n *= shape[d];
  return n;
}

void GgufWriter::set_encoded(std::string_view key, std::string bytes) {
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  if (found != entries_.end()) {
    found->bytes = std::move(bytes);
  } else {
    entries_.push_back({std::string(key), std::move(bytes)});
  }
}

void GgufWriter::remove(std::string_view key) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.key == key; });
}

void GgufWriter::add_tensor(std::string_view name, DType dtype, std::vector<uint64_t> shape, FillRows fill) {
  tensors_.push_back({std::string(name), dtype, std::move(shape), {}, std::move(fill)});
}

void GgufWriter::add_tensor(std::string_view name, DType dtype, std::vector<uint64_t> shape,
                            std::vector<std::byte> data) {
  tensors_.push_back({std::string(name), dtype, std::move(shape), std::move(data), {}});
}

void GgufWriter::add_tensor(std::string_view name, std::vector<uint64_t> shape, const std::vector<float>& data) {
  add_tensor(name, DType::kF32, std::move(shape),
             to_vector(reinterpret_cast<const std::byte*>(data.data()), data.size() * sizeof(float)));
}

void GgufWriter::add_tensor(const TensorInfo& tensor) {
  const size_t row_bytes = sain::row_bytes(tensor.dtype, tensor.shape[0]);
  add_tensor(tensor.name, tensor.dtype, std::vector<uint64_t>(tensor.shape, tensor.shape + tensor.n_dims),
             [data = tensor.data, row_bytes](uint64_t first_row, std::span<std::byte> out) {
               std::copy_n(data + first_row * row_bytes, out.size(), out.data());
             });
}

Status GgufWriter::check(const Tensor& tensor) const {
  const auto invalid = [&]<class... Args>(fmt::format_string<Args...> format, Args&&... args) {
    return make_error(ErrorCode::kInvalidArgument, "tensor {}: {}", quote(tensor.name),
                      fmt::format(format, std::forward<Args>(args)...));
  };
  if (tensor.name.empty() || tensor.name.size() > kMaxTensorNameBytes) {
    return invalid("expected a name of 1 to {} bytes, found {}", kMaxTensorNameBytes, tensor.name.size());
  }
  if (tensor.shape.empty() || tensor.shape.size() > 4) {
    return invalid("expected 1 to 4 dimensions, found {}", tensor.shape.size());
  }
  uint64_t n_elements = 1;
  // An element takes at most 8 bytes.
  constexpr uint64_t kMaxElements = std::numeric_limits<int64_t>::max() / 8;
  for (const uint64_t size : tensor.shape) {
    if (size == 0) return invalid("a dimension is 0");
    if (size > kMaxElements / n_elements) return invalid("the number of elements overflows");
    n_elements *= size;
  }
  const DTypeInfo& info = dtype_info(tensor.dtype);
  if (tensor.shape[0] % info.block_size != 0) {
    return invalid("expected rows of a multiple of {} ({}), found {}", info.block_size, info.name, tensor.shape[0]);
  }
  if (!tensor.fill && tensor.data.size() != tensor.bytes()) {
    return invalid("expected {} bytes of data, found {}", tensor.bytes(), tensor.data.size());
  }
  return {};
}

Status GgufWriter::check(const GgufWriteOptions& options) const {
  if (options.version != 2 && options.version != 3) {
    return make_error(ErrorCode::kInvalidArgument, "GGUF version: expected 2 or 3, found {}", options.version);
  }
  if (!std::has_single_bit(options.alignment) || options.alignment > kMaxAlignment) {
    return make_error(ErrorCode::kInvalidArgument, "GGUF alignment: expected a power of two of at most {}, found {}",
                      kMaxAlignment, options.alignment);
  }
  if (options.n_parts < 1 || (options.n_parts > 1 && options.n_parts > tensors_.size())) {
    return make_error(ErrorCode::kInvalidArgument, "GGUF parts: expected 1 to {}, one tensor each, found {}",
                      std::max<size_t>(1, tensors_.size()), options.n_parts);
  }
  if (options.n_parts > kMaxParts) {
    return make_error(ErrorCode::kInvalidArgument, "GGUF parts: expected at most {}, found {}", kMaxParts,
                      options.n_parts);
  }
  for (const Entry& entry : entries_) {
    if (entry.key.empty() || entry.key.size() > kMaxKeyBytes) {
      return make_error(ErrorCode::kInvalidArgument, "metadata key {}: expected 1 to {} bytes, found {}",
                        quote(entry.key), kMaxKeyBytes, entry.key.size());
    }
  }
  std::set<std::string_view> names;
  for (const Tensor& tensor : tensors_) {
    SAIN_RETURN_IF_ERROR(check(tensor));
    if (!names.insert(tensor.name).second) {
      return make_error(ErrorCode::kInvalidArgument, "tensor {}: the name stands twice", quote(tensor.name));
    }
  }
  return {};
}

std::string GgufWriter::header(uint32_t part, std::span<const Tensor> tensors, const GgufWriteOptions& options) const {
  std::vector<Entry> entries;
  if (part == 0) entries = entries_;
  std::erase_if(entries, [](const Entry& e) { return e.key == "general.alignment" || e.key.starts_with("split."); });
  const auto add = [&](const char* key, const auto& value) { entries.push_back({key, encode_gguf_value(value)}); };
  if (options.alignment != kDefaultAlignment) add("general.alignment", options.alignment);
  if (options.n_parts > 1) {
    add("split.no", static_cast<uint16_t>(part));
    add("split.count", static_cast<uint16_t>(options.n_parts));
    add("split.tensors.count", static_cast<int32_t>(tensors_.size()));
  }

  std::string bytes = "GGUF";
  append_gguf_value(bytes, options.version);
  append_gguf_value(bytes, uint64_t{tensors.size()});
  append_gguf_value(bytes, uint64_t{entries.size()});
  for (const Entry& entry : entries) {
    append_gguf_value(bytes, entry.key);
    bytes += entry.bytes;
  }
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    append_gguf_value(bytes, tensor.name);
    append_gguf_value(bytes, static_cast<uint32_t>(tensor.shape.size()));
    for (const uint64_t size : tensor.shape) append_gguf_value(bytes, size);
    append_gguf_value(bytes, static_cast<uint32_t>(tensor.dtype));
    append_gguf_value(bytes, offset);
    offset = align_up(offset + tensor.bytes(), options.alignment);
  }
  bytes.resize(align_up(bytes.size(), options.alignment), '\0');
  return bytes;
}

std::vector<GgufWriter::Part> GgufWriter::lay_out(const GgufWriteOptions& options) const {
  const uint64_t total = total_bytes();
  std::vector<Part> parts;
  size_t begin = 0;
  uint64_t written = 0;
  for (uint32_t part = 0; part < options.n_parts; ++part) {
    // Up to an equal share, but a tensor at least, and one left for each part that follows.
    const size_t last_end = tensors_.size() - (options.n_parts - 1 - part);
    const uint64_t share = total / options.n_parts * (part + 1);
    size_t end = begin;
    while (end < last_end && (end == begin || written < share || part + 1 == options.n_parts)) {
      written += tensors_[end++].bytes();
    }
    const std::span<const Tensor> tensors = std::span(tensors_).subspan(begin, end - begin);
    parts.push_back({header(part, tensors, options), tensors});
    begin = end;
  }
  return parts;
}

uint64_t GgufWriter::total_bytes() const {
  uint64_t total = 0;
  for (const Tensor& tensor : tensors_) total += tensor.bytes();
  return total;
}

/// Passes the bytes of a part to `sink`, a piece at a time, and adds those of its tensors to `done_bytes`.
template <class Sink>
Status GgufWriter::emit(const Part& part, const GgufWriteOptions& options, uint64_t& done_bytes, Sink& sink) const {
  SAIN_RETURN_IF_ERROR(sink.write(std::as_bytes(std::span(part.header))));
  const std::vector<std::byte> padding(options.alignment);
  const uint64_t total = total_bytes();
  const auto write = [&](std::span<const std::byte> bytes) -> Status {
    if (options.stop.stop_requested()) return make_error(ErrorCode::kCancelled, "writing was cancelled");
    SAIN_RETURN_IF_ERROR(sink.write(bytes));
    done_bytes += bytes.size();
    if (options.on_progress) options.on_progress(done_bytes, total);
    return {};
  };
  std::vector<std::byte> chunk;
  for (const Tensor& tensor : part.tensors) {
    if (tensor.fill) {
      const uint64_t n_rows = tensor.n_rows();
      const uint64_t step = std::max<uint64_t>(1, kChunkBytes / tensor.row_bytes());
      for (uint64_t row = 0; row < n_rows; row += step) {
        chunk.resize(std::min(step, n_rows - row) * tensor.row_bytes());
        tensor.fill(row, chunk);
        SAIN_RETURN_IF_ERROR(write(chunk));
      }
    } else {
      SAIN_RETURN_IF_ERROR(write(tensor.data));
    }
    const uint64_t bytes = tensor.bytes();
    SAIN_RETURN_IF_ERROR(sink.write(std::span(padding).first(align_up(bytes, options.alignment) - bytes)));
  }
  return {};
}

Result<std::filesystem::path> GgufWriter::write(const std::filesystem::path& path,
                                                const GgufWriteOptions& options) const {
  SAIN_RETURN_IF_ERROR(check(options));
  std::filesystem::path stem = path;
  if (path.extension() == ".gguf") stem.replace_extension();
  const auto part_path = [&](uint32_t part) {
    return options.n_parts == 1 ? path : std::filesystem::path(stem.string() + gguf_part_suffix(part, options.n_parts));
  };
  std::vector<AtomicFile> files;  // named only when all are whole
  uint64_t done_bytes = 0;
  for (const Part& part : lay_out(options)) {
    SAIN_ASSIGN_OR_RETURN(AtomicFile file,
                          AtomicFile::create(part_path(static_cast<uint32_t>(files.size())), options.access));
    SAIN_RETURN_IF_ERROR(emit(part, options, done_bytes, file));
    files.push_back(std::move(file));
  }
  for (AtomicFile& file : files) SAIN_RETURN_IF_ERROR(file.commit());
  return part_path(0);
}

Result<std::string> GgufWriter::to_bytes(const GgufWriteOptions& options) const {
  SAIN_RETURN_IF_ERROR(check(options));
  if (options.n_parts != 1) {
    return make_error(ErrorCode::kInvalidArgument, "GGUF parts: expected 1 for bytes in memory, found {}",
                      options.n_parts);
  }
  struct StringSink {
    std::string text;
    Status write(std::span<const std::byte> bytes) {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return {};
    }
  } sink;
  uint64_t done_bytes = 0;
  SAIN_RETURN_IF_ERROR(emit(lay_out(options).front(), options, done_bytes, sink));
  return std::move(sink.text);
}

}  // namespace sain::formats
