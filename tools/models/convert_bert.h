// A BERT-like encoder as it is published (safetensors, a vocabulary, a configuration) as the GGUF that the engine
// reads.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "formats/result.h"

namespace sain::tools {

struct BertFiles {
  std::string name;  // for messages, and general.name
  std::span<const std::byte> safetensors;
  std::string_view config;      // JSON
  std::string_view vocabulary;  // a piece a line; "##" before those that do not begin a word
};

/// Writes `path` atomically; the same input gives the same bytes. Tensors that an encoder does not need are left out.
/// Errors: kCorrupt, kUnsupported, kNotFound (a field or a tensor), those of GgufWriter::write.
Status convert_bert(const BertFiles& files, const std::filesystem::path& path);

}  // namespace sain::tools
