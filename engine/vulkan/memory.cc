#include "engine/vulkan/memory.h"

#include <algorithm>
#include <array>

namespace sain::engine::vulkan {
namespace {

constexpr uint64_t kAlignment = 256;  // no device asks for more of a binding's offset

constexpr VkMemoryPropertyFlags kDeviceLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags kVisible =
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;  // no flushes
constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

uint64_t round_up(uint64_t bytes, uint64_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

bool is_for_shaders(MemoryKind kind) {
  return kind == MemoryKind::kDevice || kind == MemoryKind::kWeights;
}

/// Of the types in `allowed`, the first that has the most wanted properties.
bool find_type(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, MemoryKind kind, uint32_t& type) {
  const std::array<VkMemoryPropertyFlags, 2> wishes =
      is_for_shaders(kind)            ? std::array<VkMemoryPropertyFlags, 2>{kDeviceLocal, 0}
      : kind == MemoryKind::kReadback ? std::array<VkMemoryPropertyFlags, 2>{kVisible | kCached, kVisible}
                                      : std::array<VkMemoryPropertyFlags, 2>{kVisible, kVisible};
  for (VkMemoryPropertyFlags wish : wishes) {
    for (type = 0; type < memory.memoryTypeCount; ++type) {
      if ((allowed >> type & 1) != 0 && (memory.memoryTypes[type].propertyFlags & wish) == wish) return true;
    }
  }
  return false;
}

}  // namespace

Arena::Block::Block(Block&& other) noexcept
    : device(other.device),
      bytes(std::exchange(other.bytes, 0)),
      memory(std::move(other.memory)),
      buffer(std::move(other.buffer)),
      mapped(other.mapped),
      address(other.address),
      used(other.used) {}

Arena::Block::~Block() {
  if (memory.get() != VK_NULL_HANDLE) device->account(-static_cast<int64_t>(bytes));
}

Result<Slice> Arena::allocate(uint64_t bytes) {
  SAIN_CHECK(bytes > 0);
  const uint64_t rounded = round_up(bytes, kAlignment);
  if (blocks_.empty() || blocks_.back().bytes - blocks_.back().used < rounded) {
    const uint64_t largest = device_->capabilities().allocation_bytes;
    if (rounded > largest) {
      return make_error(ErrorCode::kResourceExhausted, "vulkan: {}: {} bytes at once, where at most {} can be had",
                        device_->info().name, bytes, largest);
    }
    const uint64_t rest = expected_bytes_ > used_bytes_ ? round_up(expected_bytes_ - used_bytes_, kAlignment) : 0;
    SAIN_RETURN_IF_ERROR(add_block(std::clamp(rest, rounded, largest)));
  }
  Block& block = blocks_.back();
  const Slice slice = Slice{block.buffer.get(), 0, block.bytes, block.mapped, block.address}.part(block.used, bytes);
  block.used += rounded;
  used_bytes_ += rounded;
  return slice;
}

Status Arena::add_block(uint64_t bytes) {
  const DeviceApi& api = device_->api();
  Block block(*device_, bytes);
  auto buffer = typed<VkBufferCreateInfo>(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
  buffer.size = bytes;
  buffer.usage =
      VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  // Both families at any time, so that nobody hands a buffer over from one to the other: that would take a submission
  // to each queue and a semaphore between them. It costs images their compression, and buffers nothing that is known.
  const QueuePlaces& queues = device_->info().queues;
  const std::array<uint32_t, 2> families = {queues.compute.family, queues.transfer.value_or(queues.compute).family};
  if (kind_ == MemoryKind::kWeights && queues.has_transfer_family()) {
    buffer.sharingMode = VK_SHARING_MODE_CONCURRENT;
    buffer.queueFamilyIndexCount = static_cast<uint32_t>(families.size());
    buffer.pQueueFamilyIndices = families.data();
  }
  const bool has_address = is_for_shaders(kind_) && device_->capabilities().buffer_device_address;
  if (has_address) buffer.usage |= VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  SAIN_ASSIGN_OR_RETURN(block.buffer,
                        make_handle<VkBuffer>(*device_, api.CreateBuffer, api.DestroyBuffer, "vkCreateBuffer", buffer));
  VkMemoryRequirements needs = {};
  api.GetBufferMemoryRequirements(device_->handle(), block.buffer.get(), &needs);
  auto memory = typed<VkMemoryAllocateInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
  memory.allocationSize = needs.size;
  auto flags_info = typed<VkMemoryAllocateFlagsInfo>(VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
  flags_info.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  if (has_address) memory.pNext = &flags_info;
  if (!find_type(device_->memory(), needs.memoryTypeBits, kind_, memory.memoryTypeIndex)) {
    return make_error(ErrorCode::kUnsupported, "vulkan: {}: no memory that the host sees", device_->info().name);
  }
  // The buffer dies before the memory that it is bound to, so it is the younger member.
  SAIN_ASSIGN_OR_RETURN(block.memory, make_handle<VkDeviceMemory>(*device_, api.AllocateMemory, api.FreeMemory,
                                                                  "vkAllocateMemory", memory));
  device_->account(static_cast<int64_t>(bytes));
  SAIN_RETURN_IF_ERROR(device_->check(
      api.BindBufferMemory(device_->handle(), block.buffer.get(), block.memory.get(), 0), "vkBindBufferMemory"));
  if (has_address) {
    auto info = typed<VkBufferDeviceAddressInfo>(VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO);
    info.buffer = block.buffer.get();
    block.address = api.GetBufferDeviceAddress(device_->handle(), &info);
  }
  const VkMemoryPropertyFlags flags = device_->memory().memoryTypes[memory.memoryTypeIndex].propertyFlags;
  const bool is_mapped = !is_for_shaders(kind_) || device_->capabilities().maps_memory;
  if (is_mapped && (flags & kVisible) == kVisible) {
    void* mapped = nullptr;
    SAIN_RETURN_IF_ERROR(device_->check(
        api.MapMemory(device_->handle(), block.memory.get(), 0, VK_WHOLE_SIZE, 0, &mapped), "vkMapMemory"));
    block.mapped = static_cast<std::byte*>(mapped);
  }
  blocks_.push_back(std::move(block));
  return {};
}

uint64_t Arena::bytes() const {
  uint64_t sum = 0;
  for (const Block& block : blocks_) sum += block.bytes;
  return sum;
}

}  // namespace sain::engine::vulkan
