#include "engine/adapter.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/model.h"
#include "formats/gguf_text.h"

namespace sain::engine {
namespace {

using formats::GgufFile;
using formats::LoraFile;
using formats::LoraPair;
using formats::TensorInfo;

constexpr size_t kPanelRows = kernels::kGemmF32Rows;

struct Slot {
  WeightMatrix LayerWeights::*matrix;
  LowRank LayerAdapter::*pair;
};
constexpr Slot kSlots[] = {
    {&LayerWeights::q, &LayerAdapter::q},       {&LayerWeights::k, &LayerAdapter::k},
    {&LayerWeights::v, &LayerAdapter::v},       {&LayerWeights::attention_output, &LayerAdapter::attention_output},
    {&LayerWeights::gate, &LayerAdapter::gate}, {&LayerWeights::up, &LayerAdapter::up},
    {&LayerWeights::down, &LayerAdapter::down},
};

/// What is a block of several elements becomes F32: panels are made of single ones.
DType stored_type(DType dtype) {
  return dtype_info(dtype).block_size == 1 ? dtype : DType::kF32;
}

std::string hash(const LoraFile& lora, float scale) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(state.get());
  XXH3_128bits_update(state.get(), &lora.alpha, sizeof(lora.alpha));
  XXH3_128bits_update(state.get(), &scale, sizeof(scale));
  for (const TensorInfo& tensor : lora.file->tensors()) {
    XXH3_128bits_update(state.get(), tensor.name.data(), tensor.name.size());
    XXH3_128bits_update(state.get(), &tensor.dtype, sizeof(tensor.dtype));
    XXH3_128bits_update(state.get(), tensor.shape, sizeof(tensor.shape));
    XXH3_128bits_update(state.get(), tensor.data, tensor.bytes);
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

struct Target {
  const WeightMatrix* matrix;
  LowRank* pair;
};

/// By the matrix's name in an adapter's file. An output that is the embedding too has a name of its own there.
std::unordered_map<std::string_view, Target> find_targets(const Weights& weights, AdapterWeights& adapter) {
  std::unordered_map<std::string_view, Target> targets = {
      {"token_embd.weight", {&weights.token_embedding, &adapter.token_embedding}},
      {"output.weight", {&weights.output, &adapter.output}},
  };
  adapter.layers.resize(weights.layers.size());
  for (size_t l = 0; l < weights.layers.size(); ++l) {
    for (const auto& [matrix, pair] : kSlots) {
      const WeightMatrix& w = weights.layers[l].*matrix;
      targets.emplace(w.name, Target{&w, &(adapter.layers[l].*pair)});
    }
  }
  return targets;
}

/// All but the data.
LowRank shape_of(const LoraPair& pair, float scale) {
  LowRank shape;
  shape.a = {.name = {}, .dtype = stored_type(pair.a->dtype), .rows = pair.a->shape[1], .cols = pair.a->shape[0]};
  shape.b_dtype = stored_type(pair.b->dtype);
  shape.rows = pair.b->shape[1];
  shape.rank = pair.rank();
  shape.scale = scale / static_cast<float>(pair.rank());
  return shape;
}

size_t a_bytes(const LowRank& shape) {
  return shape.a.rows * row_bytes(shape.a.dtype, shape.a.cols);
}

size_t b_bytes(const LowRank& shape) {
  return (shape.rows + kPanelRows - 1) / kPanelRows * shape.panel_bytes();
}

size_t aligned(size_t bytes) {
  constexpr size_t kCacheLine = 64;
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

/// Offsets of a pair's data in the adapter's memory.
struct Place {
  const LoraPair* from;
  LowRank* to;
  size_t a, b;
};

/// Calls store(r, row) for each row of `tensor`, in its stored type. Errors: kCorrupt.
template <class F>
Status for_each_row(const GgufFile& file, const TensorInfo& tensor, F&& store) {
  const kernels::DequantizeTable dequantize = kernels::select_dequantize(kernels::detect_isa(kernels::Isa::kAuto));
  std::vector<float> floats(tensor.shape[0]);
  for (size_t r = 0; r < tensor.shape[1]; ++r) {
    const std::byte* row = tensor.data + r * row_bytes(tensor.dtype, floats.size());
    dequantize[tensor.dtype](row, floats.data(), floats.size());
    for (size_t i = 0; i < floats.size(); ++i) {
      if (std::isfinite(floats[i])) continue;
      return make_error(ErrorCode::kCorrupt, "{}: tensor {}: element {} of row {}: expected a finite number, found {}",
                        file.path().string(), tensor.name, i, r, floats[i]);
    }
    store(r, tensor.dtype == stored_type(tensor.dtype) ? row : std::as_bytes(std::span(floats)).data());
  }
  return {};
}

/// Fills the memory that `to` points at.
Status read_pair(const GgufFile& file, const LoraPair& pair, std::byte* a, std::byte* b, const LowRank& to) {
  const size_t a_bytes = row_bytes(to.a.dtype, to.a.cols), unit = row_bytes(to.b_dtype, 1);
  SAIN_RETURN_IF_ERROR(
      for_each_row(file, *pair.a, [&](size_t r, const std::byte* row) { std::memcpy(a + r * a_bytes, row, a_bytes); }));
  return for_each_row(file, *pair.b, [&](size_t r, const std::byte* row) {
    std::byte* column = b + r / kPanelRows * to.panel_bytes() + r % kPanelRows * unit;
    for (size_t i = 0; i < to.rank; ++i) std::memcpy(column + i * kPanelRows * unit, row + i * unit, unit);
  });
}

}  // namespace

Result<std::shared_ptr<const Adapter>> Adapter::load(const std::filesystem::path& path, const Model& model,
                                                     float scale) {
  try {
    SAIN_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::open(path));
    SAIN_ASSIGN_OR_RETURN(const LoraFile lora, LoraFile::from_gguf(file));
    SAIN_ASSIGN_OR_RETURN(const std::string_view architecture, model.file().metadata().string("general.architecture"));
    if (lora.architecture != architecture) {
      return make_error(ErrorCode::kUnsupported, "{}: general.architecture: expected the model's, {}, found {}",
                        path.string(), architecture, formats::quote(lora.architecture));
    }
    return create(lora, model.weights(), scale);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kResourceExhausted, "{}: not enough memory to load the adapter", path.string());
  }
}

Result<std::shared_ptr<const Adapter>> Adapter::create(const LoraFile& lora, const Weights& weights, float scale) {
  const GgufFile& file = *lora.file;
  if (!std::isfinite(scale * lora.alpha)) {
    return make_error(ErrorCode::kInvalidArgument,
                      "{}: scale: expected a number whose product with alpha {} is finite, found {}",
                      file.path().string(), lora.alpha, scale);
  }
  Adapter adapter;
  const auto targets = find_targets(weights, adapter.weights_);
  std::vector<Place> places;
  size_t bytes = 0;
  for (const LoraPair& pair : lora.pairs) {
    const auto target = targets.find(pair.base);
    if (target == targets.end()) {
      return make_error(ErrorCode::kUnsupported, "{}: tensor {}: expected the name of one of the model's matrices",
                        file.path().string(), formats::quote(pair.a->name));
    }
    const auto& [matrix, to] = target->second;
    if (pair.rows() != matrix->rows || pair.cols() != matrix->cols) {
      return make_error(
          ErrorCode::kUnsupported,
          "{}: tensors {}.lora_a and .lora_b: expected factors of the model's matrix [{}, {}], found those of [{}, {}]",
          file.path().string(), pair.base, matrix->cols, matrix->rows, pair.cols(), pair.rows());
    }
    *to = shape_of(pair, scale * lora.alpha);
    places.push_back({&pair, to, bytes, bytes + aligned(a_bytes(*to))});
    bytes = places.back().b + aligned(b_bytes(*to));
    adapter.max_rank_ = std::max(adapter.max_rank_, to->rank);
  }
  SAIN_ASSIGN_OR_RETURN(adapter.memory_, AlignedBuffer::allocate(bytes, "an adapter", Pages::kHuge));
  std::byte* memory = adapter.memory_.as<std::byte>();
  for (const Place& place : places) {
    SAIN_RETURN_IF_ERROR(read_pair(file, *place.from, memory + place.a, memory + place.b, *place.to));
    place.to->a.data = memory + place.a;
    place.to->b = memory + place.b;
  }
  adapter.id_ = hash(lora, scale);
  return std::make_shared<const Adapter>(std::move(adapter));
}

bool Adapter::fits(const Weights& weights) const {
  const auto fits = [](const LowRank& pair, const WeightMatrix& w) {
    return !pair || (pair.rows == w.rows && pair.a.cols == w.cols);
  };
  const LowRank& embedding = weights_.token_embedding;
  const bool embedding_fits = !embedding || (embedding.a.rows == weights.token_embedding.rows &&
                                             embedding.rows == weights.token_embedding.cols);
  if (!embedding_fits || !fits(weights_.output, weights.output)) return false;
  if (weights_.layers.size() != weights.layers.size()) return false;
  for (size_t l = 0; l < weights.layers.size(); ++l) {
    for (const auto& [matrix, pair] : kSlots) {
      if (!fits(weights_.layers[l].*pair, weights.layers[l].*matrix)) return false;
    }
  }
  return true;
}

}  // namespace sain::engine
