// Vulkan devices for sessions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/accelerator.h"
#include "engine/vulkan/device.h"

namespace sain::engine::vulkan {

/// Those of Instance::devices(), at least one. What their drivers make of the shaders is kept in the cache folder.
/// `limits`, and `memory_bytes` of each that are used at most, are for tests. Errors: kNotFound, kUnsupported, what
/// Vulkan says.
Result<std::shared_ptr<Accelerator>> open_accelerator(std::span<const size_t> devices, AcceleratorOptions options,
                                                      Limits limits = Limits::kOwn, uint64_t memory_bytes = UINT64_MAX);

}  // namespace sain::engine::vulkan
