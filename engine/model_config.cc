#include "engine/model_config.h"

#include <cmath>
#include <string_view>

namespace sain::engine {
namespace {

using formats::Metadata;

// Far beyond any real model, and small enough that products of two stay below 2^63.
constexpr uint32_t kMaxLayers = 1024;
constexpr uint32_t kMaxDimension = 1u << 20;
constexpr uint32_t kMaxVocabulary = 1u << 24;
constexpr uint32_t kMaxContext = 1u << 28;

struct ArchitectureName {
  std::string_view name;
  Architecture architecture;
};
constexpr ArchitectureName kArchitectures[] = {
    {"llama", Architecture::kLlama},   {"qwen2", Architecture::kQwen2},   {"qwen3", Architecture::kQwen3},
    {"gemma2", Architecture::kGemma2}, {"gemma3", Architecture::kGemma3},
};

Result<Architecture> read_architecture(const Metadata& metadata) {
  SAIN_ASSIGN_OR_RETURN(const std::string_view name, metadata.string("general.architecture"));
  std::string known;
  for (const ArchitectureName& entry : kArchitectures) {
    if (entry.name == name) return entry.architecture;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.name);
  }
  return make_error(ErrorCode::kUnsupported, "{}: general.architecture: expected one of {}, found \"{}\"",
                    metadata.file(), known, name);
}

/// Reads `<architecture>.<key>` values and checks their ranges.
class Reader {
 public:
  Reader(const Metadata& metadata, std::string_view prefix) : metadata_(metadata), prefix_(prefix) {}

  std::string key(std::string_view name) const { return fmt::format("{}.{}", prefix_, name); }

  Result<uint32_t> dimension(std::string_view name, uint32_t largest) const {
    return in_range(name, metadata_.u32(key(name)), largest);
  }
  Result<uint32_t> dimension_or(std::string_view name, uint32_t fallback, uint32_t largest) const {
    return in_range(name, Metadata::value_or(metadata_.u32(key(name)), fallback), largest);
  }
  Result<float> positive_or(std::string_view name, float fallback) const {
    SAIN_ASSIGN_OR_RETURN(const float value, Metadata::value_or(metadata_.f32(key(name)), fallback));
    if (value > 0) return value;
    return make_error(ErrorCode::kCorrupt, "{}: {}: expected a positive number, found {}", metadata_.file(), key(name),
                      value);
  }
  Result<float> non_negative_or(std::string_view name, float fallback) const {
    SAIN_ASSIGN_OR_RETURN(const float value, Metadata::value_or(metadata_.f32(key(name)), fallback));
    if (value >= 0) return value;
    return make_error(ErrorCode::kCorrupt, "{}: {}: expected a number of at least 0, found {}", metadata_.file(),
                      key(name), value);
  }
  const Metadata& metadata() const { return metadata_; }

 private:
  Result<uint32_t> in_range(std::string_view name, Result<uint32_t> value, uint32_t largest) const {
    if (!value || (*value >= 1 && *value <= largest)) return value;
    return make_error(ErrorCode::kCorrupt, "{}: {}: expected 1 to {}, found {}", metadata_.file(), key(name), largest,
                      *value);
  }

