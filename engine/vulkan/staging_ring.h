// The way to memory of a device that the host does not reach.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/vulkan/memory.h"

namespace sain::engine::vulkan {

struct StagingOptions {
  // A copy of 8 MiB takes 0.3 to 1 ms over PCIe, far more than to submit it, and on a device with one queue whoever
  // computes waits for no more than all slots.
  uint64_t slot_bytes = uint64_t{8} << 20;
  uint32_t n_slots = 4;  // the host fills one while others are under way
};

/// Slots of memory that the host writes, one after the other, while the device's transfer queue copies those before.
/// Owns them. Used by one thread.
class StagingRing {
 public:
  /// Errors: those of Arena, what Vulkan says.
  static Result<std::unique_ptr<StagingRing>> create(Device& device, const StagingOptions& options);
  ~StagingRing();  // waits for what is under way; what was not submitted is forgotten
  StagingRing(const StagingRing&) = delete;

  /// The rest of a slot, `least` bytes or more; that is at most StagingOptions::slot_bytes. To be written front to
  /// back: the memory may be write-combining. Waits for the oldest copy where all slots are under way. Errors: kIo
  /// where the device is lost.
  Result<std::span<std::byte>> room(uint64_t least);

  /// Has the first to.bytes of the last room() copied `to`, now or later. Errors: what Vulkan says.
  Status copy(const Slice& to);

  /// Returns when all of it is there: what is submitted from then on sees it. Nothing is under way after an error
  /// either.
  Status finish();

 private:
  struct Slot {
    Slice memory;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    Handle<VkFence> fence = {};
    uint64_t used = 0;          // bytes of copies that are recorded, and not yet submitted
    bool is_open = false;       // commands are being recorded
    bool is_under_way = false;  // submitted, and not waited for
  };

  StagingRing(Device& device, const StagingOptions& options)
      : device_(&device), arena_(device, MemoryKind::kUpload, options.n_slots * options.slot_bytes) {}
  Status submit();
  Status wait(Slot& slot);

  Device* device_;
  Arena arena_;
  Handle<VkCommandPool> pool_;
  std::vector<Slot> slots_;
  size_t current_ = 0;
};

}  // namespace sain::engine::vulkan
