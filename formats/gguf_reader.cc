// Layout (v2 and v3, little-endian): "GGUF", u32 version, u64 tensors, u64 entries, the entries (key, u32 type,
// value), the tensors (name, u32 n_dims, u64 dims, u32 type, u64 offset), padding, the data. A string is a u64 length
// and its bytes; an array a u32 type, a u64 count and its elements.
#include "formats/gguf_reader.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

#include "formats/gguf_layout.h"
#include "formats/gguf_text.h"

namespace sain::formats {
namespace {

constexpr int kMaxArrayDepth = 4;                // real files use 1
constexpr uint64_t kMaxArrayElements = 1 << 25;  // of one file: 40 times the largest vocabulary, yet at most 1.3 GiB

// The fewest bytes an entry, a tensor, an element can take: they bound counts by the bytes that are left.
constexpr size_t kMinEntryBytes = 8 + 1 + 4 + 1;           // key of one byte, type, u8
constexpr size_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;  // name of one byte, one dimension

template <class T, class Wide>
std::vector<Wide> widen(std::span<const std::byte> bytes) {
  std::vector<Wide> result(bytes.size() / sizeof(T));
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<Wide>(load_little_endian<T>(bytes.data() + i * sizeof(T)));
  }
  return result;
}

uint32_t byte_swapped(uint32_t x) {
  return x << 24 | (x & 0xff00) << 8 | (x >> 8 & 0xff00) | x >> 24;
}

}  // namespace

Result<GgufPart> GgufReader::read() {
  SAIN_RETURN_IF_ERROR(read_header());
  SAIN_RETURN_IF_ERROR(read_metadata());
  SAIN_RETURN_IF_ERROR(read_tensors());
  SAIN_RETURN_IF_ERROR(place_tensors());
  SAIN_RETURN_IF_ERROR(check_overlaps());
  return std::move(part_);
}

Status GgufReader::read_header() {
  const auto magic = reader_.read<uint32_t>();
  if (!magic) return cut("magic");
  if (*magic == byte_swapped(kGgufMagic)) {
    return make_error(ErrorCode::kUnsupported, "{}: magic: byte-swapped (found 'FUGG'); only little-endian is read",
                      file_);
  }
  if (*magic != kGgufMagic) {
    const std::string_view found(reinterpret_cast<const char*>(bytes_.data()), sizeof(*magic));
    return corrupt("magic: expected 'GGUF', found {}; this is not a GGUF file", quote(found));
  }
  const auto version = reader_.read<uint32_t>();
  if (!version) return cut("version");
  if (*version != 0 && (*version & 0xffff) == 0) {
    return make_error(ErrorCode::kUnsupported,
                      "{}: version: byte-swapped (found {:#010x}, {} in big-endian); only little-endian is read", file_,
                      *version, byte_swapped(*version));
  }
  if (*version != 2 && *version != 3) {
    return make_error(ErrorCode::kUnsupported, "{}: version: expected 2 or 3, found {}", file_, *version);
  }
  part_.version = *version;

  const auto n_tensors = reader_.read<uint64_t>();
  if (!n_tensors) return cut("tensor count");
  const auto n_entries = reader_.read<uint64_t>();
  if (!n_entries) return cut("metadata count");
  if (!reader_.can_hold(*n_entries, kMinEntryBytes)) {
    return corrupt("metadata count: {} entries cannot fit in the {} bytes left", *n_entries, reader_.remaining());
  }
  if (!reader_.can_hold(*n_tensors, kMinTensorBytes)) {
    return corrupt("tensor count: {} tensors cannot fit in the {} bytes left", *n_tensors, reader_.remaining());
  }
  n_tensors_ = *n_tensors;
  n_entries_ = *n_entries;
  return {};
}

