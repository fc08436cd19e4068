// Compute pipelines of the shaders in shaders/, compiled by the driver when they are first asked for and kept on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/vulkan/device.h"

namespace sain::engine::vulkan {

/// What a driver has made of our shaders, as the bytes of vkGetPipelineCacheData under a checksum: drivers are known to
/// crash over damaged ones. A file belongs to one device, one version of its driver and one set of shaders, all three
/// in its name.
struct PipelineFile {
  static std::string name(const DeviceInfo& info);

  /// Nothing where there is none, or a damaged one.
  static std::vector<std::byte> read(const std::filesystem::path& path);
  static Status write(const std::filesystem::path& path, std::span<const std::byte> data);
};

/// Owns the pipelines of a device. Thread-safe. All have one layout: storage buffers at the bindings 0 to kBindings -
/// 1, of which a shader uses some, and kPushBytes of push constants.
class Pipelines {
 public:
  static constexpr uint32_t kBindings = 6;
  static constexpr uint32_t kPushBytes = 64;

  /// With a `folder`, starts from the file that is there. Errors: kUnsupported (the device has fewer bindings).
  static Result<std::unique_ptr<Pipelines>> create(Device& device, const std::filesystem::path& folder = {});

  /// The pipeline of `shader`, a name of shaders/spirv.h without the suffix of its variant: the one with subgroup
  /// operations is taken where it exists and the device has them. `constants` are its specialization constants, ids 0,
  /// 1, ...; the first is the workgroup's size, which must be within the device's limits. Lives as long as this.
  /// Errors: kNotFound (no such shader), what vkCreateComputePipelines says.
  Result<VkPipeline> get(std::string_view shader, std::span<const uint32_t> constants);

  /// Whether there is such a shader in this program.
  bool has(std::string_view shader) const;

  /// Writes what has been compiled since create() into the folder's file; does nothing where there is none.
  Status save();

  VkPipelineLayout layout() const { return layout_.get(); }
  VkDescriptorSetLayout set_layout() const { return set_layout_.get(); }

 private:
  explicit Pipelines(Device& device) : device_(&device) {}
  Result<Handle<VkPipeline>> compile(std::span<const uint32_t> spirv, std::span<const uint32_t> constants) const;

  Device* device_;
  std::filesystem::path file_;  // empty: none
  Handle<VkDescriptorSetLayout> set_layout_;
  Handle<VkPipelineLayout> layout_;
  Handle<VkPipelineCache> cache_;
  std::mutex mutex_;  // of what follows
  bool is_saved_ = true;
  std::map<std::pair<std::string, std::vector<uint32_t>>, Handle<VkPipeline>> pipelines_;
};

}  // namespace sain::engine::vulkan
