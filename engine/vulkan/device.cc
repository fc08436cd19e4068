#include "engine/vulkan/device.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace sain::engine::vulkan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kMaxAllocation = 1024 * kMiB;  // what drivers promise; more at once fails on some
constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

VKAPI_ATTR VkBool32 VKAPI_CALL hand_over(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                         const VkDebugUtilsMessengerCallbackDataEXT* data, void* on_message) {
  (*static_cast<std::function<void(std::string_view)>*>(on_message))(data->pMessage);
  return VK_FALSE;
}

/// Puts `next` in front of what `head` points to.
template <class Head, class Next>
void chain(Head& head, Next& next) {
  next.pNext = head.pNext;
  head.pNext = &next;
}

std::vector<std::string> extensions_of(const InstanceApi& api, VkPhysicalDevice device) {
  uint32_t n = 0;
  api.EnumerateDeviceExtensionProperties(device, nullptr, &n, nullptr);
  std::vector<VkExtensionProperties> properties(n);
  api.EnumerateDeviceExtensionProperties(device, nullptr, &n, properties.data());
  std::vector<std::string> names;
  for (const VkExtensionProperties& p : properties) names.emplace_back(p.extensionName);
  return names;
}

std::optional<QueuePlaces> find_queues(const InstanceApi& api, VkPhysicalDevice device) {
  uint32_t n = 0;
  api.GetPhysicalDeviceQueueFamilyProperties(device, &n, nullptr);
  std::vector<VkQueueFamilyProperties> families(n);
  api.GetPhysicalDeviceQueueFamilyProperties(device, &n, families.data());
  return choose_queues(families);
}

DeviceType type_of(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return DeviceType::kDiscrete;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return DeviceType::kIntegrated;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return DeviceType::kVirtual;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return DeviceType::kCpu;
    default:
      return DeviceType::kOther;
  }
}

/// The features that shaders may use, in a chain for Vulkan to fill in or to enable. Not to be moved.
struct Features {
  /// With those that a device of this version and these extensions can have.
  Features(uint32_t version, const std::vector<std::string>& extensions) {
    const auto has = [&](const char* name) { return std::ranges::find(extensions, name) != extensions.end(); };
    const auto add = [&](auto& next, uint32_t since, const char* extension) {
      const bool is_extension = since > version;
      if (is_extension && !has(extension)) return;
      chain(all, next);
      if (is_extension) enabled_extensions.push_back(extension);
    };
    add(storage16, VK_API_VERSION_1_1, "");
    add(small, VK_API_VERSION_1_2, "VK_KHR_shader_float16_int8");
    add(memory_model, VK_API_VERSION_1_2, "VK_KHR_vulkan_memory_model");
    add(dot, VK_API_VERSION_1_3, "VK_KHR_shader_integer_dot_product");
    add(cooperative, UINT32_MAX, kCooperativeMatrixExtension);
    if (version >= VK_API_VERSION_1_2) chain(all, address);
  }
  Features(const Features&) = delete;

  VkPhysicalDeviceFeatures2 all = typed<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  VkPhysicalDevice16BitStorageFeatures storage16 =
      typed<VkPhysicalDevice16BitStorageFeatures>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES);
  VkPhysicalDeviceShaderFloat16Int8Features small =
      typed<VkPhysicalDeviceShaderFloat16Int8Features>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
  VkPhysicalDeviceVulkanMemoryModelFeatures memory_model =
      typed<VkPhysicalDeviceVulkanMemoryModelFeatures>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES);
  VkPhysicalDeviceShaderIntegerDotProductFeatures dot = typed<VkPhysicalDeviceShaderIntegerDotProductFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES);
  VkPhysicalDeviceBufferDeviceAddressFeatures address = typed<VkPhysicalDeviceBufferDeviceAddressFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES);
  CooperativeMatrixFeatures cooperative = typed<CooperativeMatrixFeatures>(kCooperativeMatrixFeatures);
  std::vector<const char*> enabled_extensions;
};

/// Whether subgroups multiply matrices as product_matrix.comp does: 16 x 16 of f16, summed in f32.
bool has_cooperative_matrix(const InstanceApi& api, VkPhysicalDevice device) {
  if (api.GetPhysicalDeviceCooperativeMatrixPropertiesKHR == nullptr) return false;
  uint32_t n = 0;
  if (api.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &n, nullptr) != VK_SUCCESS) return false;
  std::vector<CooperativeMatrixProperties> shapes(n, typed<CooperativeMatrixProperties>(kCooperativeMatrixProperties));
  if (api.GetPhysicalDeviceCooperativeMatrixPropertiesKHR(device, &n, shapes.data()) != VK_SUCCESS) return false;
  return std::ranges::any_of(shapes, [](const CooperativeMatrixProperties& p) {
    return p.m == 16 && p.n == 16 && p.k == 16 && p.a == kComponentFloat16 && p.b == kComponentFloat16 &&
           p.c == kComponentFloat32 && p.result == kComponentFloat32 && p.scope == kScopeSubgroup;
  });
}