Status GgufReader::read_metadata() {
  Metadata& metadata = part_.metadata;
  metadata.file_ = file_;
  for (uint64_t i = 0; i < n_entries_; ++i) {
    const auto key = reader_.read_string();
    if (!key) return bad_string(fmt::format("key of metadata entry {} of {}", i + 1, n_entries_));
    if (key->empty() || key->size() > kMaxKeyBytes) {
      return corrupt("key of metadata entry {} of {}: expected a length of 1 to {} bytes, found {}", i + 1, n_entries_,
                     kMaxKeyBytes, key->size());
    }
    SAIN_ASSIGN_OR_RETURN(GgufValue value, read_value(*key));
    if (!metadata.index_.emplace(*key, metadata.entries_.size()).second) {
      return corrupt("metadata key {}: stands twice, entries {} and {}", quote(*key), metadata.index_.at(*key) + 1,
                     i + 1);
    }
    metadata.entries_.emplace_back(*key, std::move(value));
  }
  return {};
}

Result<GgufType> GgufReader::read_type(std::string_view key, const char* field) {
  const auto type = reader_.read<uint32_t>();
  if (!type) return cut(fmt::format("metadata {}, {}", quote(key), field));
  if (*type > static_cast<uint32_t>(GgufType::kF64)) {
    return corrupt("metadata {}, {}: expected 0 to 12, found {}", quote(key), field, *type);
  }
  return static_cast<GgufType>(*type);
}

Result<GgufValue> GgufReader::read_value(std::string_view key) {
  SAIN_ASSIGN_OR_RETURN(const GgufType type, read_type(key, "value type"));
  const auto scalar = [&]<class T, class Wide>(T, Wide) -> Result<GgufValue> {
    const auto value = reader_.read<T>();
    if (!value) return cut(fmt::format("metadata {}, value ({})", quote(key), type_name(type)));
    return GgufValue{type, static_cast<Wide>(*value)};
  };
  switch (type) {
    case GgufType::kU8:
      return scalar(uint8_t{}, uint64_t{});
    case GgufType::kU16:
      return scalar(uint16_t{}, uint64_t{});
    case GgufType::kU32:
      return scalar(uint32_t{}, uint64_t{});
    case GgufType::kU64:
      return scalar(uint64_t{}, uint64_t{});
    case GgufType::kI8:
      return scalar(int8_t{}, int64_t{});
    case GgufType::kI16:
      return scalar(int16_t{}, int64_t{});
    case GgufType::kI32:
      return scalar(int32_t{}, int64_t{});
    case GgufType::kI64:
      return scalar(int64_t{}, int64_t{});
    case GgufType::kF32:
      return scalar(float{}, double{});
    case GgufType::kF64:
      return scalar(double{}, double{});
    case GgufType::kBool: {
      const auto value = reader_.read<uint8_t>();
      if (!value) return cut(fmt::format("metadata {}, value (bool)", quote(key)));
      if (*value > 1) return corrupt("metadata {}: expected a bool of 0 or 1, found {}", quote(key), *value);
      return GgufValue{type, *value == 1};
    }
    case GgufType::kString: {
      const auto value = reader_.read_string();
      if (!value) return bad_string(fmt::format("metadata {}, value (string)", quote(key)));
      return GgufValue{type, *value};
    }
    case GgufType::kArray: {
      SAIN_ASSIGN_OR_RETURN(GgufArray array, read_array(key, 1));
      return GgufValue{type, std::move(array)};
    }
  }
  return corrupt("metadata {}: no such type", quote(key));
}

