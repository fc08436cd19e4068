// Work for a device, recorded once and run any number of times.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/vulkan/memory.h"
#include "engine/vulkan/pipeline.h"

namespace sain::engine::vulkan {

/// Workgroups along x, y and z.
struct Grid {
  uint32_t x = 1, y = 1, z = 1;
};

/// What a dispatch took, with the barrier before it.
struct TimedDispatch {
  std::string name;  // of its shader
  double us = 0;
};

/// Owns a command buffer and the descriptors in it. Everything recorded runs in order only where a barrier() says so.
class CommandList {
 public:
  /// Errors: what Vulkan says.
  static Result<CommandList> create(Device& device, const Pipelines& pipelines);

  /// Runs `pipeline` over `grid`. The i-th slice becomes binding i; each is within the device's storage_range.
  /// `parameters` is a struct of shaders/interface.h.
  template <class Parameters>
  Status dispatch(VkPipeline pipeline, std::initializer_list<Slice> bindings, const Parameters& parameters, Grid grid) {
    static_assert(sizeof(Parameters) <= Pipelines::kPushBytes);
    return dispatch_bytes(pipeline, bindings, std::as_bytes(std::span(&parameters, 1)), grid);
  }

  /// Copies from.bytes, after all that is before it but other copies; `to` has as many at least.
  void copy(const Slice& from, const Slice& to);

  /// Fills it with `word`, as copy(); its bytes are a multiple of 4.
  void clear(const Slice& slice, uint32_t word = 0);

  /// What comes later sees what has been written so far by shaders and copies, and overwrites nothing that they still
  /// read.
  void barrier();

  /// Ends the recording: run() from here on.
  Status finish();

  /// Runs all of it `n` times, each after the one before, and waits until it is done. Errors: kIo where the device is
  /// lost.
  Status run(uint32_t n = 1);

  /// The same in two steps, between which the device is at work; it outlives them, and is not started again before
  /// wait(), whose calls after the first return at once.
  Status start(uint32_t n);
  Status wait();

  /// Has the time of each dispatch taken that is recorded and mark()ed from here on, kMostTimes at most; slower.
  Status start_timing();
  /// Gives the last dispatch its name.
  void mark(std::string_view name);
  /// Of the last run().
  Result<std::vector<TimedDispatch>> times();

  /// Begins anew: what was recorded is forgotten.
  Status reset();

 private:
  static constexpr uint32_t kSetsPerPool = 256;
  static constexpr uint32_t kMostTimes = 4096;

  CommandList(Device& device, const Pipelines& pipelines) : device_(&device), pipelines_(&pipelines) {}
  Status begin();
  void start_transfer();
  Status dispatch_bytes(VkPipeline pipeline, std::span<const Slice> bindings, std::span<const std::byte> parameters,
                        Grid grid);
  Result<VkDescriptorSet> allocate_set();

  Device* device_;
  const Pipelines* pipelines_;
  Handle<VkCommandPool> pool_;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;  // of pool_
  Handle<VkFence> fence_;
  std::vector<Handle<VkDescriptorPool>> descriptor_pools_;
  uint32_t n_sets_ = 0;         // of the last one
  bool has_transfers_ = false;  // since the last barrier
  Handle<VkQueryPool> times_;
  std::vector<std::string> timed_;  // names; times_ has one more
};

}  // namespace sain::engine::vulkan