struct DeviceMemory {
  uint64_t bytes = 0;   // of its own heaps
  uint64_t budget = 0;  // of them, for this process
  uint64_t used = 0;    // of these, by whatever is in this process; 0 where the driver does not say
};

DeviceMemory read_memory(const InstanceApi& api, VkPhysicalDevice device, bool has_budget) {
  auto budget =
      typed<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
  auto memory = typed<VkPhysicalDeviceMemoryProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
  if (has_budget) chain(memory, budget);
  api.GetPhysicalDeviceMemoryProperties2(device, &memory);
  DeviceMemory sum;
  for (uint32_t i = 0; i < memory.memoryProperties.memoryHeapCount; ++i) {
    const VkMemoryHeap& heap = memory.memoryProperties.memoryHeaps[i];
    if ((heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) == 0) continue;
    sum.bytes += heap.size;
    sum.budget += has_budget ? budget.heapBudget[i] : heap.size;
    sum.used += has_budget ? budget.heapUsage[i] : 0;
  }
  return sum;
}

/// Nothing for a device that lacks 1.1 or a compute queue.
std::optional<DeviceInfo> describe(const InstanceApi& api, VkPhysicalDevice device) {
  const std::vector<std::string> extensions = extensions_of(api, device);
  auto subgroup = typed<VkPhysicalDeviceSubgroupProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
  auto maintenance =
      typed<VkPhysicalDeviceMaintenance3Properties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
  auto driver = typed<VkPhysicalDeviceDriverProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);
  auto all = typed<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  const VkPhysicalDeviceProperties& properties = all.properties;
  api.GetPhysicalDeviceProperties2(device, &all);
  if (properties.apiVersion < VK_API_VERSION_1_1) return std::nullopt;
  const bool is_1_2 = properties.apiVersion >= VK_API_VERSION_1_2;
  const auto has = [&](const char* extension) { return std::ranges::find(extensions, extension) != extensions.end(); };
  chain(all, subgroup);
  chain(all, maintenance);
  if (is_1_2 || has("VK_KHR_driver_properties")) chain(all, driver);
  auto cores = typed<VkPhysicalDeviceShaderSMBuiltinsPropertiesNV>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV);
  if (has(VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) chain(all, cores);
  api.GetPhysicalDeviceProperties2(device, &all);

  Features features(properties.apiVersion, extensions);
  auto storage8 = typed<VkPhysicalDevice8BitStorageFeatures>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES);
  if (is_1_2 || has("VK_KHR_8bit_storage")) chain(features.all, storage8);
  api.GetPhysicalDeviceFeatures2(device, &features.all);

  DeviceInfo info;
  const std::optional<QueuePlaces> queues = find_queues(api, device);
  if (!queues) return std::nullopt;
  info.queues = *queues;
  info.name = properties.deviceName;
  info.type = type_of(properties.deviceType);
  info.driver = fmt::format("{} {}", driver.driverName, driver.driverInfo);
  info.driver_version = properties.driverVersion;
  info.api_version = properties.apiVersion;
  std::memcpy(info.uuid.data(), properties.pipelineCacheUUID, VK_UUID_SIZE);
  info.handle = device;
  constexpr VkSubgroupFeatureFlags kNeeded =
      VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
  const VkPhysicalDeviceLimits& limits = properties.limits;
  info.capabilities = {
      .subgroup_size = subgroup.subgroupSize,
      .subgroups = (subgroup.supportedOperations & kNeeded) == kNeeded &&
                   (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0,
      .fp16 = features.storage16.storageBuffer16BitAccess == VK_TRUE && features.small.shaderFloat16 == VK_TRUE,
      .storage_8bit = storage8.storageBuffer8BitAccess == VK_TRUE,
      .integer_dot_product = features.dot.shaderIntegerDotProduct == VK_TRUE,
      .cooperative_matrix = features.cooperative.cooperative_matrix == VK_TRUE &&
                            features.small.shaderFloat16 == VK_TRUE &&
                            features.memory_model.vulkanMemoryModel == VK_TRUE && has_cooperative_matrix(api, device),
      .buffer_device_address = features.address.bufferDeviceAddress == VK_TRUE,
      .memory_budget = has(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME),
      .timestamps = queues->timestamp_bits != 0,
      .timestamp_ns = limits.timestampPeriod,
      .cores = cores.shaderSMCount,
      .max_workgroup = std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]),
      .shared_bytes = limits.maxComputeSharedMemorySize,
      .push_constant_bytes = limits.maxPushConstantsSize,
      .max_bindings = limits.maxPerStageDescriptorStorageBuffers,
      .storage_alignment = static_cast<uint32_t>(limits.minStorageBufferOffsetAlignment),
      .storage_range = limits.maxStorageBufferRange,
      .allocation_bytes = std::min<uint64_t>(maintenance.maxMemoryAllocationSize, kMaxAllocation),
  };
  const DeviceMemory memory = read_memory(api, device, info.capabilities.memory_budget);
  info.memory_bytes = memory.bytes;
  info.budget_bytes = memory.budget;
  return info;
}

