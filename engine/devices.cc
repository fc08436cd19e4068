#include "engine/devices.h"

#include <fmt/format.h>

#include <fstream>
#include <string_view>
#include <utility>

#include "engine/tuning_file.h"
#include "kernels/isa.h"

#ifdef SAIN_HAVE_VULKAN
#include "engine/vulkan/device.h"
#endif

namespace sain::engine {
namespace {

/// A line of /proc/meminfo in bytes; 0 where there is none.
uint64_t meminfo_bytes(std::string_view wanted) {
  std::ifstream file("/proc/meminfo");
  for (std::string key, rest; file >> key; std::getline(file, rest)) {
    uint64_t kib = 0;
    if (key == wanted && file >> kib) return kib * 1024;
  }
  return 0;
}

DeviceDescription describe_processor() {
  return {.id = "cpu",
          .name = identify_machine().cpu,
          .type = "cpu",
          .driver = kernels::isa_name(kernels::detect_isa()),
          .memory_bytes = meminfo_bytes("MemTotal:"),
          .available_bytes = meminfo_bytes("MemAvailable:")};
}

#ifdef SAIN_HAVE_VULKAN
std::vector<std::string> names_of(const vulkan::Capabilities& capabilities) {
  std::vector<std::string> names;
  for (const auto& [has, name] : std::initializer_list<std::pair<bool, const char*>>{
           {capabilities.subgroups, "subgroups"},
           {capabilities.fp16, "fp16"},
           {capabilities.storage_8bit, "8-bit storage"},
           {capabilities.integer_dot_product, "integer dot product"},
           {capabilities.cooperative_matrix, "cooperative matrix"},
           {capabilities.buffer_device_address, "buffer device address"},
           {capabilities.memory_budget, "memory budget"},
           {capabilities.timestamps, "timestamps"}}) {
    if (has) names.push_back(name);
  }
  return names;
}

Result<std::vector<DeviceDescription>> describe_gpus() {
  std::vector<DeviceDescription> devices;
  SAIN_ASSIGN_OR_RETURN(const auto instance, vulkan::Instance::create());
  SAIN_ASSIGN_OR_RETURN(const std::vector<vulkan::DeviceInfo> infos, instance->devices());
  for (const vulkan::DeviceInfo& info : infos) {
    devices.push_back({.id = fmt::format("vulkan:{}", devices.size()),
                       .name = info.name,
                       .type = std::string(vulkan::to_string(info.type)),
                       .driver = info.driver,
                       .memory_bytes = info.memory_bytes,
                       .available_bytes = info.budget_bytes,
                       .capabilities = names_of(info.capabilities)});
  }
  if (devices.empty()) return make_error(ErrorCode::kNotFound, "vulkan: this machine has no driver for a device");
  return devices;
}
#else
Result<std::vector<DeviceDescription>> describe_gpus() {
  return make_error(ErrorCode::kUnsupported, "vulkan: this program was built without it (SAIN_VULKAN)");
}
#endif

}  // namespace

DeviceList list_devices() {
  DeviceList list = {{describe_processor()}, {}};
  Result<std::vector<DeviceDescription>> gpus = describe_gpus();
  if (!gpus) {
    list.note = gpus.error().message;
    return list;
  }
  for (DeviceDescription& gpu : *gpus) list.devices.push_back(std::move(gpu));
  return list;
}

}  // namespace sain::engine
