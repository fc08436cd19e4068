// What models take of the memories that there are budgets of.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sain::router {

/// Bytes of this machine's memory, and of a device's own.
struct MemoryBytes {
  uint64_t host = 0;
  uint64_t device = 0;

  MemoryBytes operator+(const MemoryBytes& other) const { return {host + other.host, device + other.device}; }
  /// Never below 0.
  MemoryBytes operator-(const MemoryBytes& other) const {
    return {host - std::min(host, other.host), device - std::min(device, other.device)};
  }
  bool operator==(const MemoryBytes&) const = default;
  friend MemoryBytes operator*(uint64_t n, const MemoryBytes& bytes) { return {n * bytes.host, n * bytes.device}; }

  /// Whether there is enough of both. In no order otherwise: one may have more here, and less there.
  bool fits(const MemoryBytes& room) const { return host <= room.host && device <= room.device; }
};

/// What a model will take, known before it is loaded.
struct ModelCost {
  uint64_t weights_bytes = 0;         // of all matrices that are multiplied with; once, however many use it
  uint64_t kv_bytes = 0;              // for every lease
  uint64_t device_weights_bytes = 0;  // in place of weights_bytes, on the device; 0: there is none
};

/// What it takes where it is.
struct ModelPlace {
  MemoryBytes weights;
  MemoryBytes kv;  // for every lease
};

/// All of it in this machine's memory.
inline ModelPlace on_host(const ModelCost& cost) {
  return {{.host = cost.weights_bytes}, {.host = cost.kv_bytes}};
}

/// The device holds `bytes` of its weights, all there are or a part; the caches of layers are where their weights are.
/// What is there the host need not have in memory too.
ModelPlace on_device(const ModelCost& cost, uint64_t bytes);

}  // namespace sain::router