  const Metadata& metadata_;
  std::string_view prefix_;
};

Status read_dimensions(const Reader& reader, ModelConfig& config) {
  SAIN_ASSIGN_OR_RETURN(config.n_layers, reader.dimension("block_count", kMaxLayers));
  SAIN_ASSIGN_OR_RETURN(config.d_model, reader.dimension("embedding_length", kMaxDimension));
  SAIN_ASSIGN_OR_RETURN(config.d_ff, reader.dimension("feed_forward_length", kMaxDimension));
  SAIN_ASSIGN_OR_RETURN(config.context_length, reader.dimension("context_length", kMaxContext));
  SAIN_ASSIGN_OR_RETURN(config.n_heads, reader.dimension("attention.head_count", kMaxDimension));
  SAIN_ASSIGN_OR_RETURN(config.n_kv_heads,
                        reader.dimension_or("attention.head_count_kv", config.n_heads, kMaxDimension));
  SAIN_ASSIGN_OR_RETURN(config.head_dim, reader.dimension_or("attention.key_length",
                                                             std::max(config.d_model / config.n_heads, 1u), 1u << 14));
  SAIN_ASSIGN_OR_RETURN(const uint32_t value_dim,
                        reader.dimension_or("attention.value_length", config.head_dim, 1u << 14));
  const std::string& file = reader.metadata().file();
  if (config.n_heads % config.n_kv_heads != 0) {
    return make_error(ErrorCode::kCorrupt, "{}: {}: expected a divisor of the {} heads, found {}", file,
                      reader.key("attention.head_count_kv"), config.n_heads, config.n_kv_heads);
  }
  if (value_dim != config.head_dim) {
    return make_error(ErrorCode::kUnsupported, "{}: {}: expected the key length {}, found {}", file,
                      reader.key("attention.value_length"), config.head_dim, value_dim);
  }
  if (uint64_t{config.n_heads} * config.head_dim > kMaxDimension) {
    return make_error(ErrorCode::kCorrupt, "{}: {}: {} heads of {} elements are too many", file,
                      reader.key("attention.head_count"), config.n_heads, config.head_dim);
  }
  const formats::GgufValue* tokens = reader.metadata().find("tokenizer.ggml.tokens");
  const auto* array = tokens != nullptr ? std::get_if<formats::GgufArray>(&tokens->value) : nullptr;
  if (array != nullptr && array->size() > 0 && array->size() <= kMaxVocabulary) {
    config.vocab_size = static_cast<uint32_t>(array->size());
  } else {
    SAIN_ASSIGN_OR_RETURN(config.vocab_size, reader.dimension("vocab_size", kMaxVocabulary));
  }
  return {};
}

Status read_rope(const Reader& reader, ModelConfig& config) {
  RopeConfig& rope = config.rope;
  rope.layout = config.architecture == Architecture::kLlama ? RopeLayout::kAdjacent : RopeLayout::kHalves;
  SAIN_ASSIGN_OR_RETURN(rope.rotary_dim, reader.dimension_or("rope.dimension_count", config.head_dim, 1u << 14));
  const std::string& file = reader.metadata().file();
  if (rope.rotary_dim > config.head_dim || rope.rotary_dim % 2 != 0) {
    return make_error(ErrorCode::kCorrupt, "{}: {}: expected an even number of at most {}, found {}", file,
                      reader.key("rope.dimension_count"), config.head_dim, rope.rotary_dim);
  }
  SAIN_ASSIGN_OR_RETURN(rope.base, reader.positive_or("rope.freq_base", 10000));
  SAIN_ASSIGN_OR_RETURN(rope.local_base, reader.positive_or("rope.freq_base_swa", 10000));

  const std::string type_key = reader.key("rope.scaling.type");
  SAIN_ASSIGN_OR_RETURN(const std::string_view type,
                        Metadata::value_or(reader.metadata().string(type_key), std::string_view()));
  SAIN_ASSIGN_OR_RETURN(const float old_linear, reader.positive_or("rope.scale_linear", 1));
  SAIN_ASSIGN_OR_RETURN(rope.factor, reader.positive_or("rope.scaling.factor", old_linear));
  SAIN_ASSIGN_OR_RETURN(rope.original_context, reader.dimension_or("rope.scaling.original_context_length",
                                                                   config.context_length, kMaxContext));
  // Old files have a factor and no type: that is linear.
  if (type == "linear" || (type.empty() && rope.factor != 1)) {
    rope.scaling = RopeConfig::Scaling::kLinear;
  } else if (type == "yarn") {
    rope.scaling = RopeConfig::Scaling::kYarn;
    SAIN_ASSIGN_OR_RETURN(rope.attention_factor, reader.positive_or("rope.scaling.attn_factor", 1));
    SAIN_ASSIGN_OR_RETURN(rope.yarn_extrapolation, reader.non_negative_or("rope.scaling.yarn_ext_factor", 1));
    SAIN_ASSIGN_OR_RETURN(rope.yarn_beta_fast, reader.positive_or("rope.scaling.yarn_beta_fast", 32));
    SAIN_ASSIGN_OR_RETURN(rope.yarn_beta_slow, reader.positive_or("rope.scaling.yarn_beta_slow", 1));
  } else if (type.empty() || type == "none") {
    rope.factor = 1;
  } else {
    return make_error(ErrorCode::kUnsupported, "{}: {}: expected none, linear or yarn, found \"{}\"", file, type_key,
                      type);
  }
  return {};
}

/// Layers alternate between a sliding window and the full context: every `period`-th layer is global.
void set_local_layers(ModelConfig& config, uint32_t period) {
  config.is_local.assign(config.n_layers, false);
  if (config.sliding_window == 0 || period == 0) return;
  for (uint32_t l = 0; l < config.n_layers; ++l) config.is_local[l] = (l + 1) % period != 0;
}

Status read_gemma(const Reader& reader, ModelConfig& config) {
  const bool is_gemma2 = config.architecture == Architecture::kGemma2;
  config.activation = Activation::kGelu;
  config.embedding_scale = std::sqrt(static_cast<float>(config.d_model));
  SAIN_ASSIGN_OR_RETURN(config.attention_soft_cap,
                        reader.non_negative_or("attn_logit_softcapping", is_gemma2 ? 50.0f : 0.0f));
  SAIN_ASSIGN_OR_RETURN(config.logit_soft_cap,
                        reader.non_negative_or("final_logit_softcapping", is_gemma2 ? 30.0f : 0.0f));
  SAIN_ASSIGN_OR_RETURN(
      config.sliding_window,
      Metadata::value_or(reader.metadata().u32(reader.key("attention.sliding_window")), is_gemma2 ? 4096u : 0u));
  SAIN_ASSIGN_OR_RETURN(
      const uint32_t period,
      Metadata::value_or(reader.metadata().u32(reader.key("attention.sliding_window_pattern")), is_gemma2 ? 2u : 6u));
  set_local_layers(config, period);
  // The 27B models alone scale queries by d_model / n_heads instead of head_dim; no key says so.
  if (config.n_layers == (is_gemma2 ? 46u : 62u)) {
    config.attention_scale = 1.0f / std::sqrt(static_cast<float>(config.d_model) / static_cast<float>(config.n_heads));
  }
  if (is_gemma2) config.rope.local_base = config.rope.base;
  return {};
}

/// A window over every layer (Mistral 7B v0.1 and its kin, where a file still says so).
Status read_uniform_window(const Reader& reader, ModelConfig& config) {
  SAIN_ASSIGN_OR_RETURN(config.sliding_window,
                        Metadata::value_or(reader.metadata().u32(reader.key("attention.sliding_window")), 0u));
  config.is_local.assign(config.n_layers, config.sliding_window != 0);
  config.rope.local_base = config.rope.base;
  return {};
}

}  // namespace

Result<ModelConfig> ModelConfig::from_metadata(const Metadata& metadata) {
  ModelConfig config;
  SAIN_ASSIGN_OR_RETURN(config.architecture, read_architecture(metadata));
  SAIN_ASSIGN_OR_RETURN(const std::string_view prefix, metadata.string("general.architecture"));
  SAIN_ASSIGN_OR_RETURN(const std::string_view name,
                        Metadata::value_or(metadata.string("general.name"), std::string_view()));
  config.name = name;

  const Reader reader(metadata, prefix);
  SAIN_RETURN_IF_ERROR(read_dimensions(reader, config));
  SAIN_ASSIGN_OR_RETURN(config.rms_epsilon, reader.non_negative_or("attention.layer_norm_rms_epsilon", 1e-5f));
  SAIN_RETURN_IF_ERROR(read_rope(reader, config));
  config.attention_scale = 1.0f / std::sqrt(static_cast<float>(config.head_dim));
  const bool is_gemma = config.architecture == Architecture::kGemma2 || config.architecture == Architecture::kGemma3;
  SAIN_RETURN_IF_ERROR(is_gemma ? read_gemma(reader, config) : read_uniform_window(reader, config));
  return config;
}

}  // namespace sain::engine
