// A tiny model all of whose matrices are quantized, so that it goes the way of real ones.
#pragma once

#include <string>

#include "tests/support/random_blocks.h"
#include "tests/support/tiny_model.h"

namespace sain::testing {

/// In Q4_0; rows of the feed-forward block are longer than TinyModel's, which are no whole blocks.
inline TinyModel wide_model() {
  constexpr uint32_t kFeedForward = 64;
  TinyModel model;
  model.set("feed_forward_length", kFeedForward);
  for (uint32_t l = 0; l < TinyModel::kLayers; ++l) {
    const std::string layer = "blk." + std::to_string(l) + ".";
    model.add_matrix(layer + "ffn_gate.weight", kFeedForward, TinyModel::kModel);
    model.add_matrix(layer + "ffn_up.weight", kFeedForward, TinyModel::kModel);
    model.add_matrix(layer + "ffn_down.weight", TinyModel::kModel, kFeedForward);
  }
  for (auto& [name, tensor] : model.tensors) {
    if (tensor.shape.size() != 2) continue;
    tensor.dtype = DType::kQ4_0;
    tensor.data = random_blocks(DType::kQ4_0, tensor.shape[0] * tensor.shape[1], 3);
  }
  return model;
}

}  // namespace sain::testing