Result<GgufArray> GgufReader::read_array(std::string_view key, int depth) {
  if (depth > kMaxArrayDepth) {
    return corrupt("metadata {}: arrays nested deeper than {}", quote(key), kMaxArrayDepth);
  }
  SAIN_ASSIGN_OR_RETURN(const GgufType type, read_type(key, "array element type"));
  const auto count = reader_.read<uint64_t>();
  if (!count) return cut(fmt::format("metadata {}, array length", quote(key)));
  if (!reader_.can_hold(*count, gguf_type_bytes(type))) {
    return corrupt("metadata {}, array length: {} elements of type {} cannot fit in the {} bytes left", quote(key),
                   *count, type_name(type), reader_.remaining());
  }
  n_array_elements_ += *count;  // cannot overflow: each count is at most the file's size
  if (n_array_elements_ > kMaxArrayElements) {
    return corrupt("metadata {}, array length: {} elements are more than the {} that all arrays may hold together",
                   quote(key), *count, kMaxArrayElements);
  }
  const size_t n = static_cast<size_t>(*count);
  GgufArray array;
  array.element_type = type;
  if (type == GgufType::kString) {
    std::vector<std::string_view> strings(n);
    for (size_t i = 0; i < n; ++i) {
      const auto text = reader_.read_string();
      if (!text) return bad_string(fmt::format("metadata {}, string {} of {}", quote(key), i, n));
      strings[i] = *text;
    }
    array.values = std::move(strings);
    return array;
  }
  if (type == GgufType::kArray) {
    std::vector<GgufArray> arrays(n);
    for (GgufArray& inner : arrays) {
      SAIN_ASSIGN_OR_RETURN(inner, read_array(key, depth + 1));
    }
    array.values = std::move(arrays);
    return array;
  }
  const std::span<const std::byte> raw = *reader_.read_bytes(n * gguf_type_bytes(type));
  switch (type) {
    case GgufType::kU8:
      array.values = widen<uint8_t, uint64_t>(raw);
      break;
    case GgufType::kU16:
      array.values = widen<uint16_t, uint64_t>(raw);
      break;
    case GgufType::kU32:
      array.values = widen<uint32_t, uint64_t>(raw);
      break;
    case GgufType::kU64:
      array.values = widen<uint64_t, uint64_t>(raw);
      break;
    case GgufType::kI8:
      array.values = widen<int8_t, int64_t>(raw);
      break;
    case GgufType::kI16:
      array.values = widen<int16_t, int64_t>(raw);
      break;
    case GgufType::kI32:
      array.values = widen<int32_t, int64_t>(raw);
      break;
    case GgufType::kI64:
      array.values = widen<int64_t, int64_t>(raw);
      break;
    case GgufType::kF32:
      array.values = widen<float, double>(raw);
      break;
    case GgufType::kF64:
      array.values = widen<double, double>(raw);
      break;
    default: {  // bool
      const auto bad = std::ranges::find_if(raw, [](std::byte b) { return b > std::byte{1}; });
      if (bad != raw.end()) {
        return corrupt("metadata {}, element {}: expected a bool of 0 or 1, found {}", quote(key), bad - raw.begin(),
                       static_cast<int>(*bad));
      }
      array.values = widen<uint8_t, bool>(raw);
    }
  }
  return array;
}

Status GgufReader::read_tensors() {
  if (!reader_.can_hold(n_tensors_, kMinTensorBytes)) {
    return corrupt("tensor count: {} tensors cannot fit in the {} bytes after the metadata", n_tensors_,
                   reader_.remaining());
  }
  part_.tensors.reserve(n_tensors_);
  offsets_.reserve(n_tensors_);
  for (uint64_t i = 0; i < n_tensors_; ++i) {
    SAIN_ASSIGN_OR_RETURN(TensorInfo tensor, read_tensor(i));
    part_.tensors.push_back(tensor);
  }
  return {};
}