Result<bool> has_layer(const Loader& loader, const char* name) {
  uint32_t n = 0;
  SAIN_RETURN_IF_ERROR(
      check(loader.EnumerateInstanceLayerProperties(&n, nullptr), "loader", "vkEnumerateInstanceLayerProperties"));
  std::vector<VkLayerProperties> layers(n);
  loader.EnumerateInstanceLayerProperties(&n, layers.data());
  return std::ranges::any_of(layers,
                             [&](const VkLayerProperties& layer) { return std::string_view(layer.layerName) == name; });
}

}  // namespace

Capabilities Capabilities::limited() const {
  Capabilities weak = *this;
  weak.subgroups = weak.fp16 = weak.storage_8bit = weak.integer_dot_product = false;
  weak.cooperative_matrix = weak.buffer_device_address = weak.maps_memory = false;
  weak.cores = 0;
  weak.max_workgroup = std::min(max_workgroup, 128u);
  weak.shared_bytes = std::min(shared_bytes, 16u << 10);
  weak.push_constant_bytes = std::min(push_constant_bytes, 128u);
  weak.storage_range = std::min(storage_range, 128 * kMiB);
  weak.allocation_bytes = std::min(allocation_bytes, 256 * kMiB);
  return weak;
}

std::string_view to_string(DeviceType type) {
  switch (type) {
    case DeviceType::kDiscrete:
      return "discrete";
    case DeviceType::kIntegrated:
      return "integrated";
    case DeviceType::kVirtual:
      return "virtual";
    case DeviceType::kCpu:
      return "cpu";
    case DeviceType::kOther:
      break;
  }
  return "other";
}

Result<std::unique_ptr<Instance>> Instance::create(Validation validation,
                                                   std::function<void(std::string_view)> on_message) {
  SAIN_ASSIGN_OR_RETURN(const Loader loader, Loader::open());
  uint32_t version = VK_API_VERSION_1_0;
  if (loader.EnumerateInstanceVersion != nullptr) loader.EnumerateInstanceVersion(&version);
  if (version < VK_API_VERSION_1_1) {
    return make_error(ErrorCode::kUnsupported, "vulkan: the loader is of version 1.0; 1.1 is needed");
  }
  std::unique_ptr<Instance> instance(new Instance);
  instance->on_message_ = std::move(on_message);
  auto application = typed<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
  application.pApplicationName = "sain";
  application.apiVersion = VK_API_VERSION_1_3;
  auto info = typed<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  info.pApplicationInfo = &application;
  auto messenger = typed<VkDebugUtilsMessengerCreateInfoEXT>(VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT);
  messenger.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  messenger.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  messenger.pfnUserCallback = hand_over;
  messenger.pUserData = &instance->on_message_;
  const char* debug_utils = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  if (validation == Validation::kOn) {
    SAIN_ASSIGN_OR_RETURN(const bool is_there, has_layer(loader, kValidationLayer));
    if (!is_there) return make_error(ErrorCode::kNotFound, "vulkan: there is no layer {}", kValidationLayer);
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &kValidationLayer;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &debug_utils;
    if (instance->on_message_) info.pNext = &messenger;
  }
  SAIN_RETURN_IF_ERROR(check(loader.CreateInstance(&info, nullptr, &instance->handle_), "loader", "vkCreateInstance"));
  SAIN_ASSIGN_OR_RETURN(instance->api_, InstanceApi::load(loader, instance->handle_));
  if (info.pNext != nullptr) {
    const auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        loader.GetInstanceProcAddr(instance->handle_, "vkCreateDebugUtilsMessengerEXT"));
    instance->destroy_messenger_ = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        loader.GetInstanceProcAddr(instance->handle_, "vkDestroyDebugUtilsMessengerEXT"));
    SAIN_RETURN_IF_ERROR(check(create(instance->handle_, &messenger, nullptr, &instance->messenger_), "loader",
                               "vkCreateDebugUtilsMessengerEXT"));
  }
  return instance;
}

Instance::~Instance() {
  if (messenger_ != VK_NULL_HANDLE) destroy_messenger_(handle_, messenger_, nullptr);
  if (api_.DestroyInstance != nullptr) api_.DestroyInstance(handle_, nullptr);
}

