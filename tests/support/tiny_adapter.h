// A LoRA adapter that a test makes, and what a TinyModel becomes when it is merged into its weights.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "formats/lora.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/half.h"
#include "tests/support/random_floats.h"
#include "tests/support/tiny_model.h"

namespace sain::testing {

struct TinyAdapter {
  struct Tensor {
    std::vector<uint64_t> shape;
    std::vector<float> values;
  };

  formats::GgufWriter metadata;           // set() and remove() what a test is about
  std::map<std::string, Tensor> tensors;  // by name, in the order of the file
  float alpha;
  uint64_t seed;

  explicit TinyAdapter(std::string_view architecture = "llama", uint64_t random_seed = 1, float lora_alpha = 6)
      : alpha(lora_alpha), seed(random_seed) {
    metadata.set("general.type", "adapter");
    metadata.set("general.architecture", architecture);
    metadata.set("adapter.type", "lora");
    metadata.set("adapter.lora.alpha", alpha);
  }

  /// For a matrix of a TinyModel: what is added is about as large as what is there. Numbers are whole 1/256, which no
  /// float type rounds. An output that is the embedding too goes by the name output.weight.
  void add(const TinyModel& model, const std::string& base, uint64_t rank) {
    const bool is_tied = base == "output.weight" && !model.tensors.contains(base);
    const std::vector<uint64_t>& shape = model.tensors.at(is_tied ? "token_embd.weight" : base).shape;
    const bool is_embedding = base == "token_embd.weight";
    const float spread = 1 / std::sqrt(alpha);
    put(base + ".lora_a", is_embedding ? rank : shape[0], is_embedding ? shape[1] : rank,
        spread / std::sqrt(static_cast<float>(shape[0])));
    put(base + ".lora_b", rank, is_embedding ? shape[0] : shape[1], spread * std::sqrt(static_cast<float>(rank)));
  }

  /// The seven matrices of every layer.
  void add_layers(const TinyModel& model, uint64_t rank) {
    for (const auto& [name, tensor] : model.tensors) {
      if (name.starts_with("blk.") && tensor.shape.size() == 2) add(model, name, rank);
    }
  }

  /// Adds scale * alpha / rank * B A to the matrices.
  void merge_into(TinyModel& model, double scale = 1) const {
    const TinyModel base = model;
    for (const auto& [name, a] : tensors) {
      if (!name.ends_with(".lora_a")) continue;
      const std::string matrix = name.substr(0, name.size() - 7);
      if (!model.tensors.contains("output.weight")) {  // each part gets its own
        model.tensors["output.weight"] = base.tensors.at("token_embd.weight");
      }
      const Tensor& b = tensors.at(matrix + ".lora_b");
      const bool is_embedding = matrix == "token_embd.weight";
      const uint64_t rank = b.shape[0], cols = is_embedding ? b.shape[1] : a.shape[0];
      const uint64_t rows = is_embedding ? a.shape[1] : b.shape[1];
      for (uint64_t r = 0; r < rows; ++r) {
        for (uint64_t c = 0; c < cols; ++c) {
          double sum = 0;
          for (uint64_t i = 0; i < rank; ++i) {
            const float of_a = is_embedding ? a.values[r * rank + i] : a.values[i * cols + c];
            const float of_b = is_embedding ? b.values[c * rank + i] : b.values[r * rank + i];
            sum += double{of_a} * double{of_b};
          }
          float& w = model.at(matrix, r * cols + c);
          w = static_cast<float>(double{w} + scale * double{alpha} / static_cast<double>(rank) * sum);
        }
      }
    }
  }

  std::filesystem::path write(const std::filesystem::path& path, DType dtype = DType::kF32) const {
    auto result = writer(dtype).write(path);
    EXPECT_TRUE(result) << result.error().message;
    return *std::move(result);
  }
  std::string bytes() const {
    auto result = writer(DType::kF32).to_bytes();
    EXPECT_TRUE(result) << result.error().message;
    return *std::move(result);
  }

  void put(const std::string& name, uint64_t cols, uint64_t rows, float spread) {
    std::vector<float> values = random_floats(rows * cols, seed * 1000 + tensors.size(), spread);
    for (float& x : values) x = std::round(x * 256) / 256;
    for (float& x : values) x = kernels::bf16_to_float(kernels::float_to_bf16(x));
    tensors[name] = {{cols, rows}, std::move(values)};
  }

 private:
  /// `dtype`: F32, F16 or BF16.
  formats::GgufWriter writer(DType dtype) const {
    formats::GgufWriter out = metadata;
    for (const auto& [name, tensor] : tensors) {
      std::vector<std::byte> data;
      for (const float x : tensor.values) {
        const uint32_t bits = dtype == DType::kF16    ? kernels::float_to_half(x)
                              : dtype == DType::kBF16 ? kernels::float_to_bf16(x)
                                                      : kernels::bits_of_float(x);
        const auto* bytes = reinterpret_cast<const std::byte*>(&bits);
        data.insert(data.end(), bytes, bytes + row_bytes(dtype, 1));
      }
      out.add_tensor(name, dtype, tensor.shape, std::move(data));
    }
    return out;
  }
};

}  // namespace sain::testing
