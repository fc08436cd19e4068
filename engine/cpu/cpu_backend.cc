#include "engine/cpu/cpu_backend.h"

#include <algorithm>

namespace sain::engine::cpu {

Result<std::unique_ptr<CpuBackend>> CpuBackend::create(const Model& model, ThreadPool& pool,
                                                       const CpuBackendOptions& options) {
  const ModelConfig& config = model.config();
  const size_t max_batch = prefill_batch(config, options.passes.tuning);
  SAIN_ASSIGN_OR_RETURN(KvCache cache, KvCache::create(config, {.n_layers = config.n_layers,
                                                                .max_length = options.max_length,
                                                                .rule = options.rule,
                                                                .max_batch = static_cast<uint32_t>(max_batch),
                                                                .type = options.kv_type}));
  std::unique_ptr<CpuBackend> made(new CpuBackend(model, pool, options, std::move(cache)));
  const size_t n_hidden = max_batch * config.d_model, n_logits = kMaxLogits * config.vocab_size;
  SAIN_ASSIGN_OR_RETURN(made->memory_,
                        AlignedBuffer::allocate((n_hidden + n_logits) * sizeof(float), "what passes result in"));
  made->hidden_ = {made->memory_.as<float>(), max_batch, config.d_model};
  made->logits_ = {made->memory_.as<float>() + n_hidden, kMaxLogits, config.vocab_size};
  SAIN_RETURN_IF_ERROR(made->join());
  return made;
}

/// Takes a seat where the passes are that the options say.
Status CpuBackend::join() {
  SAIN_ASSIGN_OR_RETURN(std::shared_ptr<Batcher> batcher, model_->batchers().get(*model_, *pool_, options_.passes));
  leave();
  batcher_ = std::move(batcher);
  seat_ = std::make_unique<Batcher::Seat>();
  return {};
}

/// Where windows begin at different positions sums are taken in another order, so then every token goes alone.
size_t CpuBackend::alike_batch() const {
  const uint64_t seen = cache_.layout().n_seen_by_all(), taken = cache_.length() + 1;
  const size_t most = std::min(batcher_->alike_rows(), kernels::kAttentionFewTokens);
  return static_cast<size_t>(std::min<uint64_t>(most, seen - std::min(seen, taken) + 1));
}

Status CpuBackend::append(std::span<const formats::Token> tokens, const std::stop_token& stop) {
  if (batcher_->options() != options_.passes) SAIN_RETURN_IF_ERROR(join());
  const size_t n_scored = std::min({n_scored_, tokens.size(), kMaxLogits});
  seat_->segment = {tokens, &cache_, &centers_};
  seat_->hidden = {hidden_.data, tokens.size(), hidden_.cols};
  seat_->logits = {logits_.data, n_scored, logits_.cols};
  if (!batcher_->append(*seat_, stop)) return make_error(ErrorCode::kCancelled, "the pass was stopped");
  first_scored_ = tokens.size() - n_scored;
  n_has_scored_ = n_scored;
  return {};
}

Result<MatrixView<float>> CpuBackend::logits(size_t first, size_t count) {
  if (first < first_scored_ || first + count > first_scored_ + n_has_scored_) {
    const MatrixView<const float> hidden(hidden_.row(first), count, hidden_.cols);
    batcher_->alone({}, [&](Forward& forward, ThreadPool::Turn&) {
      forward.logits(hidden, {logits_.data, count, logits_.cols});
      return true;
    });
    first_scored_ = first;
    n_has_scored_ = count;
  }
  return MatrixView<float>(logits_.row(first - first_scored_), count, logits_.cols);
}

Result<std::vector<float>> CpuBackend::hidden_state(std::span<const formats::Token> tokens, uint32_t n_layers) {
  const ModelConfig& config = model_->config();
  if (!probe_ || probe_->max_length() < tokens.size() || probe_layers_ < n_layers) {
    constexpr uint64_t kShort = 256;  // so that not every text somewhat longer than the last takes new memory
    SAIN_ASSIGN_OR_RETURN(
        probe_, KvCache::create(
                    config, {.n_layers = n_layers,
                             .max_length = std::max<uint64_t>(tokens.size(), kShort),
                             .max_batch = static_cast<uint32_t>(max_batch()),
                             .type = options_.passes.arithmetic == Arithmetic::kF32 ? KvType::kF32 : KvType::kF16}));
    probe_layers_ = n_layers;
  }
  probe_->truncate(0);
  std::vector<double> sum(config.d_model);
  for (size_t first = 0; first < tokens.size(); first += max_batch()) {
    const Segment segment = {tokens.subspan(first, std::min(max_batch(), tokens.size() - first)), &*probe_, &centers_};
    batcher_->alone({}, [&](Forward& forward, ThreadPool::Turn& turn) {
      forward.run({&segment, 1}, n_layers, &turn);
      const MatrixView<const float> hidden = forward.hidden();
      for (size_t t = 0; t < hidden.rows; ++t) {
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(hidden.row(t)[i]);
      }
      return true;
    });
  }
  std::vector<float> mean(sum.size());
  for (size_t i = 0; i < sum.size(); ++i) mean[i] = static_cast<float>(sum[i] / static_cast<double>(tokens.size()));
  return mean;
}

}  // namespace sain::engine::cpu
