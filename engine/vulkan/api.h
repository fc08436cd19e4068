// The functions of Vulkan, found at run time: a program that links no loader also starts where there is none.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "formats/result.h"

namespace sain::engine::vulkan {

// VK_KHR_cooperative_matrix, which is newer than Debian 12's headers.
inline constexpr const char* kCooperativeMatrixExtension = "VK_KHR_cooperative_matrix";
inline constexpr auto kCooperativeMatrixFeatures = static_cast<VkStructureType>(1000506000);
inline constexpr auto kCooperativeMatrixProperties = static_cast<VkStructureType>(1000506001);
inline constexpr uint32_t kComponentFloat16 = 0, kComponentFloat32 = 1, kScopeSubgroup = 3;
struct CooperativeMatrixFeatures {
  VkStructureType sType;
  void* pNext;
  VkBool32 cooperative_matrix, robust_buffer_access;
};
struct CooperativeMatrixProperties {
  VkStructureType sType;
  void* pNext;
  uint32_t m, n, k, a, b, c, result;  // sizes, then component types
  VkBool32 saturating_accumulation;
  uint32_t scope;
};
using PFN_cooperativeMatrixProperties = VkResult(VKAPI_PTR*)(VkPhysicalDevice, uint32_t*, CooperativeMatrixProperties*);

// clang-format off
#define SAIN_VULKAN_INSTANCE_FUNCTIONS(f) \
  f(DestroyInstance) f(EnumeratePhysicalDevices) f(GetPhysicalDeviceProperties2) f(GetPhysicalDeviceFeatures2) \
  f(GetPhysicalDeviceMemoryProperties2) f(GetPhysicalDeviceQueueFamilyProperties) \
  f(EnumerateDeviceExtensionProperties) f(CreateDevice) f(GetDeviceProcAddr)

#define SAIN_VULKAN_DEVICE_FUNCTIONS(f) \
  f(DestroyDevice) f(GetDeviceQueue) f(DeviceWaitIdle) f(QueueSubmit) \
  f(AllocateMemory) f(FreeMemory) f(MapMemory) \
  f(CreateBuffer) f(DestroyBuffer) f(GetBufferMemoryRequirements) f(BindBufferMemory) \
  f(CreateShaderModule) f(DestroyShaderModule) f(CreateDescriptorSetLayout) f(DestroyDescriptorSetLayout) \
  f(CreatePipelineLayout) f(DestroyPipelineLayout) f(CreateComputePipelines) f(DestroyPipeline) \
  f(CreatePipelineCache) f(DestroyPipelineCache) f(GetPipelineCacheData) \
  f(CreateDescriptorPool) f(DestroyDescriptorPool) f(AllocateDescriptorSets) f(UpdateDescriptorSets) \
  f(CreateCommandPool) f(DestroyCommandPool) f(ResetCommandPool) f(AllocateCommandBuffers) \
  f(BeginCommandBuffer) f(EndCommandBuffer) f(CmdBindPipeline) f(CmdBindDescriptorSets) f(CmdPushConstants) \
  f(CmdDispatch) f(CmdPipelineBarrier) f(CmdCopyBuffer) f(CmdFillBuffer) f(CmdResetQueryPool) f(CmdWriteTimestamp) \
  f(CreateFence) f(DestroyFence) f(ResetFences) f(WaitForFences) \
  f(CreateQueryPool) f(DestroyQueryPool) f(GetQueryPoolResults)
// clang-format on

/// The loader: what can be called before there is an instance. The library stays open until the program ends, since
/// drivers leave threads and exit handlers behind that would run into the void.
struct Loader {
  PFN_vkGetInstanceProcAddr GetInstanceProcAddr = nullptr;
  PFN_vkEnumerateInstanceVersion EnumerateInstanceVersion = nullptr;  // null where the loader knows 1.0 alone
  PFN_vkEnumerateInstanceLayerProperties EnumerateInstanceLayerProperties = nullptr;
  PFN_vkEnumerateInstanceExtensionProperties EnumerateInstanceExtensionProperties = nullptr;
  PFN_vkCreateInstance CreateInstance = nullptr;

  /// Errors: kNotFound (no loader on this machine).
  static Result<Loader> open();
};

#define SAIN_VULKAN_DECLARE(name) PFN_vk##name name = nullptr;

struct InstanceApi {
  SAIN_VULKAN_INSTANCE_FUNCTIONS(SAIN_VULKAN_DECLARE)
  PFN_cooperativeMatrixProperties GetPhysicalDeviceCooperativeMatrixPropertiesKHR =
      nullptr;  // null where none has them

  /// Errors: kUnsupported (the loader lacks a function).
  static Result<InstanceApi> load(const Loader& loader, VkInstance instance);
};

struct DeviceApi {
  SAIN_VULKAN_DEVICE_FUNCTIONS(SAIN_VULKAN_DECLARE)
  PFN_vkGetBufferDeviceAddress GetBufferDeviceAddress = nullptr;  // null before 1.2

  /// Errors: kUnsupported (the driver lacks a function).
  static Result<DeviceApi> load(const InstanceApi& instance, VkDevice device);
};

#undef SAIN_VULKAN_DECLARE

/// A structure of Vulkan's with its type filled in, and zeros.
template <class T>
T typed(VkStructureType type) {
  T structure = {};
  structure.sType = type;
  return structure;
}

/// What a call on `device` came to: success, or an Error that names both.
Status check(VkResult result, std::string_view device, std::string_view call);

}  // namespace sain::engine::vulkan
