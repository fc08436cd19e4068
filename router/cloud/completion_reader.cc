#include "router/cloud/completion_reader.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

namespace sain::router {
namespace {

using nlohmann::json;

constexpr size_t kMaxEventBytes = size_t{1} << 20;

/// The member `name` of an object; null where there is none.
const json& member(const json& object, const char* name) {
  static const json null;
  if (!object.is_object()) return null;
  const auto it = object.find(name);
  return it == object.end() ? null : *it;
}

uint32_t count(const json& number) {
  return number.is_number_unsigned() ? static_cast<uint32_t>(std::min<uint64_t>(number.get<uint64_t>(), UINT32_MAX))
                                     : 0;
}

}  // namespace

CompletionReader::CompletionReader(CloudAnswer& answer, size_t max_bytes, OnText on_text)
    : answer_(answer),
      max_bytes_(max_bytes),
      on_text_(std::move(on_text)),
      parser_(std::min(max_bytes, kMaxEventBytes)) {}

Status CompletionReader::feed(std::string_view bytes, BodyForm form) {
  answer_.received_bytes += bytes.size();
  if (answer_.received_bytes > max_bytes_) {
    return make_error(ErrorCode::kResourceExhausted, "the response has more than {} bytes", max_bytes_);
  }
  if (form == BodyForm::kWhole) {
    whole_ += bytes;
    return {};
  }
  return parser_.feed(bytes, [this](std::string_view data) -> Status {
    if (is_done_) return {};
    if (data != "[DONE]") return read(data, "delta");
    is_done_ = true;
    return {};
  });
}

Status CompletionReader::finish(BodyForm form) {
  if (form == BodyForm::kWhole) SAIN_RETURN_IF_ERROR(read(whole_, "message"));
  if (is_done_ || is_finished_) return {};
  return make_error(ErrorCode::kIo, "the answer broke off after {} bytes", answer_.received_bytes);
}

Status CompletionReader::read(std::string_view text, const char* message_field) {
  const json chunk = json::parse(text, nullptr, false);
  if (!chunk.is_object()) return make_error(ErrorCode::kCorrupt, "expected a JSON object of a chat completion");
  if (!member(chunk, "error").is_null()) {
    const std::string word = error_word(text);
    return make_error(ErrorCode::kIo, "the server reports an error{}{}", word.empty() ? "" : ": ", word);
  }
  const json& usage = member(chunk, "usage");
  if (usage.is_object()) {
    answer_.prompt_tokens = count(member(usage, "prompt_tokens"));
    answer_.completion_tokens = count(member(usage, "completion_tokens"));
  }
  const json& choices = member(chunk, "choices");
  if (!choices.is_array()) return make_error(ErrorCode::kCorrupt, "expected \"choices\" in a chat completion");
  if (choices.empty()) return {};  // the usage comes so
  const json& content = member(member(choices[0], message_field), "content");
  if (content.is_string() && !content.get_ref<const std::string&>().empty()) {
    answer_.text += content.get_ref<const std::string&>();
    on_text_(content.get_ref<const std::string&>());
  }
  if (const json& reason = member(choices[0], "finish_reason"); reason.is_string()) {
    is_finished_ = true;
    answer_.finish_reason = reason == "length" ? engine::FinishReason::kLength : engine::FinishReason::kStop;
  }
  return {};
}

std::string error_word(std::string_view body) {
  const json response = json::parse(body, nullptr, false);
  const json& error = member(response, "error");
  for (const char* name : {"code", "type"}) {
    const json& word = member(error, name);
    if (!word.is_string()) continue;
    const auto& text = word.get_ref<const std::string&>();
    const bool is_word = !text.empty() && text.size() <= 48 && std::ranges::all_of(text, [](unsigned char c) {
      return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '-');
    });
    if (is_word) return text;
  }
  return {};
}

}  // namespace sain::router
