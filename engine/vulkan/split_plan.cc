#include "engine/vulkan/split_plan.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace sain::engine::vulkan {
namespace {

/// Activations of the largest batch of a model of some 10 B parameters, logits, and what drivers take beside.
constexpr uint64_t kStageBytes = uint64_t{160} << 20;

struct Place {
  size_t device;
  uint64_t free_bytes;
};

/// The layers from `first` on, and the embedding if the devices `take_tokens`: of each device a share as large as its
/// part of the free bytes, or, where that does not come out even, as much as it holds. Nothing where all is too little.
std::optional<std::vector<SplitPart>> place_from(uint32_t first, bool take_tokens, bool evenly, const SplitNeeds& needs,
                                                 std::span<const Place> places) {
  const auto n_layers = static_cast<uint32_t>(needs.layers.size());
  const bool has_own_embedding = take_tokens && !(needs.is_tied && places.size() == 1);
  const uint64_t embedding = has_own_embedding ? needs.embedding : 0;
  const auto sum =
      static_cast<double>(std::accumulate(needs.layers.begin() + first, needs.layers.end(), embedding + needs.output));
  double all_free = 0;
  for (const Place& place : places) all_free += static_cast<double>(place.free_bytes);
  std::vector<SplitPart> parts;
  uint32_t next = first;
  for (const Place& place : places) {
    const bool is_last = &place == &places.back();
    const uint32_t begin = next;
    const double share = sum * static_cast<double>(place.free_bytes) / all_free;
    uint64_t used = begin == first ? embedding : 0;
    const uint64_t beside = needs.stage + (is_last ? needs.output : 0);
    // A layer goes where the greater part of it belongs, and the last one to the output.
    while (next < n_layers && beside + used + needs.layers[next] <= place.free_bytes) {
      const bool is_enough = evenly && static_cast<double>(used) + static_cast<double>(needs.layers[next]) / 2 > share;
      if (!is_last && (is_enough || next + 1 == n_layers)) break;
      used += needs.layers[next++];
    }
    if (next > begin) parts.push_back({place.device, {begin, next, take_tokens && begin == first, next == n_layers}});
  }
  if (next < n_layers || parts.empty()) return {};
  return parts;
}

/// Those that can hold any part.
std::vector<Place> places_for(const SplitNeeds& needs, std::span<const uint64_t> free_bytes) {
  const uint64_t least = needs.stage + needs.output + std::ranges::max(needs.layers);
  std::vector<Place> places;
  for (size_t device = 0; device < free_bytes.size(); ++device) {
    if (free_bytes[device] >= least) places.push_back({device, free_bytes[device]});
  }
  return places;
}

}  // namespace

SplitNeeds split_needs(const Model& model, uint32_t context_length) {
  const ModelConfig& config = model.config();
  const uint64_t kv_bytes = uint64_t{context_length} * config.n_kv_heads * config.head_dim * 2 * sizeof(uint16_t);
  const auto bytes = [&](const ModelPart& part) {
    return part_bytes(model.weights(), part) - part_bytes(model.weights(), {});
  };
  SplitNeeds needs = {.embedding = bytes({.takes_tokens = true}),
                      .output = bytes({.gives_logits = true}),
                      .stage = kStageBytes + part_bytes(model.weights(), {})};
  needs.is_tied = bytes({.takes_tokens = true, .gives_logits = true}) == needs.output;
  for (uint32_t layer = 0; layer < config.n_layers; ++layer) {
    needs.layers.push_back(bytes({.begin = layer, .end = layer + 1}) + kv_bytes);
  }
  return needs;
}

std::vector<SplitPart> plan_split(const SplitNeeds& needs, std::span<const uint64_t> free_bytes, uint32_t most_layers) {
  const std::vector<Place> places = places_for(needs, free_bytes);
  const auto n_layers = static_cast<uint32_t>(needs.layers.size());
  const uint32_t least_first = n_layers - std::min(n_layers, most_layers);
  for (uint32_t first = least_first; first < n_layers && !places.empty(); ++first) {
    for (const bool take_tokens : {true, false}) {
      for (const bool evenly : {true, false}) {
        if (take_tokens && first > 0) continue;
        if (auto parts = place_from(first, take_tokens, evenly, needs, places)) return *std::move(parts);
      }
    }
  }
  return {};
}

}  // namespace sain::engine::vulkan
