// Memory of a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/vulkan/device.h"

namespace sain::engine::vulkan {

enum class MemoryKind {
  kDevice,    // fastest for shaders; mapped too where that costs nothing (unified memory)
  kWeights,   // the same, and an Uploader may write to it
  kUpload,    // mapped, for writing front to back
  kReadback,  // mapped, for reading
};

/// A part of an arena's memory, which owns nothing. Begins where a binding may.
struct Slice {
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  std::byte* mapped = nullptr;  // its first byte, where the host reaches it
  VkDeviceAddress address = 0;  // the same for shaders, on devices with buffer_device_address

  explicit operator bool() const { return buffer != VK_NULL_HANDLE; }

  /// The `n` bytes from `begin` on; a multiple of the alignment where that is to be bound.
  Slice part(uint64_t begin, uint64_t n) const {
    return {buffer, offset + begin, n, mapped == nullptr ? nullptr : mapped + begin,
            address == 0 ? 0 : address + begin};
  }
};

/// What one owner (a model's weights, a session's cache) takes from a device, all given back when the arena dies: the
/// device must have finished with it by then. Blocks are at most 1 GiB, and what the device allows.
class Arena {
 public:
  /// `expected_bytes`: what will be allocated in all, so that blocks are no larger than needed; a guess may be wrong.
  Arena(Device& device, MemoryKind kind, uint64_t expected_bytes)
      : device_(&device), kind_(kind), expected_bytes_(expected_bytes) {}
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  /// Memory for `bytes` >= 1, with content left open. Errors: kResourceExhausted (the device has no more; more than
  /// one block holds), kUnsupported (no memory of this kind).
  Result<Slice> allocate(uint64_t bytes);

  /// Of its blocks.
  uint64_t bytes() const;

 private:
  struct Block {
    Block(Device& owner, uint64_t size) : device(&owner), bytes(size) {}
    Block(Block&& other) noexcept;
    Block& operator=(Block&&) = delete;
    ~Block();

    Device* device;
    uint64_t bytes;
    Handle<VkDeviceMemory> memory = {};
    Handle<VkBuffer> buffer = {};  // all of it
    std::byte* mapped = nullptr;
    VkDeviceAddress address = 0;
    uint64_t used = 0;
  };

  Status add_block(uint64_t bytes);

  Device* device_;
  MemoryKind kind_;
  uint64_t expected_bytes_;
  uint64_t used_bytes_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace sain::engine::vulkan
