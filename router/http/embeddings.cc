#include "router/http/embeddings.h"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "router/http/json_body.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMostInputs = 256;
constexpr size_t kMostTokens = 8192;  // of an input

bool is_token(const json& value) {
  return value.is_number_unsigned() && value.get<uint64_t>() <= INT32_MAX;
}

bool is_token_list(const json& value) {
  return value.is_array() && !value.empty() && value.size() <= kMostTokens && std::ranges::all_of(value, is_token);
}

/// A text, or a list of tokens.
std::optional<EmbeddingInput> read_input(const json& value) {
  if (value.is_string() && !value.get_ref<const std::string&>().empty()) return value.get<std::string>();
  if (is_token_list(value)) return value.get<std::vector<engine::Token>>();
  return std::nullopt;
}

/// Little-endian floats.
std::string base64(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) {
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(bits >> shift));
  }
  std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                    sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the zero that it ends with
  return text;
}

}  // namespace

Result<EmbeddingCall> parse_embeddings(std::string_view text) {
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(text));
  EmbeddingCall call;
  std::optional<Error> error;
  Fields fields(body, "", error);
  if (fields.has("model")) call.model = fields.some_text("model");
  if (fields.has("encoding_format")) {
    const std::string form = fields.text("encoding_format");
    if (form != "float" && form != "base64") fields.fail("encoding_format", "float or base64");
    if (form == "base64") call.form = EmbeddingForm::kBase64;
  }
  const json input = fields.has("input") ? body.at("input") : json();
  const json list = input.is_string() || is_token_list(input) ? json::array({input}) : input;
  if (!list.is_array() || list.empty() || list.size() > kMostInputs) {
    fields.fail("input", fmt::format("a text, a list of tokens, or a list of at most {} of these", kMostInputs));
  } else {
    for (const json& item : list) {
      std::optional<EmbeddingInput> read = read_input(item);
      if (!read) fields.fail("input", "texts that are not empty, or lists of tokens");
      if (read) call.inputs.push_back(*std::move(read));
    }
  }
  if (fields.has("dimensions")) fields.fail("dimensions", "all of them, without this field");
  if (error) return *std::move(error);
  return call;
}

Status answer_embeddings(const HttpRequest& request, const ChatBackend& backend, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const EmbeddingCall call, parse_embeddings(request.body));
  const std::string name = backend.encoder.empty() ? "assistant" : backend.encoder;
  if (call.model != "auto" && call.model != name)
    return make_error(ErrorCode::kNotFound, "model: \"{}\" makes no embeddings; \"{}\" does", call.model, name);
  ordered_json data = ordered_json::array();
  size_t n_tokens = 0;
  for (const EmbeddingInput& input : call.inputs) {
    if (writer.left().stop_requested()) return make_error(ErrorCode::kCancelled, "the client has left");
    SAIN_ASSIGN_OR_RETURN(const Embedding embedding, backend.embed(input));
    n_tokens += embedding.n_tokens;
    ordered_json item = {{"object", "embedding"}, {"index", data.size()}};
    if (call.form == EmbeddingForm::kBase64) {
      item["embedding"] = base64(embedding.values);
    } else {
      item["embedding"] = embedding.values;
    }
    data.push_back(std::move(item));
  }
  writer.send({.body = to_line({{"object", "list"},
                                {"data", std::move(data)},
                                {"model", name},
                                {"usage", {{"prompt_tokens", n_tokens}, {"total_tokens", n_tokens}}}}) +
                       "\n"});
  return {};
}

}  // namespace sain::router
