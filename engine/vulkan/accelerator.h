// A Vulkan device for sessions.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "engine/accelerator.h"
#include "engine/vulkan/device.h"

namespace sain::engine::vulkan {

/// The `index`-th of Instance::devices(). What its driver makes of the shaders is kept in the cache folder. `limits` is
/// for tests. Errors: kNotFound, kUnsupported, what Vulkan says.
Result<std::shared_ptr<Accelerator>> open_accelerator(size_t index, std::function<void(const std::string&)> warn,
                                                      Limits limits = Limits::kOwn);

}  // namespace sain::engine::vulkan
