// Which device gets which part of a model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/vulkan/weights.h"

namespace sain::engine::vulkan {

/// What a model takes of a device, in bytes.
struct SplitNeeds {
  uint64_t embedding = 0;
  bool is_tied = false;               // the output is the embedding: who has both has it once
  std::vector<uint64_t> layers = {};  // each with its share of a conversation's cache
  uint64_t output = 0;
  uint64_t stage = 0;  // of each device that has any: activations, and what is not counted above
};

/// Of a model, with a conversation of `context_length` tokens at most.
SplitNeeds split_needs(const Model& model, uint32_t context_length);

/// A part of the model and the device that it is for.
struct SplitPart {
  size_t device = 0;
  ModelPart part;
};

/// The parts in their order, for devices with so many free bytes, in proportion to these; the layers before the first
/// part, and the embedding where that part does not take tokens, are for the CPU: as few as can be, but all that are
/// more than `most_layers`. Empty where nothing fits.
std::vector<SplitPart> plan_split(const SplitNeeds& needs, std::span<const uint64_t> free_bytes, uint32_t most_layers);

}  // namespace sain::engine::vulkan