Result<std::vector<DeviceInfo>> Instance::devices() const {
  uint32_t n = 0;
  SAIN_RETURN_IF_ERROR(
      check(api_.EnumeratePhysicalDevices(handle_, &n, nullptr), "loader", "vkEnumeratePhysicalDevices"));
  std::vector<VkPhysicalDevice> handles(n);
  SAIN_RETURN_IF_ERROR(
      check(api_.EnumeratePhysicalDevices(handle_, &n, handles.data()), "loader", "vkEnumeratePhysicalDevices"));
  std::vector<DeviceInfo> devices;
  for (VkPhysicalDevice handle : handles) {
    if (std::optional<DeviceInfo> info = describe(api_, handle)) devices.push_back(*std::move(info));
  }
  std::ranges::stable_sort(devices, {}, &DeviceInfo::type);
  return devices;
}

Result<std::unique_ptr<Device>> Device::open(const Instance& instance, size_t index, Limits limits) {
  SAIN_ASSIGN_OR_RETURN(const std::vector<DeviceInfo> devices, instance.devices());
  if (index >= devices.size()) {
    return make_error(ErrorCode::kNotFound, "vulkan: there is no device {}; this machine has {}", index,
                      devices.size());
  }
  std::unique_ptr<Device> device(new Device(instance.api(), devices[index]));
  QueuePlaces& queues = device->info_.queues;
  if (limits == Limits::kSimulated) {
    device->info_.capabilities = device->info_.capabilities.limited();
    queues.transfer.reset();
  }
  if (limits == Limits::kOneCore) device->info_.capabilities.cores = 1;
  const InstanceApi& api = instance.api();
  constexpr std::array<float, 2> kPriorities = {1, 0};  // whoever computes before who copies
  std::array<VkDeviceQueueCreateInfo, 2> families;
  families.fill(typed<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO));
  families[0].queueFamilyIndex = queues.compute.family;
  families[0].queueCount = queues.transfer && !queues.has_transfer_family() ? 2 : 1;
  families[0].pQueuePriorities = &kPriorities[0];
  families[1].queueFamilyIndex = queues.transfer.value_or(QueuePlace{}).family;
  families[1].queueCount = 1;
  families[1].pQueuePriorities = &kPriorities[1];
  auto info = typed<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  info.queueCreateInfoCount = queues.has_transfer_family() ? 2 : 1;
  info.pQueueCreateInfos = families.data();
  const Capabilities& capabilities = device->info_.capabilities;
  Features features(device->info_.api_version, extensions_of(api, device->info_.handle));
  features.storage16.storageBuffer16BitAccess = features.small.shaderFloat16 = capabilities.fp16;
  features.dot.shaderIntegerDotProduct = capabilities.integer_dot_product;
  features.cooperative.cooperative_matrix = capabilities.cooperative_matrix;
  features.memory_model.vulkanMemoryModel = capabilities.cooperative_matrix;
  features.address.bufferDeviceAddress = capabilities.buffer_device_address;
  features.address.bufferDeviceAddressCaptureReplay = features.address.bufferDeviceAddressMultiDevice = VK_FALSE;
  info.pNext = &features.all;
  info.enabledExtensionCount = static_cast<uint32_t>(features.enabled_extensions.size());
  info.ppEnabledExtensionNames = features.enabled_extensions.data();
  SAIN_RETURN_IF_ERROR(
      device->check(api.CreateDevice(device->info_.handle, &info, nullptr, &device->handle_), "vkCreateDevice"));
  SAIN_ASSIGN_OR_RETURN(device->api_, DeviceApi::load(api, device->handle_));
  const auto open_queue = [&](const QueuePlace& place, std::optional<Queue>& queue) {
    VkQueue handle = VK_NULL_HANDLE;
    device->api_.GetDeviceQueue(device->handle_, place.family, place.index, &handle);
    queue.emplace(device->api_.QueueSubmit, handle);
  };
  open_queue(queues.compute, device->compute_queue_);
  if (queues.transfer) open_queue(*queues.transfer, device->transfer_queue_);
  auto memory = typed<VkPhysicalDeviceMemoryProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
  api.GetPhysicalDeviceMemoryProperties2(device->info_.handle, &memory);
  device->memory_ = memory.memoryProperties;
  return device;
}

uint64_t Device::free_bytes() const {
  const DeviceMemory memory = read_memory(*instance_api_, info_.handle, capabilities().memory_budget);
  const auto rest = [](uint64_t bytes, uint64_t used) { return bytes - std::min(bytes, used); };
  return std::min(rest(memory.budget, memory.used), rest(info_.budget_bytes, allocated_bytes_));
}

Device::~Device() {
  if (api_.DestroyDevice == nullptr) return;
  api_.DeviceWaitIdle(handle_);
  api_.DestroyDevice(handle_, nullptr);
}

}  // namespace sain::engine::vulkan
