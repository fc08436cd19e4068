#include "engine/vulkan/command_list.h"

#include <utility>

namespace sain::engine::vulkan {
Result<CommandList> CommandList::create(Device& device, const Pipelines& pipelines) {
  const DeviceApi& api = device.api();
  CommandList list(device, pipelines);
  auto pool = typed<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  pool.queueFamilyIndex = device.info().queues.compute.family;
  SAIN_ASSIGN_OR_RETURN(list.pool_, make_handle<VkCommandPool>(device, api.CreateCommandPool, api.DestroyCommandPool,
                                                               "vkCreateCommandPool", pool));
  auto buffer = typed<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
  buffer.commandPool = list.pool_.get();
  buffer.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  buffer.commandBufferCount = 1;
  SAIN_RETURN_IF_ERROR(
      device.check(api.AllocateCommandBuffers(device.handle(), &buffer, &list.commands_), "vkAllocateCommandBuffers"));
  const auto fence = typed<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
  SAIN_ASSIGN_OR_RETURN(list.fence_,
                        make_handle<VkFence>(device, api.CreateFence, api.DestroyFence, "vkCreateFence", fence));
  SAIN_RETURN_IF_ERROR(list.begin());
  return list;
}

Status CommandList::begin() {
  auto info = typed<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  info.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
  SAIN_RETURN_IF_ERROR(device_->check(device_->api().BeginCommandBuffer(commands_, &info), "vkBeginCommandBuffer"));
  has_transfers_ = true;
  barrier();  // after the run before
  return {};
}

Status CommandList::dispatch_bytes(VkPipeline pipeline, std::span<const Slice> bindings,
                                   std::span<const std::byte> parameters, Grid grid) {
  const DeviceApi& api = device_->api();
  SAIN_CHECK(bindings.size() <= Pipelines::kBindings);
  SAIN_ASSIGN_OR_RETURN(VkDescriptorSet set, allocate_set());
  std::array<VkDescriptorBufferInfo, Pipelines::kBindings> buffers;
  std::array<VkWriteDescriptorSet, Pipelines::kBindings> writes;
  for (uint32_t i = 0; i < bindings.size(); ++i) {
    const Slice& slice = bindings[i];
    SAIN_CHECK(slice.offset % device_->capabilities().storage_alignment == 0);
    if (slice.bytes > device_->capabilities().storage_range) {
      return make_error(ErrorCode::kUnsupported,
                        "vulkan: {}: {} bytes for one shader's buffer, where at most {} can be", device_->info().name,
                        slice.bytes, device_->capabilities().storage_range);
    }
    buffers[i] = {slice.buffer, slice.offset, slice.bytes};
    writes[i] = typed<VkWriteDescriptorSet>(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
    writes[i].dstSet = set;
    writes[i].dstBinding = i;
    writes[i].descriptorCount = 1;
    writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    writes[i].pBufferInfo = &buffers[i];
  }
  api.UpdateDescriptorSets(device_->handle(), static_cast<uint32_t>(bindings.size()), writes.data(), 0, nullptr);
  api.CmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  api.CmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipelines_->layout(), 0, 1, &set, 0, nullptr);
  api.CmdPushConstants(commands_, pipelines_->layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                       static_cast<uint32_t>(parameters.size()), parameters.data());
  api.CmdDispatch(commands_, grid.x, grid.y, grid.z);
  return {};
}

Result<VkDescriptorSet> CommandList::allocate_set() {
  const DeviceApi& api = device_->api();
  if (descriptor_pools_.empty() || n_sets_ == kSetsPerPool) {
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kSetsPerPool * Pipelines::kBindings};
    auto info = typed<VkDescriptorPoolCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    info.maxSets = kSetsPerPool;
    info.poolSizeCount = 1;
    info.pPoolSizes = &size;
    SAIN_ASSIGN_OR_RETURN(Handle<VkDescriptorPool> pool,
                          make_handle<VkDescriptorPool>(*device_, api.CreateDescriptorPool, api.DestroyDescriptorPool,
                                                        "vkCreateDescriptorPool", info));
    descriptor_pools_.push_back(std::move(pool));
    n_sets_ = 0;
  }
  const VkDescriptorSetLayout layout = pipelines_->set_layout();
  auto info = typed<VkDescriptorSetAllocateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
  info.descriptorPool = descriptor_pools_.back().get();
  info.descriptorSetCount = 1;
  info.pSetLayouts = &layout;
  VkDescriptorSet set = VK_NULL_HANDLE;
  SAIN_RETURN_IF_ERROR(
      device_->check(api.AllocateDescriptorSets(device_->handle(), &info, &set), "vkAllocateDescriptorSets"));
  ++n_sets_;
  return set;
}

