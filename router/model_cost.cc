#include "router/model_cost.h"

namespace sain::router {

ModelPlace on_device(const ModelCost& cost, uint64_t bytes) {
  if (cost.device_weights_bytes == 0) return on_host(cost);
  const double share = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(cost.device_weights_bytes));
  const auto part = [&](uint64_t all) { return static_cast<uint64_t>(share * static_cast<double>(all)); };
  const uint64_t kv = part(cost.kv_bytes);
  return {{cost.weights_bytes - part(cost.weights_bytes), bytes}, {cost.kv_bytes - kv, kv}};
}

}  // namespace sain::router
