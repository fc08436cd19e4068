#include "router/model_source.h"

#include <algorithm>
#include <mutex>
#include <set>

namespace sain::router {
namespace {

/// Says why models are not on the device, of each once: they are loaded again and again.
class DeviceWarnings {
 public:
  explicit DeviceWarnings(std::function<void(const std::string&)> warn) : warn_(std::move(warn)) {}
  void look_at(const engine::Model& model) {
    if (!warn_ || model.device() != nullptr || model.warnings().empty()) return;
    const std::filesystem::path& file = model.file().path();
    const std::lock_guard lock(mutex_);
    if (!told_.insert(file).second) return;
    warn_(fmt::format("{}: {}", file.filename().string(), model.warnings().back()));
  }

 private:
  std::function<void(const std::string&)> warn_;
  std::mutex mutex_;
  std::set<std::filesystem::path> told_;
};

}  // namespace

ModelSource gguf_model_source(uint32_t context_length, engine::KvType kv_type, kernels::Isa isa,
                              std::shared_ptr<engine::Accelerator> accelerator,
                              std::function<void(const std::string& message)> warn) {
  ModelSource source;
  source.cost = [=](const std::filesystem::path& file) -> Result<ModelCost> {
    SAIN_ASSIGN_OR_RETURN(const formats::GgufFile gguf, formats::GgufFile::open(file));
    SAIN_ASSIGN_OR_RETURN(const engine::ModelConfig config, engine::ModelConfig::from_metadata(gguf.metadata()));
    SAIN_ASSIGN_OR_RETURN(const engine::Weights weights, engine::Weights::from_file(gguf, config));
    SAIN_RETURN_IF_ERROR(gguf.status());
    uint64_t weights_bytes = 0;
    weights.for_each_matrix(
        [&](const engine::WeightMatrix& m) { weights_bytes += m.rows * row_bytes(m.dtype, m.cols); });
    const uint64_t n_tokens = std::min(context_length, config.context_length);
    const size_t row_bytes = kernels::kv_row_bytes(kernels::key_type(kv_type), config.head_dim) +
                             kernels::kv_row_bytes(kv_type, config.head_dim);
    return ModelCost{.weights_bytes = weights_bytes,
                     .kv_bytes = n_tokens * config.n_layers * config.n_kv_heads * row_bytes,
                     .device_weights_bytes = accelerator != nullptr ? accelerator->bytes_of(weights) : 0};
  };
  const auto warnings = std::make_shared<DeviceWarnings>(std::move(warn));
  source.load = [=](engine::LoadOptions options) -> Result<std::shared_ptr<const engine::Model>> {
    options.isa = isa;
    options.accelerator = accelerator;
    SAIN_ASSIGN_OR_RETURN(engine::Model model, engine::Model::load(options));
    if (accelerator != nullptr) warnings->look_at(model);
    return std::shared_ptr<const engine::Model>(std::make_shared<engine::Model>(std::move(model)));
  };
  source.device_bytes = [](const engine::Model& model) -> uint64_t {
    return model.device() != nullptr ? model.device()->bytes() : 0;
  };
  source.is_intact = [](const engine::Model& model) { return model.status().has_value(); };
  return source;
}

}  // namespace sain::router
