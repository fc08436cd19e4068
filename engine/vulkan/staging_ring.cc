#include "engine/vulkan/staging_ring.h"

#include <algorithm>

namespace sain::engine::vulkan {
namespace {

constexpr uint64_t kAlignment = 64;  // of what lies in a slot: a cache line

}  // namespace

Result<std::unique_ptr<StagingRing>> StagingRing::create(Device& device, const StagingOptions& options) {
  SAIN_CHECK(options.n_slots > 0 && options.slot_bytes > 0);
  const DeviceApi& api = device.api();
  std::unique_ptr<StagingRing> ring(new StagingRing(device, options));
  const QueuePlaces& queues = device.info().queues;
  auto pool = typed<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  pool.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT | VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  pool.queueFamilyIndex = queues.transfer.value_or(queues.compute).family;
  SAIN_ASSIGN_OR_RETURN(ring->pool_, make_handle<VkCommandPool>(device, api.CreateCommandPool, api.DestroyCommandPool,
                                                                "vkCreateCommandPool", pool));
  for (uint32_t i = 0; i < options.n_slots; ++i) {
    Slot& slot = ring->slots_.emplace_back();
    SAIN_ASSIGN_OR_RETURN(slot.memory, ring->arena_.allocate(options.slot_bytes));
    auto buffer = typed<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
    buffer.commandPool = ring->pool_.get();
    buffer.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    buffer.commandBufferCount = 1;
    SAIN_RETURN_IF_ERROR(
        device.check(api.AllocateCommandBuffers(device.handle(), &buffer, &slot.commands), "vkAllocateCommandBuffers"));
    const auto fence = typed<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
    SAIN_ASSIGN_OR_RETURN(slot.fence,
                          make_handle<VkFence>(device, api.CreateFence, api.DestroyFence, "vkCreateFence", fence));
  }
  return ring;
}

StagingRing::~StagingRing() {
  for (Slot& slot : slots_) (void)wait(slot);
}

Result<std::span<std::byte>> StagingRing::room(uint64_t least) {
  SAIN_CHECK(least <= slots_[current_].memory.bytes);
  if (slots_[current_].used + least > slots_[current_].memory.bytes) SAIN_RETURN_IF_ERROR(submit());
  Slot& slot = slots_[current_];
  SAIN_RETURN_IF_ERROR(wait(slot));
  if (!slot.is_open) {
    auto info = typed<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
    info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    SAIN_RETURN_IF_ERROR(
        device_->check(device_->api().BeginCommandBuffer(slot.commands, &info), "vkBeginCommandBuffer"));
    slot.is_open = true;
  }
  return std::span(slot.memory.mapped + slot.used, slot.memory.bytes - slot.used);
}

Status StagingRing::copy(const Slice& to) {
  Slot& slot = slots_[current_];
  SAIN_CHECK(slot.is_open && slot.used + to.bytes <= slot.memory.bytes);
  const VkBufferCopy region = {slot.memory.offset + slot.used, to.offset, to.bytes};
  device_->api().CmdCopyBuffer(slot.commands, slot.memory.buffer, to.buffer, 1, &region);
  slot.used = std::min(slot.memory.bytes, (slot.used + to.bytes + kAlignment - 1) / kAlignment * kAlignment);
  return slot.used == slot.memory.bytes ? submit() : Status();
}

/// What the host has written so far the device sees, since it was written before; what the copies write the fence makes
/// known, and the barrier that every CommandList begins with lets shaders see it.
Status StagingRing::submit() {
  const DeviceApi& api = device_->api();
  Slot& slot = slots_[current_];
  current_ = (current_ + 1) % slots_.size();
  slot.is_open = false;
  slot.used = 0;
  SAIN_RETURN_IF_ERROR(device_->check(api.EndCommandBuffer(slot.commands), "vkEndCommandBuffer"));
  auto info = typed<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
  info.commandBufferCount = 1;
  info.pCommandBuffers = &slot.commands;
  SAIN_RETURN_IF_ERROR(device_->check(device_->transfer_queue().submit(info, slot.fence.get()), "vkQueueSubmit"));
  slot.is_under_way = true;
  return {};
}

Status StagingRing::wait(Slot& slot) {
  if (!std::exchange(slot.is_under_way, false)) return {};
  const DeviceApi& api = device_->api();
  const VkFence fence = slot.fence.get();
  SAIN_RETURN_IF_ERROR(
      device_->check(api.WaitForFences(device_->handle(), 1, &fence, VK_TRUE, UINT64_MAX), "vkWaitForFences"));
  return device_->check(api.ResetFences(device_->handle(), 1, &fence), "vkResetFences");
}

Status StagingRing::finish() {
  Status status;
  if (slots_[current_].is_open && slots_[current_].used > 0) status = submit();
  for (Slot& slot : slots_) {
    const Status waited = wait(slot);
    if (status) status = waited;
  }
  return status;
}

}  // namespace sain::engine::vulkan
