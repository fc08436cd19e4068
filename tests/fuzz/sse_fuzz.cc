// Any bytes as the body of a chat completion: the first byte is the size of the pieces it comes in. What comes out does
// not depend on that, is bounded and well-formed.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "formats/result.h"
#include "formats/utf8.h"
#include "router/cloud/completion_reader.h"

namespace {

using namespace sain;
using namespace sain::router;

constexpr size_t kMaxBytes = 4096;

/// The text, and whether it is complete.
std::pair<std::string, bool> read(std::string_view body, size_t piece, BodyForm form) {
  CloudAnswer answer;
  std::string text;
  CompletionReader reader(answer, kMaxBytes, [&](std::string_view part) {
    SAIN_CHECK(!part.empty());
    text += part;
  });
  Status status;
  for (size_t i = 0; i < body.size() && status; i += piece) status = reader.feed(body.substr(i, piece), form);
  if (status) status = reader.finish(form);
  SAIN_CHECK(text == answer.text && text.size() <= kMaxBytes);
  SAIN_CHECK(formats::valid_utf8_prefix(text) == text.size());
  SAIN_CHECK(status || !status.error().message.empty());
  return {status ? text : std::string(), status.has_value()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  const std::string_view body(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const size_t piece = size_t{1} + bytes[0] % 64;
  for (const BodyForm form : {BodyForm::kStream, BodyForm::kWhole})
    SAIN_CHECK(read(body, piece, form) == read(body, size, form));
  error_word(body);
  return 0;
}
