#include "tools/make_model/adapter_file.h"

#include <cmath>
#include <span>
#include <string>

#include "tools/make_model/random_row.h"

namespace sain::tools {

formats::GgufWriter synthetic_adapter(const formats::GgufFile& base, uint32_t rank, DType dtype, uint64_t seed) {
  constexpr float kChange = 0.1f;
  formats::GgufWriter writer;
  if (const auto* architecture = base.metadata().find("general.architecture")) {
    writer.set("general.architecture", *architecture);
  }
  writer.set("general.type", "adapter");
  writer.set("general.name", fmt::format("synthetic adapter of rank {}, seed {}", rank, seed));
  writer.set("adapter.type", "lora");
  writer.set("adapter.lora.alpha", static_cast<float>(rank));
  uint64_t n_tensors = 0;
  const auto add = [&](const std::string& name, uint64_t rows, uint64_t cols, float deviation) {
    writer.add_tensor(
        name, dtype, {cols, rows},
        [=, tensor = n_tensors++, bytes = row_bytes(dtype, cols)](uint64_t first, std::span<std::byte> out) {
          for (size_t r = 0; r * bytes < out.size(); ++r) {
            fill_random_row(dtype, deviation, row_seed(seed, tensor, first + r), out.subspan(r * bytes, bytes));
          }
        });
  };
  for (const formats::TensorInfo& tensor : base.tensors()) {
    if (!tensor.name.starts_with("blk.") || tensor.n_dims != 2) continue;
    const float cols = static_cast<float>(tensor.shape[0]);
    add(std::string(tensor.name) + ".lora_a", rank, tensor.shape[0], 1 / std::sqrt(cols));
    add(std::string(tensor.name) + ".lora_b", tensor.shape[1], rank, kChange / std::sqrt(static_cast<float>(rank)));
  }
  return writer;
}

}  // namespace sain::tools
