// Where a model can be computed: the processor, and GPUs that Vulkan finds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sain::engine {

struct DeviceDescription {
  std::string id;      // as --device spells it: "cpu", "vulkan:0"
  std::string name;    // of the hardware
  std::string type;    // "cpu", "discrete", "integrated", "virtual" or "other"
  std::string driver;  // its name and version, or the kernels' instruction set
  uint64_t memory_bytes = 0;
  uint64_t available_bytes = 0;                // of them, what a program can have now
  std::vector<std::string> capabilities = {};  // what shaders are chosen by
};

struct DeviceList {
  std::vector<DeviceDescription> devices;  // the processor first
  std::string note;                        // why there is no GPU; empty where there is one
};

/// Never fails: a machine on which Vulkan does not work has a processor still.
DeviceList list_devices();

}  // namespace sain::engine
