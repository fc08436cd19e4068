// Where the router's models come from, and what they take.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "engine/kv_cache.h"
#include "engine/model.h"
#include "formats/result.h"
#include "router/model_cost.h"

namespace sain::router {

/// Tests put their own here.
struct ModelSource {
  std::function<Result<ModelCost>(const std::filesystem::path& file)> cost;
  std::function<Result<std::shared_ptr<const engine::Model>>(const engine::LoadOptions& options)> load;
  /// Bytes of its weights that are on the device, 0 where it did not take them. May be empty: then nothing is there.
  std::function<uint64_t(const engine::Model& model)> device_bytes = {};
  /// Whether the model is still as it was loaded; if not it goes as soon as nobody uses it, and is loaded anew. May be
  /// empty: then it always is.
  std::function<bool(const engine::Model& model)> is_intact = {};
};

/// GGUF files: the cost from their header, for a KV cache of `context_length` tokens in every layer; loaded with
/// kernels for `isa`, and onto `accelerator` if there is one. `warn` hears once of each model that this one did not
/// take, from the loading thread.
ModelSource gguf_model_source(uint32_t context_length, engine::KvType kv_type, kernels::Isa isa,
                              std::shared_ptr<engine::Accelerator> accelerator = {},
                              std::function<void(const std::string& message)> warn = {});

}  // namespace sain::router
