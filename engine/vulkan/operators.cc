#include "engine/vulkan/operators.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <numbers>
#include <string>

namespace sain::engine::vulkan {
namespace {

/// The name of a shader for weights of a type: product_q4_k.
std::string for_type(std::string_view shader, DType dtype) {
  std::string name = fmt::format("{}_{}", shader, dtype_info(dtype).name);
  for (char& c : name) c = static_cast<char>(std::tolower(c));
  return name;
}

/// f16 of a cached row.
uint32_t padded_head(uint32_t head_dim) {
  return (head_dim + 7) / 8 * 8;
}

uint32_t divide_up(uint32_t a, uint32_t b) {
  return (a + b - 1) / b;
}

}  // namespace

uint64_t kv_cache_bytes(uint32_t n_kv_heads, uint32_t n_slots, uint32_t head_dim) {
  return uint64_t{n_kv_heads} * 2 * n_slots * padded_head(head_dim) * sizeof(uint16_t);
}

std::vector<uint32_t> rope_frequencies(std::span<const double> radians) {
  std::vector<uint32_t> halves;
  for (double angle : radians) {
    const double turns = angle / (2 * std::numbers::pi);
    const uint64_t fraction = static_cast<uint64_t>(std::ldexp(turns - std::floor(turns), 64));
    halves.push_back(static_cast<uint32_t>(fraction >> 32));
    halves.push_back(static_cast<uint32_t>(fraction));
  }
  return halves;
}

Status Operators::product(CommandList& list, const Product& args) {
  const DeviceMatrix& w = *args.w;
  const uint32_t size = workgroup(uint64_t{divide_up(w.cols, 32)} * 16);
  const uint32_t tokens = std::min(std::bit_ceil(args.n_tokens), 8u);
  for (const DeviceMatrix::Piece& piece : w.pieces) {
    const shaders::ProductParameters parameters = {
        .cols = w.cols,
        .rows = piece.n_rows,
        .x_stride = w.cols,
        .y_stride = args.y_stride,
        .y_offset = args.y_offset + piece.first_row,
        .n_tokens = args.n_tokens,
        .epsilon = args.epsilon,
        .soft_cap = args.soft_cap,
    };
    SAIN_RETURN_IF_ERROR(
        dispatch(list, for_type("product", w.dtype),
                 {size, tokens, args.norm ? 1u : 0u, args.bias ? 1u : 0u, static_cast<uint32_t>(args.result),
                  args.activation == Activation::kSilu ? shaders::kSilu : shaders::kGelu},
                 {piece.slice, args.x, args.y, args.norm ? args.norm : args.x, args.bias ? args.bias : args.x},
                 parameters, {divide_up(piece.n_rows, shaders::kGroupRows), divide_up(args.n_tokens, tokens)}));
  }
  return {};
}

bool Operators::can_matrix() const {
  constexpr uint32_t kSubgroup = 32, kSize = 256,
                     kShared = 48 << 10;  // of product_matrix.comp and attention_matrix.comp
  const Capabilities& can = device_->capabilities();
  return can.cooperative_matrix && can.subgroup_size == kSubgroup && can.max_workgroup >= kSize &&
         can.shared_bytes >= kShared && pipelines_->has("attention_matrix");
}

Status Operators::product_matrix(CommandList& list, const Product& args, bool has_halves) {
  const DeviceMatrix& w = *args.w;
  constexpr uint32_t kSize = 256, kRows = 128;  // of a workgroup
  constexpr uint32_t kManyGroups = 96;          // enough for large GPUs: rather more reuse than more of them
  const uint32_t interleaved = args.result == Product::Result::kGated ? 2 : 1;
  for (const DeviceMatrix::Piece& piece : w.pieces) {
    const uint32_t row_groups = divide_up(piece.n_rows * interleaved, kRows);
    const uint32_t tokens = row_groups * divide_up(args.n_tokens, 128) >= kManyGroups ? 4 : 2;
    const shaders::ProductParameters parameters = {.cols = w.cols,
                                                   .rows = piece.n_rows,
                                                   .x_stride = w.cols,
                                                   .y_stride = args.y_stride,
                                                   .y_offset = args.y_offset + piece.first_row,
                                                   .n_tokens = args.n_tokens,
                                                   .epsilon = 0,
                                                   .soft_cap = 0};
    SAIN_RETURN_IF_ERROR(dispatch(list, for_type("product", w.dtype) + "_matrix",
                                  {kSize, tokens, static_cast<uint32_t>(args.result),
                                   args.activation == Activation::kSilu ? shaders::kSilu : shaders::kGelu,
                                   has_halves ? 1u : 0u, args.bias ? 1u : 0u},
                                  {piece.slice, args.x, args.y, args.bias ? args.bias : args.x}, parameters,
                                  {row_groups, divide_up(args.n_tokens, 32 * tokens)}));
  }
  return {};
}

Status Operators::halve(CommandList& list, const Slice& x, uint32_t n, const Slice& y) {
  const uint32_t size = workgroup(n / 4);
  return dispatch(list, "halves", {size}, {x, y}, shaders::QuantizeParameters{.n = n}, {divide_up(n / 4, size)});
}

Status Operators::vector_product(CommandList& list, const VectorProduct& args) {
  const DeviceMatrix& w = *args.w;
  for (const DeviceMatrix::Piece& piece : w.pieces) {
    const uint32_t n_groups = divide_up(piece.n_rows, shaders::kGroupRows);
    // Where few workgroups have to keep all of a GPU busy, they are large.
    const uint32_t size = workgroup(uint64_t{w.cols} / 2, n_groups >= kManyVectorGroups ? 256 : 512);
    const shaders::VectorProductParameters parameters = {.rows = piece.n_rows,
                                                         .first_row = piece.first_row,
                                                         .y_offset = args.y_offset + piece.first_row,
                                                         .epsilon = args.epsilon,
                                                         .soft_cap = args.soft_cap};
    SAIN_RETURN_IF_ERROR(
        dispatch(list, for_type("vector_product", w.dtype) + "_int8",
                 {size, w.cols, args.is_normed ? 1u : 0u, args.bias ? 1u : 0u, static_cast<uint32_t>(args.result),
                  args.activation == Activation::kSilu ? shaders::kSilu : shaders::kGelu, args.next ? 1u : 0u,
                  args.next_weight ? 1u : 0u},
                 {piece.slice, args.x, args.y ? args.y : args.next, args.bias ? args.bias : args.x,
                  args.next_weight ? args.next_weight : args.x, args.next ? args.next : args.y},
                 parameters, {n_groups}));
  }
  return {};
}

Status Operators::quantize(CommandList& list, const Slice& x, uint32_t n, const Slice& weight, const Slice& quantized) {
  const uint32_t size = workgroup(n / 4);
  return dispatch(list, "quantize_int8", {size, weight ? 1u : 0u}, {x, weight ? weight : x, quantized},
                  shaders::QuantizeParameters{.n = n}, {divide_up(n / 4, size)});
}

Status Operators::rms_norm(CommandList& list, const Norm& args) {
  const shaders::NormParameters parameters = {.n = args.n, .epsilon = args.epsilon};
  return dispatch(
      list, "rms_norm",
      {workgroup(args.n), args.result == Norm::Result::kAdd ? 1u : 0u, args.result == Norm::Result::kHalves ? 1u : 0u},
      {args.x, args.weight, args.y}, parameters, {args.n_tokens});
}

Status Operators::embed(CommandList& list, const DeviceMatrix& embedding, float scale, const Slice& tokens,
                        uint32_t n_tokens, const Slice& x) {
  const uint32_t size = workgroup(64);
  for (const DeviceMatrix::Piece& piece : embedding.pieces) {
    const shaders::EmbedParameters parameters = {.cols = embedding.cols,
                                                 .first_row = piece.first_row,
                                                 .rows = piece.n_rows,
                                                 .n_tokens = n_tokens,
                                                 .scale = scale};
    SAIN_RETURN_IF_ERROR(dispatch(list, for_type("embed", embedding.dtype), {size}, {piece.slice, tokens, x},
                                  parameters, {divide_up(embedding.cols, 8 * size), n_tokens}));
  }
  return {};
}

Status Operators::rope(CommandList& list, const Attention& args) {
  const shaders::AttentionParameters& p = args.parameters;
  return dispatch(list, "rope",
                  {workgroup(64), args.head_dim, args.layout == RopeLayout::kAdjacent ? 1u : 0u,
                   args.head_norms ? 1u : 0u, p.n_sinks != 0 ? 1u : 0u},
                  {args.state, args.qkv, args.q, args.frequencies, args.cache,
                   args.head_norms ? args.head_norms : args.frequencies},
                  p, {p.n_heads + 2 * p.n_kv_heads, p.n_tokens});
}

Status Operators::attention(CommandList& list, const Attention& args) {
  const shaders::AttentionParameters& p = args.parameters;
  const uint32_t row = padded_head(args.head_dim), group = p.n_heads / p.n_kv_heads;
  const uint32_t size = std::max(64u, std::bit_ceil(row / 2));
  // As many heads as share what is read of the cache and fit into shared memory.
  constexpr uint32_t kMostHeads = 8, kShared = 16 << 10;
  const auto fits = [&](uint32_t heads) {
    return 4 * (heads * (row * (p.n_sinks != 0 ? 2 : 1) + size) + 4 * size) <= kShared;
  };
  if (size > device_->capabilities().max_workgroup || !fits(1)) {
    return make_error(ErrorCode::kUnsupported, "vulkan: {}: heads of {} elements are too large", device_->info().name,
                      args.head_dim);
  }
  uint32_t heads = std::min(group, kMostHeads);
  while (group % heads != 0 || !fits(heads)) --heads;
  const Slice& out = args.n_splits == 1 ? args.out : args.parts;
  SAIN_RETURN_IF_ERROR(
      dispatch(list, "attention", {size, args.head_dim, heads, args.n_splits, p.n_sinks != 0 ? 1u : 0u},
               {args.state, args.q, args.cache, out}, p, {p.n_heads / heads, p.n_tokens, args.n_splits}));
  if (args.n_splits == 1) return {};
  list.barrier();
  return dispatch(list, "attention_merge", {workgroup(64), args.head_dim, args.n_splits}, {args.parts, args.out}, p,
                  {p.n_heads, p.n_tokens});
}

Status Operators::attention_matrix(CommandList& list, const Attention& args) {
  constexpr uint32_t kLargeHead = 128;  // beyond, fewer tokens fit into shared memory
  const uint32_t size = args.head_dim > kLargeHead ? 64 : 128, n_tokens = size / 2;
  const shaders::AttentionParameters& p = args.parameters;
  return dispatch(list, "attention_matrix", {size, args.head_dim}, {args.state, args.q, args.cache, args.out}, p,
                  {p.n_heads, divide_up(p.n_tokens, n_tokens)});
}

Status Operators::attention_int8(CommandList& list, const Attention& args) {
  const shaders::AttentionParameters& p = args.parameters;
  const uint32_t row = padded_head(args.head_dim), group = p.n_heads / p.n_kv_heads, sets = p.n_sinks != 0 ? 2 : 1;
  const uint32_t lanes = std::min(std::bit_ceil(row / 8), std::bit_floor(device_->capabilities().subgroup_size));
  uint32_t size = workgroup(kAttentionSize);
  constexpr uint32_t kMostHeads = 8, kShared = 16 << 10;
  const auto fits = [&](uint32_t heads) {
    return 4 * (heads * (row * sets + size + 3) + row * size / lanes + 2 * args.n_splits + 1) <= kShared;
  };
  while (!fits(1) && size > row / 4) size /= 2;
  // Heads that share what is read of the cache are worth their longer way only where that is much.
  constexpr uint32_t kManySlots = 8192;
  uint32_t heads = p.n_slots > kManySlots ? std::min(group, kMostHeads) : 1;
  while (heads > 1 && (group % heads != 0 || !fits(heads))) --heads;
  return dispatch(list, "attention_int8", {size, args.head_dim, heads, args.n_splits, p.n_sinks != 0 ? 1u : 0u, lanes},
                  {args.state, args.q, args.cache, args.parts, args.counts, args.quantized}, p,
                  {p.n_heads / heads, 1, args.n_splits});
}

/// Of a head's positions: as many as there are workgroups for, and as a subgroup brings together.
uint32_t Operators::layer_splits(const Layers& args) const {
  const Capabilities& can = device_->capabilities();
  return std::clamp(can.cores / args.n_heads, 1u, std::min(can.subgroup_size / 4, 8u));
}

uint32_t Operators::layer_words(const Layers& args) const {
  constexpr uint32_t kAlignment = 64;  // of a binding, in words
  const uint32_t q_dim = args.n_heads * args.head_dim, kv_dim = args.n_kv_heads * args.head_dim;
  const uint64_t words = (2 * quantized_bytes(args.d_model) + quantized_bytes(args.d_ff)) / 4 + q_dim + 2 * kv_dim +
                         args.n_heads * layer_splits(args) * (args.head_dim / 2 + 4);
  return divide_up(static_cast<uint32_t>(words), kAlignment) * kAlignment;
}

uint64_t Operators::exchange_bytes(const Layers& args) const {
  return uint64_t{layer_words(args)} * 4 * args.n_layers + quantized_bytes(args.d_model);
}

std::optional<Operators::LayersShape> Operators::layers_shape(const Layers& args) const {
  const Capabilities& can = device_->capabilities();
  if (!can.int8() || !can.buffer_device_address || can.cores == 0 || args.head_dim > 8 * can.subgroup_size) return {};
  constexpr uint32_t kSize = 512, kShared = 48 << 10;
  LayersShape shape = {};
  // One core: as little as can be waited for, and a pair of groups has a subgroup each.
  shape.size = can.cores == 1 ? workgroup(2 * can.subgroup_size) : workgroup(kSize, kSize);
  shape.n_crews = can.cores == 1 ? 1 : 2;
  shape.n_subgroups = divide_up(shape.size, can.subgroup_size);
  shape.lanes = std::min(std::bit_ceil(args.head_dim / 8), std::bit_floor(can.subgroup_size));
  // The groups that are summed up at once take what the others leave of shared memory.
  const uint32_t longest = std::max({args.d_model, args.d_ff, args.n_heads * args.head_dim});
  const uint64_t others = args.n_layers * shaders::kTensors * sizeof(VkDeviceAddress) + quantized_bytes(longest) +
                          divide_up(args.d_model / shaders::kGroupRows, can.cores) * shaders::kGroupRows * 4 +
                          args.head_dim * 4 * (1 + shape.n_subgroups) + shape.n_subgroups * 12;
  const uint64_t shared = std::min(can.shared_bytes, kShared);
  const uint32_t group_bytes = shape.n_subgroups / shape.n_crews * shaders::kGroupRows * 4;
  if (others + 2 * group_bytes > shared) return {};
  const uint64_t wanted = 2 * divide_up(args.d_ff / shaders::kGroupRows, can.cores);
  shape.n_groups =
      static_cast<uint32_t>(std::min<uint64_t>({wanted, (shared - others) / group_bytes / 2 * 2, shape.n_subgroups}));
  return shape;
}

Status Operators::layers(CommandList& list, const Layers& args) {
  const std::optional<LayersShape> shape = layers_shape(args);
  SAIN_CHECK(shape);
  const uint32_t n_workgroups = device_->capabilities().cores;
  shaders::LayersParameters parameters = args.parameters;
  parameters.layer_words = layer_words(args);
  return dispatch(list, for_type("layers", args.dtype) + "_int8",
                  {shape->size, args.d_model, args.d_ff, args.n_heads, args.n_kv_heads, args.head_dim,
                   layer_splits(args), args.activation == Activation::kSilu ? shaders::kSilu : shaders::kGelu,
                   args.layout == RopeLayout::kAdjacent ? 1u : 0u, args.has_head_norms ? 1u : 0u, n_workgroups,
                   shape->n_groups, shape->lanes, shape->n_subgroups, shape->n_crews, args.n_layers},
                  {args.state, args.addresses, args.exchange, args.x, args.frequencies}, parameters, {n_workgroups});
}

Status Operators::argmax(CommandList& list, const Slice& values, uint32_t n, uint32_t n_tokens, const Slice& pairs,
                         const Slice& tokens, const Slice& state) {
  const uint32_t size = workgroup(256), n_groups = std::min(kArgmaxGroups, divide_up(n, size));
  SAIN_RETURN_IF_ERROR(dispatch(list, "argmax", {size, 0}, {values, pairs, tokens, state},
                                shaders::ArgmaxParameters{.n = n, .n_tokens = n_tokens}, {n_groups}));
  list.barrier();
  return dispatch(list, "argmax", {size, 1}, {values, pairs, tokens, state},
                  shaders::ArgmaxParameters{.n = n_groups, .n_tokens = n_tokens}, {1});
}

Status Operators::sample_top_k(CommandList& list, const Sample& args) {
  return sample(list, "sample_top_k", 2, args);
}

Status Operators::sample_all(CommandList& list, const Sample& args) {
  return sample(list, "sample_all", 3, args);
}

/// In n_stages dispatches, the last one of one workgroup.
Status Operators::sample(CommandList& list, std::string_view shader, uint32_t n_stages, const Sample& args) {
  const uint32_t size = workgroup(256), n_groups = std::min(kSampleGroups, divide_up(args.n, size));
  const shaders::SampleParameters parameters = {.n = args.n, .n_groups = n_groups, .n_tokens = args.n_tokens};
  for (uint32_t stage = 0; stage < n_stages; ++stage) {
    if (stage > 0) list.barrier();
    SAIN_RETURN_IF_ERROR(dispatch(list, shader, {size, stage},
                                  {args.values, args.pairs, args.tokens, args.state, args.sampling}, parameters,
                                  {stage + 1 < n_stages ? n_groups : 1}));
  }
  return {};
}

template <class Parameters>
Status Operators::dispatch(CommandList& list, std::string_view shader, std::initializer_list<uint32_t> constants,
                           std::initializer_list<Slice> bindings, const Parameters& parameters, Grid grid) {
  SAIN_ASSIGN_OR_RETURN(VkPipeline pipeline, pipelines_->get(shader, {constants.begin(), constants.size()}));
  SAIN_RETURN_IF_ERROR(list.dispatch(pipeline, bindings, parameters, grid));
  list.mark(fmt::format("{} ({} x {} x {})", shader, grid.x, grid.y, grid.z));
  return {};
}

/// A power of two that is near what there is to do.
uint32_t Operators::workgroup(uint64_t wanted, uint64_t largest) const {
  constexpr uint64_t kLeast = 32;
  const uint64_t most = std::bit_floor(std::min<uint64_t>(device_->capabilities().max_workgroup, largest));
  return static_cast<uint32_t>(std::clamp(std::bit_floor(std::max<uint64_t>(wanted, 1)), kLeast, most));
}

}  // namespace sain::engine::vulkan
