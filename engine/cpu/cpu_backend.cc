#include "engine/cpu/cpu_backend.h"

#include <algorithm>

namespace sain::engine::cpu {

Result<std::unique_ptr<CpuBackend>> CpuBackend::create(const Model& model, ThreadPool& pool,
                                                       const CpuBackendOptions& options) {
  SAIN_ASSIGN_OR_RETURN(Forward forward,
                        Forward::create(model, pool, options.arithmetic, options.tuning, options.adapter));
  SAIN_ASSIGN_OR_RETURN(KvCache cache,
                        KvCache::create(model.config(), {.n_layers = model.config().n_layers,
                                                         .max_length = options.max_length,
                                                         .rule = options.rule,
                                                         .max_batch = static_cast<uint32_t>(forward.max_batch()),
                                                         .type = options.kv_type}));
  return std::unique_ptr<CpuBackend>(new CpuBackend(model, options, std::move(forward), std::move(cache)));
}

/// Where windows begin at different positions sums are taken in another order, so then every token goes alone.
size_t CpuBackend::alike_batch() const {
  const uint64_t seen = cache_.layout().n_seen_by_all(), taken = cache_.length() + 1;
  return static_cast<size_t>(std::min<uint64_t>(forward_.alike_batch(), seen - std::min(seen, taken) + 1));
}

Status CpuBackend::append(std::span<const formats::Token> tokens, const std::stop_token& stop) {
  if (stop.stop_requested() || !forward_.run(tokens, cache_, model_->config().n_layers, stop))
    return make_error(ErrorCode::kCancelled, "the pass was stopped");
  return {};
}

Result<std::vector<float>> CpuBackend::hidden_state(std::span<const formats::Token> tokens, uint32_t n_layers) {
  const ModelConfig& config = model_->config();
  if (!probe_ || probe_->max_length() < tokens.size() || probe_layers_ < n_layers) {
    constexpr uint64_t kShort = 256;  // so that not every text somewhat longer than the last takes new memory
    SAIN_ASSIGN_OR_RETURN(
        probe_,
        KvCache::create(config, {.n_layers = n_layers,
                                 .max_length = std::max<uint64_t>(tokens.size(), kShort),
                                 .max_batch = static_cast<uint32_t>(forward_.max_batch()),
                                 .type = options_.arithmetic == Arithmetic::kF32 ? KvType::kF32 : KvType::kF16}));
    probe_layers_ = n_layers;
  }
  probe_->truncate(0);
  std::vector<double> sum(config.d_model);
  for (size_t first = 0; first < tokens.size(); first += forward_.max_batch()) {
    const size_t count = std::min(forward_.max_batch(), tokens.size() - first);
    forward_.run(tokens.subspan(first, count), *probe_, n_layers);
    for (size_t t = 0; t < count; ++t) {
      const std::span<const float> hidden = forward_.hidden(t);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(hidden[i]);
    }
  }
  std::vector<float> mean(sum.size());
  for (size_t i = 0; i < sum.size(); ++i) mean[i] = static_cast<float>(sum[i] / static_cast<double>(tokens.size()));
  return mean;
}

}  // namespace sain::engine::cpu
