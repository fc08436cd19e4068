#include "formats/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "formats/byte_reader.h"
#include "formats/gguf_text.h"

namespace sain::formats {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr int kMaxDepth = 3;                       // tensors, their fields, and arrays in these

constexpr std::pair<std::string_view, uint64_t> kTypeBytes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
    {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"I64", 8},     {"U64", 8}, {"F64", 8}};

struct Reader {
  std::span<const std::byte> data;  // after the header
  std::string file;

  Error corrupt(const std::string& tensor, std::string_view what) const {
    return make_error(ErrorCode::kCorrupt, "{}: tensor {}: {}", file, quote(tensor), what);
  }

  Result<std::vector<uint64_t>> numbers(const std::string& name, const json& entry, const char* key) const {
    const auto field = entry.find(key);
    if (field == entry.end() || !field->is_array()) return corrupt(name, fmt::format("{}: expected an array", key));
    std::vector<uint64_t> out;
    for (const json& value : *field) {
      if (!value.is_number_unsigned()) {
        return corrupt(name, fmt::format("{}: expected whole numbers, found {}", key, value.dump()));
      }
      out.push_back(value.get<uint64_t>());
    }
    return out;
  }

  Result<SafeTensor> tensor(const std::string& name, const json& entry) const {
    if (!entry.is_object()) return corrupt(name, "expected an object");
    SafeTensor out;
    const auto dtype = entry.find("dtype");
    if (dtype == entry.end() || !dtype->is_string()) return corrupt(name, "dtype: expected a string");
    out.dtype = dtype->get<std::string>();
    const auto type = std::ranges::find(kTypeBytes, out.dtype, &std::pair<std::string_view, uint64_t>::first);
    if (type == std::end(kTypeBytes)) {
      return make_error(ErrorCode::kUnsupported, "{}: tensor {}: dtype: found {}, which is not known", file,
                        quote(name), quote(out.dtype));
    }
    SAIN_ASSIGN_OR_RETURN(out.shape, numbers(name, entry, "shape"));
    SAIN_ASSIGN_OR_RETURN(const std::vector<uint64_t> offsets, numbers(name, entry, "data_offsets"));
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size()) {
      return corrupt(name, fmt::format("data_offsets: expected two that lie within {} bytes, found {}", data.size(),
                                       entry["data_offsets"].dump()));
    }
    uint64_t bytes = type->second;
    for (const uint64_t length : out.shape) {
      if (__builtin_mul_overflow(bytes, length, &bytes)) return corrupt(name, "shape: it is too large for any file");
    }
    if (bytes != offsets[1] - offsets[0]) {
      return corrupt(name, fmt::format("data_offsets: expected {} bytes, as type and shape say, found {}", bytes,
                                       offsets[1] - offsets[0]));
    }
    out.data = data.subspan(offsets[0], bytes);
    return out;
  }
};

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  SAIN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  auto out = parse(file.bytes(), path.string());
  SAIN_RETURN_IF_ERROR(file.status());
  if (out) out->file_ = std::move(file);
  return out;
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes);
  const auto length = reader.read<uint64_t>();
  const auto header = length && *length <= kMaxHeaderBytes ? reader.read_bytes(*length) : std::nullopt;
  if (!header) {
    return make_error(ErrorCode::kCorrupt,
                      "{}: header: expected a length of at most {} bytes, found {} in a file of {}", name,
                      std::min<uint64_t>(kMaxHeaderBytes, bytes.size()), length.value_or(0), bytes.size());
  }
  const auto is_shallow = [](int depth, json::parse_event_t, json&) { return depth <= kMaxDepth; };
  const char* text = reinterpret_cast<const char*>(header->data());
  const json entries = json::parse(text, text + header->size(), is_shallow, false);
  if (!entries.is_object()) {
    return make_error(ErrorCode::kCorrupt, "{}: header: expected a JSON object, found none", name);
  }
  SafetensorsFile out;
  const Reader tensors{bytes.subspan(reader.position()), name};
  for (const auto& [key, entry] : entries.items()) {
    if (key == "__metadata__") continue;
    SAIN_ASSIGN_OR_RETURN(out.tensors_[key], tensors.tensor(key, entry));
  }
  return out;
}

}  // namespace sain::formats
