// Any bytes as a LoRA adapter: an Error that names the file, or an adapter that fits the model.
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/adapter.h"
#include "formats/gguf.h"
#include "formats/lora.h"

namespace {

using namespace sain;
using namespace sain::engine;

/// What corpus/adapter/valid.gguf is for: no data, which adapters do not look at.
Weights shapes() {
  const auto matrix = [](std::string_view name, size_t rows, size_t cols) {
    return WeightMatrix{.name = name, .rows = rows, .cols = cols};
  };
  Weights weights;
  weights.token_embedding = matrix("token_embd.weight", 10, 8);
  weights.output = weights.token_embedding;
  weights.layers.resize(1);
  LayerWeights& layer = weights.layers[0];
  layer.q = matrix("blk.0.attn_q.weight", 8, 8);
  layer.k = matrix("blk.0.attn_k.weight", 4, 8);
  layer.v = matrix("blk.0.attn_v.weight", 4, 8);
  layer.attention_output = matrix("blk.0.attn_output.weight", 8, 8);
  layer.gate = matrix("blk.0.ffn_gate.weight", 32, 8);
  layer.up = matrix("blk.0.ffn_up.weight", 32, 8);
  layer.down = matrix("blk.0.ffn_down.weight", 8, 32);
  return weights;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Weights weights = shapes();
  const auto file = formats::GgufFile::parse(std::as_bytes(std::span(data, size)), "fuzz.gguf");
  if (!file) return 0;
  const auto lora = formats::LoraFile::from_gguf(*file);
  if (!lora) {
    SAIN_CHECK(lora.error().message.starts_with("fuzz.gguf: "));
    return 0;
  }
  const auto adapter = Adapter::create(*lora, weights);
  if (!adapter) {
    SAIN_CHECK(adapter.error().message.starts_with("fuzz.gguf: "));
    return 0;
  }
  SAIN_CHECK((*adapter)->fits(weights));
  SAIN_CHECK((*adapter)->bytes() != 0 && (*adapter)->max_rank() != 0);
  return 0;
}
