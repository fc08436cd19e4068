// OpenAI's embeddings: POST /v1/embeddings, by the encoder that requests are routed by.
#pragma once

#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/http/chat_backend.h"
#include "router/http/http_message.h"

namespace sain::router {

enum class EmbeddingForm { kNumbers, kBase64 };

struct EmbeddingCall {
  std::string model = "auto";
  std::vector<EmbeddingInput> inputs = {};
  EmbeddingForm form = EmbeddingForm::kNumbers;
};

/// Errors: kInvalidArgument, naming the field.
Result<EmbeddingCall> parse_embeddings(std::string_view body);

/// Errors: those of parse_embeddings(); kNotFound (a model that makes none); those of the backend.
Status answer_embeddings(const HttpRequest& request, const ChatBackend& backend, ResponseWriter& writer);

}  // namespace sain::router
