// Which Vulkan devices there are, what they can do, and one that is open.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/vulkan/api.h"
#include "engine/vulkan/queue.h"
#include "formats/result.h"

namespace sain::engine::vulkan {

/// What shaders and allocations are chosen by. All sizes in bytes.
struct Capabilities {
  uint32_t subgroup_size = 1;
  bool subgroups = false;  // arithmetic and shuffles in compute shaders
  bool fp16 = false;       // 16-bit floats in storage and in arithmetic
  bool storage_8bit = false;
  bool integer_dot_product = false;
  bool cooperative_matrix = false;     // VK_KHR_cooperative_matrix: 16 x 16 x 16 of f16, summed in f32, by a subgroup
  bool buffer_device_address = false;  // as 1.2 has it
  bool memory_budget = false;          // VK_EXT_memory_budget
  bool maps_memory = true;             // of shaders, where that costs nothing
  bool timestamps = false;             // on the compute queue
  float timestamp_ns = 0;              // of a tick
  uint32_t cores = 0;                  // each runs one workgroup of any size while others wait for it; 0: nobody knows
  uint32_t max_workgroup = 0;          // invocations, along x
  uint32_t shared_bytes = 0;
  uint32_t push_constant_bytes = 0;
  uint32_t max_bindings = 0;       // storage buffers of one shader
  uint32_t storage_alignment = 0;  // of a binding's offset
  uint64_t storage_range = 0;      // of a binding
  uint64_t allocation_bytes = 0;   // of one allocation and its buffer

  /// Whether the shaders on activations in 8 bits run.
  bool int8() const { return integer_dot_product && subgroups && subgroup_size >= 8; }

  /// The most bytes that one shader's buffer can have.
  uint64_t piece_bytes() const { return std::min(storage_range, allocation_bytes); }

  /// The same device as a weak one: 128 MiB a binding, 256 MiB an allocation, workgroups of 128, 16 KiB of shared
  /// memory, and no extras; its memory is out of the host's reach. Whatever runs so runs wherever Vulkan 1.1 does.
  Capabilities limited() const;
};

enum class DeviceType { kDiscrete, kIntegrated, kVirtual, kCpu, kOther };  // the order of devices()
std::string_view to_string(DeviceType type);

struct DeviceInfo {
  std::string name;
  DeviceType type = DeviceType::kOther;
  std::string driver;  // its name and version, as it spells them
  uint32_t driver_version = 0;
  uint32_t api_version = 0;
  std::array<uint8_t, VK_UUID_SIZE> uuid = {};  // of its pipeline cache: changes with the driver
  uint64_t memory_bytes = 0;                    // of its own heaps
  uint64_t budget_bytes = 0;  // of them, what this process may have now; memory_bytes where the driver does not say
  Capabilities capabilities;
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  QueuePlaces queues;
};

enum class Validation { kOff, kOn };

/// Owns Vulkan's instance. Outlives its devices.
class Instance {
 public:
  /// With kOn the validation layer must be there, and hands its warnings and errors to `on_message`, from any thread.
  /// Errors: kNotFound (no loader, no layer), kUnsupported (older than 1.1, no driver).
  static Result<std::unique_ptr<Instance>> create(Validation validation = Validation::kOff,
                                                  std::function<void(std::string_view)> on_message = {});
  ~Instance();
  Instance(const Instance&) = delete;

  /// All devices that SAIN can use, fast types first; what --device vulkan:i counts. May be empty.
  Result<std::vector<DeviceInfo>> devices() const;

  const InstanceApi& api() const { return api_; }

 private:
  Instance() = default;

  VkInstance handle_ = VK_NULL_HANDLE;
  InstanceApi api_;
  std::function<void(std::string_view)> on_message_;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  PFN_vkDestroyDebugUtilsMessengerEXT destroy_messenger_ = nullptr;
};

enum class Limits {
  kOwn,
  kSimulated,  // Capabilities::limited(): for tests
  kOneCore,    // its own, and one core: for tests of what runs on devices that say how many they have
};

/// An open device. What is made on it refers to it, so it must outlive that. Thread-safe, and so are Vulkan's functions
/// that make, map and end things of a thread's own. A lost device shows as an error of the next call that waits for it.
class Device {
 public:
  /// `index` counts instance.devices(). Errors: kNotFound (no such device), what vkCreateDevice says.
  static Result<std::unique_ptr<Device>> open(const Instance& instance, size_t index, Limits limits = Limits::kOwn);
  ~Device();
  Device(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }
  const Capabilities& capabilities() const { return info_.capabilities; }
  const DeviceApi& api() const { return api_; }
  VkDevice handle() const { return handle_; }
  Queue& compute_queue() { return *compute_queue_; }
  /// The same where there is no other.
  Queue& transfer_queue() { return transfer_queue_ ? *transfer_queue_ : *compute_queue_; }
  const VkPhysicalDeviceMemoryProperties& memory() const { return memory_; }

  /// Of its memory, what could be had now.
  uint64_t free_bytes() const;
  /// As if this process could have no more than `bytes` of it.
  void limit_memory(uint64_t bytes) { info_.budget_bytes = std::min(info_.budget_bytes, bytes); }

  /// Bytes that arenas hold on it now.
  uint64_t allocated_bytes() const { return allocated_bytes_; }
  void account(int64_t bytes) { allocated_bytes_ += static_cast<uint64_t>(bytes); }

  Status check(VkResult result, std::string_view call) const { return vulkan::check(result, info_.name, call); }

 private:
  Device(const InstanceApi& api, DeviceInfo info) : instance_api_(&api), info_(std::move(info)) {}

  const InstanceApi* instance_api_;
  DeviceInfo info_;
  DeviceApi api_;
  VkDevice handle_ = VK_NULL_HANDLE;
  std::optional<Queue> compute_queue_, transfer_queue_;
  VkPhysicalDeviceMemoryProperties memory_ = {};
  std::atomic<uint64_t> allocated_bytes_ = 0;
};

/// Owns an object of a device, whose destroying function it is given.
template <class T>
class Handle {
 public:
  using Destroy = void(VKAPI_PTR*)(VkDevice, T, const VkAllocationCallbacks*);

  Handle() = default;
  Handle(VkDevice device, T value, Destroy destroy) : device_(device), value_(value), destroy_(destroy) {}
  Handle(Handle&& other) noexcept
      : device_(other.device_), value_(std::exchange(other.value_, T{})), destroy_(other.destroy_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(value_, other.value_);
    std::swap(destroy_, other.destroy_);
    return *this;
  }
  ~Handle() {
    if (value_ != T{}) destroy_(device_, value_, nullptr);
  }
  T get() const { return value_; }

 private:
  VkDevice device_ = VK_NULL_HANDLE;
  T value_ = {};
  Destroy destroy_ = nullptr;
};

/// `create` makes a T from `info`, `destroy` ends it; `call` is its name in errors.
template <class T, class Info>
Result<Handle<T>> make_handle(const Device& device,
                              VkResult(VKAPI_PTR* create)(VkDevice, const Info*, const VkAllocationCallbacks*, T*),
                              typename Handle<T>::Destroy destroy, std::string_view call, const Info& info) {
  T value = {};
  SAIN_RETURN_IF_ERROR(device.check(create(device.handle(), &info, nullptr, &value), call));
  return Handle<T>(device.handle(), value, destroy);
}

}  // namespace sain::engine::vulkan
