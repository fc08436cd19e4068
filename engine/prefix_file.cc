#include "engine/prefix_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"

namespace sain::engine {
namespace {

using formats::GgufFile;
using formats::Token;

constexpr const char* kArchitecture = "sain-prefix";
constexpr uint32_t kVersion = 1;       // of how rows are made of keys and values, too
constexpr uint32_t kAlignment = 4096;  // a tensor begins a page
constexpr size_t kUnitBytes = 2;       // tensors are F16: bytes have no type, and all rows are whole numbers of two

std::string part_name(size_t group) {
  return fmt::format("rows.{}", group);
}

/// XXH3 of 128 bits, in hex: over the tokens, and the rows of each group with the first position before them.
std::string checksum(std::span<const Token> tokens, const KvSegment& segment) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(state.get());
  XXH3_128bits_update(state.get(), tokens.data(), tokens.size_bytes());
  for (const auto& [first, rows] : segment.parts) {
    XXH3_128bits_update(state.get(), &first, sizeof(first));
    XXH3_128bits_update(state.get(), rows.memory.as<std::byte>(), rows.memory.bytes());
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

Status write_prefix_file(const std::filesystem::path& path, const std::string& id, std::span<const Token> tokens,
                         const KvPrefix& prefix) {
  SAIN_CHECK(!tokens.empty() && tokens.size() == prefix.length());
  SAIN_ASSIGN_OR_RETURN(const KvPrefix whole, prefix.compacted());
  const KvSegment& segment = *whole.pieces[0].segment;
  std::vector<uint64_t> firsts;
  for (const auto& part : segment.parts) firsts.push_back(part.begin);

  formats::GgufWriter writer;
  writer.set("general.architecture", kArchitecture);
  writer.set("sain.prefix.version", kVersion);
  writer.set("sain.prefix.id", id);
  writer.set("sain.prefix.tokens", std::vector<Token>(tokens.begin(), tokens.end()));
  writer.set("sain.prefix.firsts", firsts);
  writer.set("sain.prefix.checksum", checksum(tokens, segment));
  for (size_t group = 0; group < segment.parts.size(); ++group) {
    const AlignedBuffer& rows = segment.parts[group].rows.memory;
    const uint64_t n_heads = whole.layout.n_heads(group), head_bytes = rows.bytes() / n_heads;
    writer.add_tensor(part_name(group), DType::kF16, {head_bytes / kUnitBytes, n_heads},
                      [&rows, head_bytes](uint64_t first_row, std::span<std::byte> out) {
                        std::memcpy(out.data(), rows.as<std::byte>() + first_row * head_bytes, out.size());
                      });
  }
  const auto written = writer.write(path, {.alignment = kAlignment, .access = formats::FileAccess::kOwnerOnly});
  if (!written) return written.error();
  return {};
}

Result<PrefixFileHeader> read_prefix_header(const GgufFile& file) {
  const formats::Metadata& m = file.metadata();
  SAIN_ASSIGN_OR_RETURN(const std::string_view architecture, m.string("general.architecture"));
  if (architecture != kArchitecture) {
    return make_error(ErrorCode::kCorrupt, "{}: general.architecture: expected {}, found {}", file.path().string(),
                      kArchitecture, architecture);
  }
  SAIN_ASSIGN_OR_RETURN(const uint32_t version, m.u32("sain.prefix.version"));
  if (version != kVersion) {
    return make_error(ErrorCode::kUnsupported, "{}: sain.prefix.version: expected {}, found {}", file.path().string(),
                      kVersion, version);
  }
  PrefixFileHeader header;
  SAIN_ASSIGN_OR_RETURN(header.id, m.string("sain.prefix.id"));
  SAIN_ASSIGN_OR_RETURN(const std::vector<int64_t> tokens, m.integers("sain.prefix.tokens"));
  SAIN_ASSIGN_OR_RETURN(const std::vector<int64_t> firsts, m.integers("sain.prefix.firsts"));
  if (tokens.empty()) {
    return make_error(ErrorCode::kCorrupt, "{}: sain.prefix.tokens: expected at least one, found none",
                      file.path().string());
  }
  for (const int64_t token : tokens) {
    if (token != static_cast<Token>(token)) {
      return make_error(ErrorCode::kCorrupt, "{}: sain.prefix.tokens: expected ids of 32 bits, found {}",
                        file.path().string(), token);
    }
    header.tokens.push_back(static_cast<Token>(token));
  }
  for (const int64_t first : firsts) header.firsts.push_back(static_cast<uint64_t>(first));
  return header;
}

Result<KvPrefix> read_prefix(const GgufFile& file, const KvLayout& layout) {
  SAIN_ASSIGN_OR_RETURN(const PrefixFileHeader header, read_prefix_header(file));
  const auto& [id, tokens, firsts] = header;
  const uint64_t length = tokens.size();
  if (firsts.size() != layout.groups.size()) {
    return make_error(ErrorCode::kCorrupt, "{}: sain.prefix.firsts: expected {} positions, found {}",
                      file.path().string(), layout.groups.size(), firsts.size());
  }
  auto segment = std::make_shared<KvSegment>();
  for (size_t group = 0; group < firsts.size(); ++group) {
    const uint64_t seen = layout.groups[group].rule.window_begin(length);
    if (firsts[group] > seen) {
      return make_error(ErrorCode::kCorrupt, "{}: sain.prefix.firsts: expected at most {}, found {}",
                        file.path().string(), seen, firsts[group]);
    }
    const formats::TensorInfo* tensor = file.find_tensor(part_name(group));
    const size_t found = tensor == nullptr ? 0 : tensor->bytes, wanted = layout.bytes(group, length - firsts[group]);
    if (found != wanted) {
      return make_error(ErrorCode::kCorrupt, "{}: {}: expected {} bytes, found {}", file.path().string(),
                        part_name(group), wanted, found);
    }
    SAIN_ASSIGN_OR_RETURN(KvRows rows, KvRows::allocate(layout, group, length - firsts[group]));
    std::memcpy(rows.memory.as<std::byte>(), tensor->data, found);
    segment->parts.push_back({firsts[group], std::move(rows)});
  }
  SAIN_ASSIGN_OR_RETURN(const std::string_view expected, file.metadata().string("sain.prefix.checksum"));
  if (const std::string found = checksum(tokens, *segment); found != expected) {
    return make_error(ErrorCode::kCorrupt, "{}: sain.prefix.checksum: expected {}, found {}", file.path().string(),
                      expected, found);
  }
  return KvPrefix{layout, {{std::move(segment), length}}};
}

}  // namespace sain::engine
