#include "engine/vulkan/api.h"

#include <dlfcn.h>

namespace sain::engine::vulkan {
namespace {

std::string_view name_of(VkResult result) {
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "initialization failed";
    case VK_ERROR_DEVICE_LOST:
      return "the device was lost";
    case VK_ERROR_MEMORY_MAP_FAILED:
      return "memory cannot be mapped";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "a layer is not there";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "an extension is not there";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "a feature is not there";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "no driver that fits is installed";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "too many objects";
    case VK_ERROR_OUT_OF_POOL_MEMORY:
      return "the pool is used up";
    case VK_TIMEOUT:
      return "no answer in time";
    default:
      return {};
  }
}

ErrorCode code_of(VkResult result) {
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
      return ErrorCode::kResourceExhausted;
    case VK_ERROR_LAYER_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

Result<Loader> Loader::open() {
  constexpr const char* kLibrary = "libvulkan.so.1";
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return make_error(ErrorCode::kNotFound, "vulkan: this machine has no loader ({}; Debian's package libvulkan1)",
                      kLibrary);
  }
  Loader loader;
  const auto get = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  loader.GetInstanceProcAddr = get;
  if (get != nullptr) {
    loader.EnumerateInstanceVersion =
        reinterpret_cast<PFN_vkEnumerateInstanceVersion>(get(nullptr, "vkEnumerateInstanceVersion"));
    loader.EnumerateInstanceLayerProperties =
        reinterpret_cast<PFN_vkEnumerateInstanceLayerProperties>(get(nullptr, "vkEnumerateInstanceLayerProperties"));
    loader.EnumerateInstanceExtensionProperties = reinterpret_cast<PFN_vkEnumerateInstanceExtensionProperties>(
        get(nullptr, "vkEnumerateInstanceExtensionProperties"));
    loader.CreateInstance = reinterpret_cast<PFN_vkCreateInstance>(get(nullptr, "vkCreateInstance"));
  }
  if (loader.CreateInstance == nullptr || loader.EnumerateInstanceLayerProperties == nullptr ||
      loader.EnumerateInstanceExtensionProperties == nullptr) {
    return make_error(ErrorCode::kUnsupported, "vulkan: {} is no loader of Vulkan", kLibrary);
  }
  return loader;
}

Result<InstanceApi> InstanceApi::load(const Loader& loader, VkInstance instance) {
  InstanceApi api;
#define SAIN_VULKAN_LOAD(name)                                                                         \
  api.name = reinterpret_cast<PFN_vk##name>(loader.GetInstanceProcAddr(instance, "vk" #name));         \
  if (api.name == nullptr) {                                                                           \
    return make_error(ErrorCode::kUnsupported, "vulkan: the loader lacks vk{}; 1.1 is needed", #name); \
  }
  SAIN_VULKAN_INSTANCE_FUNCTIONS(SAIN_VULKAN_LOAD)
#undef SAIN_VULKAN_LOAD
  api.GetPhysicalDeviceCooperativeMatrixPropertiesKHR = reinterpret_cast<PFN_cooperativeMatrixProperties>(
      loader.GetInstanceProcAddr(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  return api;
}

Result<DeviceApi> DeviceApi::load(const InstanceApi& instance, VkDevice device) {
  DeviceApi api;
#define SAIN_VULKAN_LOAD(name)                                                               \
  api.name = reinterpret_cast<PFN_vk##name>(instance.GetDeviceProcAddr(device, "vk" #name)); \
  if (api.name == nullptr) return make_error(ErrorCode::kUnsupported, "vulkan: the driver lacks vk{}", #name);
  SAIN_VULKAN_DEVICE_FUNCTIONS(SAIN_VULKAN_LOAD)
#undef SAIN_VULKAN_LOAD
  api.GetBufferDeviceAddress =
      reinterpret_cast<PFN_vkGetBufferDeviceAddress>(instance.GetDeviceProcAddr(device, "vkGetBufferDeviceAddress"));
  return api;
}

Status check(VkResult result, std::string_view device, std::string_view call) {
  if (result == VK_SUCCESS) return {};
  const std::string_view name = name_of(result);
  if (!name.empty()) return make_error(code_of(result), "vulkan: {}: {}: {}", device, call, name);
  return make_error(code_of(result), "vulkan: {}: {}: error {}", device, call, static_cast<int>(result));
}

}  // namespace sain::engine::vulkan
