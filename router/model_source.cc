#include "router/model_source.h"

#include <algorithm>

namespace sain::router {

ModelSource gguf_model_source(uint32_t context_length, engine::KvType kv_type, kernels::Isa isa,
                              std::shared_ptr<engine::Accelerator> accelerator) {
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
    return ModelCost{weights_bytes, n_tokens * config.n_layers * config.n_kv_heads * row_bytes};
  };
  source.load = [=](engine::LoadOptions options) -> Result<std::shared_ptr<const engine::Model>> {
    options.isa = isa;
    options.accelerator = accelerator;
    SAIN_ASSIGN_OR_RETURN(engine::Model model, engine::Model::load(options));
    return std::shared_ptr<const engine::Model>(std::make_shared<engine::Model>(std::move(model)));
  };
  source.is_intact = [](const engine::Model& model) { return model.status().has_value(); };
  return source;
}

}  // namespace sain::router