void CommandList::copy(const Slice& from, const Slice& to) {
  SAIN_CHECK(from.bytes <= to.bytes);
  start_transfer();
  const VkBufferCopy region = {from.offset, to.offset, from.bytes};
  device_->api().CmdCopyBuffer(commands_, from.buffer, to.buffer, 1, &region);
}

void CommandList::clear(const Slice& slice, uint32_t word) {
  start_transfer();
  device_->api().CmdFillBuffer(commands_, slice.buffer, slice.offset, slice.bytes, word);
}

void CommandList::barrier() {
  // Only what is needed: a barrier is most of what a small dispatch costs.
  VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
  VkAccessFlags writes = VK_ACCESS_SHADER_WRITE_BIT, reads = VK_ACCESS_SHADER_READ_BIT;
  if (std::exchange(has_transfers_, false)) {
    stages |= VK_PIPELINE_STAGE_TRANSFER_BIT;
    writes |= VK_ACCESS_TRANSFER_WRITE_BIT;
    reads |= VK_ACCESS_TRANSFER_READ_BIT;
  }
  auto memory = typed<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  memory.srcAccessMask = writes;
  memory.dstAccessMask = reads | writes;
  device_->api().CmdPipelineBarrier(commands_, stages, stages, 0, 1, &memory, 0, nullptr, 0, nullptr);
}

/// A transfer comes: what is before it is over first.
void CommandList::start_transfer() {
  if (std::exchange(has_transfers_, true)) return;
  barrier();
  has_transfers_ = true;
}

Status CommandList::finish() {
  auto memory = typed<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);  // so that the host sees what was written
  memory.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  memory.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  device_->api().CmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                                    VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &memory, 0, nullptr, 0, nullptr);
  return device_->check(device_->api().EndCommandBuffer(commands_), "vkEndCommandBuffer");
}

Status CommandList::run(uint32_t n) {
  SAIN_RETURN_IF_ERROR(start(n));
  return wait();
}

Status CommandList::start(uint32_t n) {
  const DeviceApi& api = device_->api();
  const VkFence fence = fence_.get();
  SAIN_RETURN_IF_ERROR(device_->check(api.ResetFences(device_->handle(), 1, &fence), "vkResetFences"));
  auto info = typed<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
  const std::vector<VkCommandBuffer> runs(n, commands_);
  info.commandBufferCount = n;
  info.pCommandBuffers = runs.data();
  return device_->check(device_->compute_queue().submit(info, fence), "vkQueueSubmit");
}

Status CommandList::wait() {
  const VkFence fence = fence_.get();
  // For ever: a driver that loses its device says so itself, and what the device still uses must not be freed.
  return device_->check(device_->api().WaitForFences(device_->handle(), 1, &fence, VK_TRUE, UINT64_MAX),
                        "vkWaitForFences");
}

Status CommandList::start_timing() {
  if (!device_->capabilities().timestamps) {
    return make_error(ErrorCode::kUnsupported, "vulkan: {} takes no times", device_->info().name);
  }
  auto info = typed<VkQueryPoolCreateInfo>(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = kMostTimes + 1;
  const DeviceApi& api = device_->api();
  SAIN_ASSIGN_OR_RETURN(
      times_, make_handle<VkQueryPool>(*device_, api.CreateQueryPool, api.DestroyQueryPool, "vkCreateQueryPool", info));
  api.CmdResetQueryPool(commands_, times_.get(), 0, info.queryCount);
  api.CmdWriteTimestamp(commands_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times_.get(), 0);
  return {};
}

void CommandList::mark(std::string_view name) {
  if (times_.get() == VK_NULL_HANDLE || timed_.size() == kMostTimes) return;
  timed_.emplace_back(name);
  device_->api().CmdWriteTimestamp(commands_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, times_.get(),
                                   static_cast<uint32_t>(timed_.size()));
}

Result<std::vector<TimedDispatch>> CommandList::times() {
  std::vector<uint64_t> ticks(timed_.size() + 1);
  SAIN_RETURN_IF_ERROR(device_->check(
      device_->api().GetQueryPoolResults(device_->handle(), times_.get(), 0, static_cast<uint32_t>(ticks.size()),
                                         ticks.size() * sizeof(uint64_t), ticks.data(), sizeof(uint64_t),
                                         VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
      "vkGetQueryPoolResults"));
  std::vector<TimedDispatch> times;
  for (size_t i = 0; i < timed_.size(); ++i) {
    const auto elapsed = static_cast<double>(ticks[i + 1] - ticks[i]);
    times.push_back({timed_[i], elapsed * static_cast<double>(device_->capabilities().timestamp_ns) / 1000});
  }
  return times;
}

Status CommandList::reset() {
  SAIN_RETURN_IF_ERROR(
      device_->check(device_->api().ResetCommandPool(device_->handle(), pool_.get(), 0), "vkResetCommandPool"));
  descriptor_pools_.clear();
  return begin();
}

}  // namespace sain::engine::vulkan
