#include "tools/make_model/model_spec.h"

#include <algorithm>
#include <array>
#include <vector>

#include "tools/make_model/synthetic_tokenizer.h"

namespace sain::tools {
namespace {

constexpr uint32_t kMaxLayers = 1024;
constexpr uint32_t kMaxDimension = 1u << 20;
constexpr uint32_t kMaxContext = 1u << 28;
constexpr uint32_t kDefaultVocab = 32000;
constexpr uint32_t kDefaultContext = 131072;

// general.file_type's numbers are those of llama.h's enum llama_ftype.
constexpr WeightType kWeightTypes[] = {
    {"f32", DType::kF32, false, 0},      {"f16", DType::kF16, false, 1},        {"bf16", DType::kBF16, false, 32},
    {"q4_0", DType::kQ4_0, false, 2},    {"q4_1", DType::kQ4_1, false, 3},      {"q5_0", DType::kQ5_0, false, 8},
    {"q5_1", DType::kQ5_1, false, 9},    {"q8_0", DType::kQ8_0, false, 7},      {"q2_k", DType::kQ2_K, false, 10},
    {"q3_k", DType::kQ3_K, false, 11},   {"q4_k", DType::kQ4_K, false, 14},     {"q5_k", DType::kQ5_K, false, 16},
    {"q6_k", DType::kQ6_K, false, 18},   {"iq4_nl", DType::kIQ4_NL, false, 25}, {"iq4_xs", DType::kIQ4_XS, false, 30},
    {"mxfp4", DType::kMXFP4, false, 38}, {"q4_k_m", DType::kQ4_K, true, 15},    {"q5_k_m", DType::kQ5_K, true, 17},
};

constexpr std::string_view kArchitectures[] = {"llama", "qwen2", "qwen3", "gemma3"};

std::vector<ModelPreset> make_presets() {
  return {
      // A few MB, yet wide enough for every type: rows are a multiple of 256.
      {"tiny",
       {.n_layers = 2,
        .d_model = 256,
        .d_ff = 512,
        .n_heads = 4,
        .n_kv_heads = 2,
        .head_dim = 64,
        .vocab_size = 512,
        .context_length = 4096}},
      // 1.10 G parameters; 621 MB at q4_0.
      {"1b",
       {.n_layers = 16,
        .d_model = 2048,
        .d_ff = 8192,
        .n_heads = 32,
        .n_kv_heads = 8,
        .head_dim = 64,
        .vocab_size = 32000,
        .context_length = kDefaultContext}},
      // 5.17 G parameters; the vocabulary makes it 2.91 GB at q4_0.
      {"5b",
       {.n_layers = 36,
        .d_model = 3584,
        .d_ff = 9728,
        .n_heads = 28,
        .n_kv_heads = 4,
        .head_dim = 128,
        .vocab_size = 49152,
        .context_length = kDefaultContext}},
  };
}

template <class Range, class Projection>
std::string list_of(const Range& range, Projection name) {
  std::string list;
  for (const auto& item : range) list += fmt::format("{}{}", list.empty() ? "" : ", ", name(item));
  return list;
}

struct Dimension {
  const char* flag;
  uint32_t ModelSpec::*field;
  uint32_t least, most;
};
constexpr Dimension kDimensions[] = {
    {"--layers", &ModelSpec::n_layers, 1, kMaxLayers},
    {"--width", &ModelSpec::d_model, 1, kMaxDimension},
    {"--ff", &ModelSpec::d_ff, 1, kMaxDimension},
    {"--heads", &ModelSpec::n_heads, 1, kMaxDimension},
    {"--kv-heads", &ModelSpec::n_kv_heads, 1, kMaxDimension},
    {"--head-dim", &ModelSpec::head_dim, 2, 1u << 14},
    {"--vocab", &ModelSpec::vocab_size, kMinSyntheticVocab, kMaxDimension},
    {"--context", &ModelSpec::context_length, 1, kMaxContext},
};

Status check_dimensions(const ModelSpec& spec) {
  for (const Dimension& dimension : kDimensions) {
    const uint32_t value = spec.*dimension.field;
    if (value >= dimension.least && value <= dimension.most) continue;
    return make_error(ErrorCode::kInvalidArgument, "{}: expected {} to {}, found {}", dimension.flag, dimension.least,
                      dimension.most, value);
  }
  if (spec.n_heads % spec.n_kv_heads != 0) {
    return make_error(ErrorCode::kInvalidArgument, "--kv-heads: expected a divisor of the {} heads, found {}",
                      spec.n_heads, spec.n_kv_heads);
  }
  if (spec.head_dim % 2 != 0) {
    return make_error(ErrorCode::kInvalidArgument, "--head-dim: expected an even number, found {}", spec.head_dim);
  }
  if (uint64_t{spec.n_heads} * spec.head_dim > kMaxDimension) {
    return make_error(ErrorCode::kInvalidArgument, "--heads: expected at most {} elements in all heads, found {} of {}",
                      kMaxDimension, spec.n_heads, spec.head_dim);
  }
  return {};
}

/// Rows must be whole blocks, of 32 where a mix falls back.
Status check_rows(const ModelSpec& spec, const WeightType& type) {
  const uint32_t block = type.is_mix ? 32 : dtype_info(type.dtype).block_size;
  const auto check = [&](std::string_view flag, uint32_t cols) -> Status {
    if (cols % block == 0) return {};
    return make_error(ErrorCode::kInvalidArgument, "{}: expected a multiple of {}, the block of {}, found {}", flag,
                      block, type.name, cols);
  };
  SAIN_RETURN_IF_ERROR(check("--width", spec.d_model));
  SAIN_RETURN_IF_ERROR(check("--ff", spec.d_ff));
  return check("--heads times --head-dim", spec.q_dim());
}

/// More bits where errors hurt most: the first and last eighth of the layers, and every third between.
bool has_more_bits(uint32_t layer, uint32_t n_layers) {
  const uint32_t eighth = n_layers / 8;
  return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

}  // namespace

std::span<const ModelPreset> model_presets() {
  static const std::vector<ModelPreset> presets = make_presets();
  return presets;
}

std::span<const WeightType> weight_types() {
  return kWeightTypes;
}

const WeightType* find_weight_type(std::string_view name) {
  const auto found = std::ranges::find(kWeightTypes, name, &WeightType::name);
  return found == std::end(kWeightTypes) ? nullptr : found;
}

Result<ModelSpec> with_defaults(const ModelSpec& spec, std::string_view preset) {
  ModelSpec full = spec;
  if (!preset.empty()) {
    const auto found = std::ranges::find(model_presets(), preset, &ModelPreset::name);
    if (found == model_presets().end()) {
      return make_error(ErrorCode::kInvalidArgument, "--preset: expected one of {}, found '{}'",
                        list_of(model_presets(), [](const ModelPreset& p) { return p.name; }), preset);
    }
    // Heads that are given without their size mean that width is divided among them, not the preset's size.
    const bool own_heads = spec.n_heads != 0 || spec.d_model != 0;
    for (const Dimension& dimension : kDimensions) {
      if (own_heads && dimension.field == &ModelSpec::head_dim) continue;
      uint32_t& value = full.*dimension.field;
      if (value == 0) value = found->spec.*dimension.field;
    }
  }
  for (const Dimension& dimension : {kDimensions[0], kDimensions[1], kDimensions[2], kDimensions[3]}) {
    if (full.*dimension.field != 0) continue;
    return make_error(ErrorCode::kInvalidArgument, "{} is missing: give --preset, or every dimension", dimension.flag);
  }
  if (full.n_kv_heads == 0) full.n_kv_heads = full.n_heads;
  if (full.head_dim == 0) {
    if (full.d_model % full.n_heads != 0) {
      return make_error(ErrorCode::kInvalidArgument,
                        "--heads: expected a divisor of --width {} where --head-dim is not given, found {}",
                        full.d_model, full.n_heads);
    }
    full.head_dim = full.d_model / full.n_heads;
  }
  if (full.vocab_size == 0) full.vocab_size = kDefaultVocab;
  if (full.context_length == 0) full.context_length = kDefaultContext;

  if (std::ranges::find(kArchitectures, full.arch) == std::end(kArchitectures)) {
    return make_error(ErrorCode::kInvalidArgument, "--arch: expected one of {}, found '{}'",
                      list_of(kArchitectures, [](std::string_view name) { return name; }), full.arch);
  }
  if (full.arch == "gemma3") full.tied = true;  // as all of them are
  const WeightType* type = find_weight_type(full.type);
  if (type == nullptr) {
    return make_error(ErrorCode::kInvalidArgument, "--type: expected one of {}, found '{}'",
                      list_of(kWeightTypes, [](const WeightType& t) { return t.name; }), full.type);
  }
  SAIN_RETURN_IF_ERROR(check_rows(full, *type));
  SAIN_RETURN_IF_ERROR(check_dimensions(full));
  return full;
}

DType matrix_dtype(const WeightType& type, MatrixRole role, uint32_t layer, uint32_t n_layers, uint32_t cols) {
  if (!type.is_mix) return type.dtype;
  const bool can_have_more = role == MatrixRole::kAttentionValue || role == MatrixRole::kFfnDown;
  const bool q6 = role == MatrixRole::kOutput || (can_have_more && has_more_bits(layer, n_layers));
  const DType wanted = q6 ? DType::kQ6_K : type.dtype;
  if (cols % dtype_info(wanted).block_size == 0) return wanted;
  return wanted == DType::kQ6_K ? DType::kQ8_0 : wanted == DType::kQ5_K ? DType::kQ5_1 : DType::kQ5_0;
}

}  // namespace sain::tools
