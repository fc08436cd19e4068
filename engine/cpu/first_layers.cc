#include "engine/cpu/first_layers.h"

#include <cstring>

namespace sain::engine::cpu {

Result<std::unique_ptr<FirstLayers>> FirstLayers::create(const Model& model, ThreadPool& pool,
                                                         const FirstLayersOptions& options) {
  SAIN_ASSIGN_OR_RETURN(std::shared_ptr<Batcher> batcher,
                        model.batchers().get(model, pool, {.tuning = options.tuning}));
  SAIN_ASSIGN_OR_RETURN(KvCache cache,
                        KvCache::create(model.config(), {.n_layers = options.n_layers,
                                                         .max_length = options.max_length,
                                                         .rule = options.rule,
                                                         .max_batch = static_cast<uint32_t>(batcher->max_batch())}));
  return std::unique_ptr<FirstLayers>(new FirstLayers(model, options.n_layers, std::move(batcher), std::move(cache)));
}

bool FirstLayers::append(std::span<const formats::Token> tokens, const MatrixView<float>& states,
                         const std::stop_token& stop) {
  const Segment segment = {tokens, &cache_, &centers_};
  return batcher_->alone(stop, [&](Forward& forward, ThreadPool::Turn& turn) {
    if (!forward.run({&segment, 1}, n_layers_, &turn, stop)) return false;
    const MatrixView<const float> hidden = forward.hidden();
    std::memcpy(states.data, hidden.data, hidden.rows * hidden.cols * sizeof(float));
    return true;
  });
}

}  // namespace sain::engine::cpu
