// A model in parts: on several devices, or partly on the CPU.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/accelerator.h"
#include "engine/vulkan/gpu.h"
#include "engine/vulkan/weights.h"

namespace sain::engine::vulkan {

/// A part's weights on their device. The parts of a model follow each other; the last one gives logits, and what is
/// before the first is the CPU's.
struct PlacedPart {
  std::shared_ptr<Gpu> gpu;
  DeviceWeights weights;
};

std::shared_ptr<const DeviceModel> make_split_model(std::vector<PlacedPart> parts,
                                                    std::function<void(const std::string&)> warn);

}  // namespace sain::engine::vulkan
