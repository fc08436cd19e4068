#include "formats/gguf.h"

#include <charconv>
#include <new>

#include "formats/gguf_layout.h"
#include "formats/gguf_reader.h"
#include "formats/gguf_text.h"
#include "formats/mapped_file.h"

namespace sain::formats {

struct GgufFile::State {
  std::filesystem::path path;
  std::vector<MappedFile> mappings;  // one a part; empty when parsed from memory
  uint32_t version = 0;
  uint64_t file_bytes = 0;
  Metadata metadata;
  std::vector<TensorInfo> tensors;
  std::unordered_map<std::string_view, size_t> tensor_index;

  Status add_tensors(const std::vector<TensorInfo>& added, const std::string& file);
};

Status GgufFile::State::add_tensors(const std::vector<TensorInfo>& added, const std::string& file) {
  tensors.reserve(tensors.size() + added.size());
  for (const TensorInfo& tensor : added) {
    if (!tensor_index.emplace(tensor.name, tensors.size()).second) {
      return make_error(ErrorCode::kCorrupt, "{}: tensor {}: the name stands twice", file, quote(tensor.name));
    }
    tensors.push_back(tensor);
  }
  return {};
}

namespace {

/// The keys that split files carry; count 0 or absent means a whole model.
struct Split {
  uint64_t number = 0;  // from 0
  uint64_t count = 0;
  uint64_t n_tensors = 0;  // of all parts

  bool is_part() const { return count > 1; }
};

Result<Split> read_split(const Metadata& metadata) {
  Split split;
  SAIN_ASSIGN_OR_RETURN(split.count, Metadata::value_or(metadata.u64("split.count"), uint64_t{0}));
  if (!split.is_part()) return split;
  SAIN_ASSIGN_OR_RETURN(split.number, metadata.u64("split.no"));
  SAIN_ASSIGN_OR_RETURN(split.n_tensors, metadata.u64("split.tensors.count"));
  return split;
}

/// What cannot be read is no damage of the format.
Result<GgufPart> read_part(const MappedFile& mapping, const std::string& file) {
  auto part = GgufReader(mapping.bytes(), file).read();
  SAIN_RETURN_IF_ERROR(mapping.status());
  return part;
}

/// Runs `body`, with exhausted memory as an Error like any other.
template <class Body>
Result<GgufFile> without_bad_alloc(const std::string& file, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kResourceExhausted, "{}: not enough memory for its metadata", file);
  }
}

}  // namespace

std::string gguf_part_suffix(uint64_t number, uint64_t count) {
  return fmt::format("-{:05}-of-{:05}.gguf", number + 1, count);
}

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  return without_bad_alloc(path.string(), [&]() -> Result<GgufFile> {
    SAIN_ASSIGN_OR_RETURN(MappedFile mapping, MappedFile::open(path));
    SAIN_ASSIGN_OR_RETURN(GgufPart first, read_part(mapping, path.string()));
    SAIN_ASSIGN_OR_RETURN(const Split split, read_split(first.metadata));

    auto state = std::make_unique<State>();
    state->path = path;
    state->version = first.version;
    state->file_bytes = mapping.bytes().size();
    state->metadata = std::move(first.metadata);
    state->mappings.push_back(std::move(mapping));
    SAIN_RETURN_IF_ERROR(state->add_tensors(first.tensors, path.string()));
    if (!split.is_part()) return GgufFile(std::move(state));

    // `prefix-00001-of-00003.gguf`: the name must agree with the keys, for it leads to the other parts.
    const std::string name = path.filename().string();
    const std::string suffix = gguf_part_suffix(split.number, split.count);
    if (!name.ends_with(suffix)) {
      return make_error(ErrorCode::kCorrupt,
                        "{}: split.no, split.count: part {} of {} by its metadata, so its name should end in '{}' "
                        "(renamed, or parts joined byte by byte?)",
                        path.string(), split.number + 1, split.count, suffix);
    }
    const std::string prefix = name.substr(0, name.size() - suffix.size());
    if (split.number != 0) {
      return make_error(ErrorCode::kInvalidArgument, "{}: split.no: this is part {} of {}; open the first part, {}",
                        path.string(), split.number + 1, split.count, prefix + gguf_part_suffix(0, split.count));
    }
    for (uint64_t number = 1; number < split.count; ++number) {
      const std::filesystem::path part_path = path.parent_path() / (prefix + gguf_part_suffix(number, split.count));
      const std::string file = part_path.string();
      auto part_mapping = MappedFile::open(part_path);
      if (!part_mapping) {
        return make_error(part_mapping.error().code, "{} (part {} of {} of {})", part_mapping.error().message,
                          number + 1, split.count, path.string());
      }
      SAIN_ASSIGN_OR_RETURN(const GgufPart part, read_part(*part_mapping, file));
      SAIN_ASSIGN_OR_RETURN(const Split other, read_split(part.metadata));
      if (other.count != split.count) {
        return make_error(ErrorCode::kCorrupt, "{}: split.count: expected {} as in the first part, found {}", file,
                          split.count, other.count);
      }
      if (other.number != number) {
        return make_error(ErrorCode::kCorrupt, "{}: split.no: expected {}, found {}", file, number, other.number);
      }
      if (other.n_tensors != split.n_tensors) {
        return make_error(ErrorCode::kCorrupt,
                          "{}: split.tensors.count: expected {} as in the first part, found {} (of another model?)",
                          file, split.n_tensors, other.n_tensors);
      }
      SAIN_RETURN_IF_ERROR(state->add_tensors(part.tensors, file));
      state->file_bytes += part_mapping->bytes().size();
      state->mappings.push_back(*std::move(part_mapping));
    }
    if (state->tensors.size() != split.n_tensors) {
      return make_error(ErrorCode::kCorrupt, "{}: split.tensors.count: expected {} tensors in all parts, found {}",
                        path.string(), split.n_tensors, state->tensors.size());
    }
    return GgufFile(std::move(state));
  });
}

Result<GgufFile> GgufFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  return without_bad_alloc(name, [&]() -> Result<GgufFile> {
    SAIN_ASSIGN_OR_RETURN(GgufPart part, GgufReader(bytes, name).read());
    SAIN_ASSIGN_OR_RETURN(const Split split, read_split(part.metadata));
    if (split.is_part()) {
      return make_error(ErrorCode::kInvalidArgument, "{}: split.count: part {} of {} cannot be read on its own", name,
                        split.number + 1, split.count);
    }
    auto state = std::make_unique<State>();
    state->path = name;
    state->version = part.version;
    state->file_bytes = bytes.size();
    state->metadata = std::move(part.metadata);
    SAIN_RETURN_IF_ERROR(state->add_tensors(part.tensors, name));
    return GgufFile(std::move(state));
  });
}

GgufFile::GgufFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;
GgufFile::~GgufFile() = default;

const std::filesystem::path& GgufFile::path() const {
  return state_->path;
}
uint32_t GgufFile::version() const {
  return state_->version;
}
const Metadata& GgufFile::metadata() const {
  return state_->metadata;
}
const std::vector<TensorInfo>& GgufFile::tensors() const {
  return state_->tensors;
}
uint64_t GgufFile::file_bytes() const {
  return state_->file_bytes;
}

Status GgufFile::status() const {
  for (const MappedFile& mapping : state_->mappings) SAIN_RETURN_IF_ERROR(mapping.status());
  return {};
}

const TensorInfo* GgufFile::find_tensor(std::string_view name) const {
  const auto found = state_->tensor_index.find(name);
  return found == state_->tensor_index.end() ? nullptr : &state_->tensors[found->second];
}

}  // namespace sain::formats
