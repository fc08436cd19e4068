#include "tools/models/convert_bert.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "formats/gguf_writer.h"
#include "formats/safetensors.h"

namespace sain::tools {
namespace {

using nlohmann::json;

class Conversion {
 public:
  Conversion(const BertFiles& files, const formats::SafetensorsFile& tensors) : files_(files), tensors_(tensors) {}

  Status run(const std::filesystem::path& path) {
    SAIN_RETURN_IF_ERROR(set_metadata());
    set_tokenizer();
    SAIN_RETURN_IF_ERROR(add("embeddings.word_embeddings.weight", "token_embd.weight"));
    SAIN_RETURN_IF_ERROR(add("embeddings.position_embeddings.weight", "position_embd.weight"));
    SAIN_RETURN_IF_ERROR(add("embeddings.token_type_embeddings.weight", "token_types.weight"));
    SAIN_RETURN_IF_ERROR(add_pair("embeddings.LayerNorm", "token_embd_norm"));
    constexpr std::pair<const char*, const char*> kNames[] = {{"attention.self.query", "attn_q"},
                                                              {"attention.self.key", "attn_k"},
                                                              {"attention.self.value", "attn_v"},
                                                              {"attention.output.dense", "attn_output"},
                                                              {"attention.output.LayerNorm", "attn_output_norm"},
                                                              {"intermediate.dense", "ffn_up"},
                                                              {"output.dense", "ffn_down"},
                                                              {"output.LayerNorm", "layer_output_norm"}};
    for (uint32_t layer = 0; layer < n_layers_; ++layer) {
      for (const auto& [from, to] : kNames) {
        SAIN_RETURN_IF_ERROR(
            add_pair(fmt::format("encoder.layer.{}.{}", layer, from), fmt::format("blk.{}.{}", layer, to)));
      }
    }
    const auto written = writer_.write(path);
    if (!written) return written.error();
    return {};
  }

 private:
  Status set_metadata() {
    const json config = json::parse(files_.config, nullptr, false);
    const auto number = [&](const char* key) -> Result<uint32_t> {
      const auto field = config.is_object() ? config.find(key) : config.end();
      if (field == config.end() || !field->is_number_unsigned() || field->get<uint64_t>() > UINT32_MAX) {
        return make_error(ErrorCode::kCorrupt, "{}: config.json: {}: expected a whole number", files_.name, key);
      }
      return field->get<uint32_t>();
    };
    SAIN_ASSIGN_OR_RETURN(n_layers_, number("num_hidden_layers"));
    SAIN_ASSIGN_OR_RETURN(const uint32_t d_model, number("hidden_size"));
    SAIN_ASSIGN_OR_RETURN(const uint32_t d_ff, number("intermediate_size"));
    SAIN_ASSIGN_OR_RETURN(const uint32_t n_heads, number("num_attention_heads"));
    SAIN_ASSIGN_OR_RETURN(const uint32_t n_positions, number("max_position_embeddings"));
    const auto epsilon = config.find("layer_norm_eps");
    if (epsilon == config.end() || !epsilon->is_number()) {
      return make_error(ErrorCode::kCorrupt, "{}: config.json: layer_norm_eps: expected a number", files_.name);
    }
    writer_.set("general.architecture", "bert");
    writer_.set("general.name", files_.name);
    writer_.set("bert.block_count", n_layers_);
    writer_.set("bert.embedding_length", d_model);
    writer_.set("bert.feed_forward_length", d_ff);
    writer_.set("bert.attention.head_count", n_heads);
    writer_.set("bert.context_length", n_positions);
    writer_.set("bert.attention.layer_norm_epsilon", epsilon->get<float>());
    writer_.set("bert.attention.causal", false);
    writer_.set("bert.pooling_type", uint32_t{1});  // the mean
    return {};
  }

  /// Pieces that begin a word get a mark, and the others lose theirs.
  void set_tokenizer() {
    enum : int32_t { kNormal = 1, kUnknown = 2, kControl = 3 };
    std::vector<std::string> tokens;
    std::vector<int32_t> types;
    for (std::string_view rest = files_.vocabulary; !rest.empty();) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view piece = rest.substr(0, end);
      if (piece.ends_with('\r')) piece.remove_suffix(1);
      const auto id = static_cast<uint32_t>(tokens.size());
      const bool is_special = piece.size() > 2 && piece.starts_with('[') && piece.ends_with(']');
      if (piece == "[UNK]") writer_.set("tokenizer.ggml.unknown_token_id", id);
      if (piece == "[CLS]") writer_.set("tokenizer.ggml.bos_token_id", id);
      if (piece == "[SEP]") writer_.set("tokenizer.ggml.eos_token_id", id);
      if (piece == "[PAD]") writer_.set("tokenizer.ggml.padding_token_id", id);
      tokens.push_back(is_special                ? std::string(piece)
                       : piece.starts_with("##") ? std::string(piece.substr(2))
                                                 : "\u2581" + std::string(piece));
      types.push_back(piece == "[UNK]" ? kUnknown : is_special ? kControl : kNormal);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    writer_.set("tokenizer.ggml.model", "bert");
    writer_.set("tokenizer.ggml.tokens", tokens);
    writer_.set("tokenizer.ggml.token_type", types);
  }

  Status add_pair(const std::string& from, const std::string& to) {
    SAIN_RETURN_IF_ERROR(add(from + ".weight", to + ".weight"));
    return add(from + ".bias", to + ".bias");
  }

  Status add(const std::string& from, const std::string& to) {
    const auto found = tensors_.tensors().find(from);
    if (found == tensors_.tensors().end()) {
      return make_error(ErrorCode::kNotFound, "{}: tensor {} is missing", files_.name, from);
    }
    const formats::SafeTensor& tensor = found->second;
    if (tensor.dtype != "F32") {
      return make_error(ErrorCode::kUnsupported, "{}: tensor {}: dtype: expected F32, found {}", files_.name, from,
                        tensor.dtype);
    }
    writer_.add_tensor(to, DType::kF32, {tensor.shape.rbegin(), tensor.shape.rend()},
                       std::vector<std::byte>(tensor.data.begin(), tensor.data.end()));
    return {};
  }

  const BertFiles& files_;
  const formats::SafetensorsFile& tensors_;
  formats::GgufWriter writer_;
  uint32_t n_layers_ = 0;
};

}  // namespace

Status convert_bert(const BertFiles& files, const std::filesystem::path& path) {
  SAIN_ASSIGN_OR_RETURN(const formats::SafetensorsFile tensors,
                        formats::SafetensorsFile::parse(files.safetensors, files.name));
  return Conversion(files, tensors).run(path);
}

}  // namespace sain::tools