Result<TensorInfo> GgufReader::read_tensor(uint64_t number) {
  TensorInfo tensor;
  const auto name = reader_.read_string();
  if (!name) return bad_string(fmt::format("name of tensor {} of {}", number + 1, n_tensors_));
  if (name->empty() || name->size() > kMaxTensorNameBytes) {
    return corrupt("name of tensor {} of {}: expected a length of 1 to {} bytes, found {}", number + 1, n_tensors_,
                   kMaxTensorNameBytes, name->size());
  }
  tensor.name = *name;
  const auto n_dims = reader_.read<uint32_t>();
  if (!n_dims) return cut(fmt::format("tensor {}, number of dimensions", quote(*name)));
  if (*n_dims < 1 || *n_dims > 4) {
    return corrupt("tensor {}, number of dimensions: expected 1 to 4, found {}", quote(*name), *n_dims);
  }
  tensor.n_dims = *n_dims;
  // Sizes stay below 2^63 so that sums with offsets cannot overflow either.
  constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max();
  uint64_t n_elements = 1;
  for (uint32_t d = 0; d < *n_dims; ++d) {
    const auto size = reader_.read<uint64_t>();
    if (!size) return cut(fmt::format("tensor {}, dimension {}", quote(*name), d));
    if (*size == 0) return corrupt("tensor {}, dimension {}: expected at least 1, found 0", quote(*name), d);
    if (*size > kMaxSize / n_elements) {
      return corrupt("tensor {}, dimension {}: {} makes the number of elements overflow", quote(*name), d, *size);
    }
    n_elements *= *size;
    tensor.shape[d] = *size;
  }
  const auto type = reader_.read<uint32_t>();
  if (!type) return cut(fmt::format("tensor {}, type", quote(*name)));
  const DTypeInfo* const info = find_dtype(*type);
  if (info == nullptr) {
    return make_error(ErrorCode::kUnsupported, "{}: tensor {}, type: {} is none that SAIN reads", file_, quote(*name),
                      *type);
  }
  tensor.dtype = info->dtype;
  if (tensor.shape[0] % info->block_size != 0) {
    return corrupt("tensor {}, dimension 0: expected a multiple of {} (a {} block), found {}", quote(*name),
                   info->block_size, info->name, tensor.shape[0]);
  }
  const uint64_t n_blocks = n_elements / info->block_size;
  if (n_blocks > kMaxSize / info->block_bytes) {
    return corrupt("tensor {}: the bytes of {} elements overflow", quote(*name), n_elements);
  }
  tensor.bytes = static_cast<size_t>(n_blocks * info->block_bytes);
  const auto offset = reader_.read<uint64_t>();
  if (!offset) return cut(fmt::format("tensor {}, offset", quote(*name)));
  offsets_.push_back(*offset);
  return tensor;
}

Status GgufReader::place_tensors() {
  SAIN_ASSIGN_OR_RETURN(const uint64_t alignment,
                        Metadata::value_or(part_.metadata.u64("general.alignment"), kDefaultAlignment));
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment) {
    return corrupt("metadata 'general.alignment': expected a power of two of at most {}, found {}", kMaxAlignment,
                   alignment);
  }
  const uint64_t data_start = (reader_.position() + alignment - 1) & ~(alignment - 1);
  const uint64_t data_bytes = bytes_.size() > data_start ? bytes_.size() - data_start : 0;
  for (size_t i = 0; i < part_.tensors.size(); ++i) {
    TensorInfo& tensor = part_.tensors[i];
    const uint64_t offset = offsets_[i];
    if (offset % alignment != 0) {
      return corrupt("tensor {}, offset: expected a multiple of the alignment {}, found {}", quote(tensor.name),
                     alignment, offset);
    }
    if (offset > data_bytes || tensor.bytes > data_bytes - offset) {
      return corrupt("tensor {}, offset: {} bytes at {} end outside the file, whose data has {} bytes (cut short?)",
                     quote(tensor.name), tensor.bytes, offset, data_bytes);
    }
    tensor.data = bytes_.data() + data_start + offset;
  }
  return {};
}

Status GgufReader::check_overlaps() const {
  const std::vector<TensorInfo>& tensors = part_.tensors;
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return offsets_[i]; });
  for (size_t i = 1; i < order.size(); ++i) {
    const size_t before = order[i - 1], after = order[i];
    if (offsets_[before] + tensors[before].bytes > offsets_[after]) {
      return corrupt("tensor {}, offset: {} lies inside tensor {} ({} bytes at {})", quote(tensors[after].name),
                     offsets_[after], quote(tensors[before].name), tensors[before].bytes, offsets_[before]);
    }
  }
  return {};
}

Error GgufReader::cut(std::string_view field) const {
  return corrupt("{}: the file ends here, at byte {} (cut short?)", field, bytes_.size());
}

Error GgufReader::bad_string(std::string_view field) {
  const auto length = reader_.read<uint64_t>();
  if (!length) return cut(field);
  return corrupt("{}: a length of {} bytes, but only {} are left", field, *length, reader_.remaining());
}

}  // namespace sain::formats
