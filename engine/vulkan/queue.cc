#include "engine/vulkan/queue.h"

namespace sain::engine::vulkan {

std::optional<QueuePlaces> choose_queues(std::span<const VkQueueFamilyProperties> families) {
  // Beside transfers a copy engine may do these; what also encodes video, say, is another engine.
  constexpr VkQueueFlags kOfCopyEngine = VK_QUEUE_TRANSFER_BIT | VK_QUEUE_SPARSE_BINDING_BIT | VK_QUEUE_PROTECTED_BIT;
  std::optional<QueuePlaces> chosen;
  std::optional<QueuePlace> copy_engine;
  for (uint32_t i = 0; i < families.size(); ++i) {
    const VkQueueFamilyProperties& family = families[i];
    if (family.queueCount == 0) continue;
    if (!chosen && (family.queueFlags & VK_QUEUE_COMPUTE_BIT) != 0) {
      chosen = {.compute = {i, 0}, .timestamp_bits = family.timestampValidBits};
    }
    const bool copies_alone =
        (family.queueFlags & VK_QUEUE_TRANSFER_BIT) != 0 && (family.queueFlags & ~kOfCopyEngine) == 0;
    if (!copy_engine && copies_alone) copy_engine = {i, 0};
  }
  if (!chosen) return std::nullopt;
  if (copy_engine) {
    chosen->transfer = copy_engine;
  } else if (families[chosen->compute.family].queueCount > 1) {
    chosen->transfer = {chosen->compute.family, 1};
  }
  return chosen;
}

}  // namespace sain::engine::vulkan
