// Where the router's models come from, and what they take.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "engine/kv_cache.h"
#include "engine/model.h"
#include "formats/result.h"

namespace sain::router {

/// What a model will take, known before it is loaded.
struct ModelCost {
  uint64_t weights_bytes = 0;  // of all matrices that are multiplied with; once, however many use it
  uint64_t kv_bytes = 0;       // for every lease
};

/// Tests put their own here.
struct ModelSource {
  std::function<Result<ModelCost>(const std::filesystem::path& file)> cost;
  std::function<Result<std::shared_ptr<const engine::Model>>(const engine::LoadOptions& options)> load;
  /// Whether the model is still as it was loaded; if not it goes as soon as nobody uses it, and is loaded anew. May be
  /// empty: then it always is.
  std::function<bool(const engine::Model& model)> is_intact = {};
};

/// GGUF files: the cost from their header, for a KV cache of `context_length` tokens in every layer; loaded with
/// kernels for `isa`, and onto `accelerator` if there is one.
ModelSource gguf_model_source(uint32_t context_length, engine::KvType kv_type, kernels::Isa isa,
                              std::shared_ptr<engine::Accelerator> accelerator = {});

}  // namespace sain::router
