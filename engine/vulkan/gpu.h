// An open device and what all models on it share.
#pragma once

#include <memory>
#include <mutex>

#include "engine/vulkan/device.h"
#include "engine/vulkan/pipeline.h"

namespace sain::engine::vulkan {

/// Sessions take turns with `mutex`; loads go on beside them.
struct Gpu {
  std::unique_ptr<Instance> instance;
  std::unique_ptr<Device> device;
  std::unique_ptr<Pipelines> pipelines;
  std::mutex mutex;
};

}  // namespace sain::engine::vulkan
