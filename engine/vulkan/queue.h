// Where a device takes its work from, and which of its queues are used.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

#include "engine/vulkan/api.h"

namespace sain::engine::vulkan {

struct QueuePlace {
  uint32_t family = 0, index = 0;
  bool operator==(const QueuePlace&) const = default;
};

struct QueuePlaces {
  QueuePlace compute;
  std::optional<QueuePlace> transfer = {};  // for copies alone, beside the other; none: there is one queue for both
  uint32_t timestamp_bits = 0;              // of the compute queue

  bool has_transfer_family() const { return transfer && transfer->family != compute.family; }
};

/// The first queue that computes; for transfers one of a family that does nothing else (an engine for copies), else a
/// second one of the same family. Nothing where none computes.
std::optional<QueuePlaces> choose_queues(std::span<const VkQueueFamilyProperties> families);

/// A queue of an open device, which any thread may hand work to. The device outlives it.
class Queue {
 public:
  Queue(PFN_vkQueueSubmit function, VkQueue handle) : submit_(function), handle_(handle) {}

  /// As vkQueueSubmit, of one batch. Does not wait for it.
  VkResult submit(const VkSubmitInfo& batch, VkFence fence) {
    const std::lock_guard lock(mutex_);  // Vulkan wants one thread at a time for each queue
    return submit_(handle_, 1, &batch, fence);
  }

 private:
  PFN_vkQueueSubmit submit_;
  VkQueue handle_;
  std::mutex mutex_;
};

}  // namespace sain::engine::vulkan
