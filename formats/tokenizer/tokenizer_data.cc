#include "formats/tokenizer/tokenizer_data.h"

#include "formats/gguf_text.h"

namespace sain::formats {
namespace {

/// For a key without which there is no tokenizer: that it is missing makes the file corrupt.
template <class T>
Result<T> required(Result<T> result) {
  if (!result && result.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kCorrupt, std::move(result).error().message};
  }
  return result;
}

template <class T>
Result<std::optional<T>> optional(Result<T> result) {
  if (result) return std::optional<T>(*std::move(result));
  if (result.error().code == ErrorCode::kNotFound) return std::optional<T>();
  return std::move(result).error();
}

/// Every `tokenizer.ggml.*_token_id`, used or not, names a token.
Status check_token_ids(const Metadata& metadata, size_t vocab_size) {
  for (const auto& [key, value] : metadata.entries()) {
    if (!key.starts_with("tokenizer.ggml.") || !key.ends_with("_token_id")) continue;
    SAIN_ASSIGN_OR_RETURN(const uint64_t id, metadata.u64(key));
    if (id >= vocab_size) {
      return make_error(ErrorCode::kCorrupt, "{}: metadata {}: expected a token id below {}, found {}", metadata.file(),
                        quote(key), vocab_size, id);
    }
  }
  return {};
}

}  // namespace

Result<TokenizerData> read_tokenizer_data(const Metadata& metadata) {
  TokenizerData data;
  data.source = metadata.file();
  SAIN_ASSIGN_OR_RETURN(data.model, required(metadata.string("tokenizer.ggml.model")));
  SAIN_ASSIGN_OR_RETURN(const auto pre, optional(metadata.string("tokenizer.ggml.pre")));
  if (pre) data.pre = *pre;
  SAIN_ASSIGN_OR_RETURN(data.tokens, required(metadata.strings("tokenizer.ggml.tokens")));
  SAIN_RETURN_IF_ERROR(check_token_ids(metadata, data.tokens.size()));
  if (data.model == "llama") {
    SAIN_ASSIGN_OR_RETURN(data.scores, required(metadata.f32s("tokenizer.ggml.scores")));
  } else if (data.model == "gpt2") {
    SAIN_ASSIGN_OR_RETURN(data.merges, required(metadata.strings("tokenizer.ggml.merges")));
  }
  SAIN_ASSIGN_OR_RETURN(data.types, Metadata::value_or(metadata.integers("tokenizer.ggml.token_type"), {}));
  SAIN_ASSIGN_OR_RETURN(data.bos, optional(metadata.u64("tokenizer.ggml.bos_token_id")));
  SAIN_ASSIGN_OR_RETURN(data.eos, optional(metadata.u64("tokenizer.ggml.eos_token_id")));
  SAIN_ASSIGN_OR_RETURN(data.eot, optional(metadata.u64("tokenizer.ggml.eot_token_id")));
  SAIN_ASSIGN_OR_RETURN(data.eom, optional(metadata.u64("tokenizer.ggml.eom_token_id")));
  SAIN_ASSIGN_OR_RETURN(data.unknown, optional(metadata.u64("tokenizer.ggml.unknown_token_id")));
  SAIN_ASSIGN_OR_RETURN(data.add_bos, optional(metadata.boolean("tokenizer.ggml.add_bos_token")));
  SAIN_ASSIGN_OR_RETURN(data.add_eos, optional(metadata.boolean("tokenizer.ggml.add_eos_token")));
  SAIN_ASSIGN_OR_RETURN(data.add_space_prefix, optional(metadata.boolean("tokenizer.ggml.add_space_prefix")));
  return data;
}

}  // namespace sain::formats
