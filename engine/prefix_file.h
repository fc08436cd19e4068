// A beginning of a conversation with a model, computed, in a file.
//
// A GGUF (so `sain inspect` shows it) with the tokens in its metadata and the rows of each of the layout's groups in a
// tensor; engine/prefix_file.md has it byte by byte.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/kv_prefix.h"
#include "formats/gguf.h"
#include "formats/result.h"
#include "formats/tokenizer.h"

namespace sain::engine {

/// Writes `path` atomically, readable by its owner alone. `id` says which model computed the rows, and how. `prefix`
/// has as many positions as there are tokens, at least one.
/// Errors: kNotFound, kIo, kResourceExhausted.
Status write_prefix_file(const std::filesystem::path& path, const std::string& id,
                         std::span<const formats::Token> tokens, const KvPrefix& prefix);

/// What a file says that it holds.
struct PrefixFileHeader {
  std::string id;
  std::vector<formats::Token> tokens;
  std::vector<uint64_t> firsts;  // of each group: the first position that is there
};

/// Errors: kNotFound and kCorrupt naming the file, the field and its value, kUnsupported (version).
Result<PrefixFileHeader> read_prefix_header(const formats::GgufFile& file);

/// The rows, in memory of their own, checked against their checksum and `layout`, which is that of prefixes.
/// Errors: those of read_prefix_header(); kResourceExhausted.
Result<KvPrefix> read_prefix(const formats::GgufFile& file, const KvLayout& layout);

}  // namespace sain::engine
