// Any text as an answer that may call functions, cut into pieces anywhere: what comes out is the same as of the whole,
// and valid UTF-8.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "formats/utf8.h"
#include "router/http/tool_call_reader.h"

namespace {

using namespace sain::router;

/// Text, and of each call its name and arguments.
struct Outcome {
  std::string text;
  std::vector<std::string> calls;
  bool operator==(const Outcome&) const = default;
};

/// The pieces are characters if `n_characters` is 1.
Outcome read(std::string_view answer, size_t n_characters) {
  ToolCallReader reader({"f", "get_time"}, 3);
  std::string text;
  std::vector<std::string> arguments;
  const auto take = [&](const std::vector<AnswerPiece>& pieces) {
    for (const AnswerPiece& piece : pieces) {
      SAIN_CHECK(sain::formats::valid_utf8_prefix(piece.text) == piece.text.size());
      if (piece.call) {
        SAIN_CHECK(*piece.call < reader.calls().size());
        arguments.resize(reader.calls().size());
        arguments[*piece.call] += piece.text;
      } else {
        SAIN_CHECK(arguments.empty());
        text += piece.text;
      }
    }
  };
  const auto begins_character = [&](size_t i) {
    return i >= answer.size() || (static_cast<unsigned char>(answer[i]) & 0xC0) != 0x80;
  };
  for (size_t begin = 0; begin < answer.size();) {
    size_t end = begin;
    for (size_t n = 0; n < n_characters && end < answer.size(); ++n) do
        ++end;
      while (!begins_character(end));
    take(reader.push(answer.substr(begin, end - begin)));
    begin = end;
  }
  take(reader.finish());
  Outcome outcome{text, {}};
  for (size_t i = 0; i < reader.calls().size(); ++i) {
    SAIN_CHECK(reader.calls()[i].arguments == arguments[i]);
    outcome.calls.push_back(reader.calls()[i].name + arguments[i]);
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(bytes), size);
  const std::string_view answer = all.substr(0, sain::formats::valid_utf8_prefix(all));
  const Outcome whole = read(answer, SIZE_MAX);
  SAIN_CHECK(read(answer, 1) == whole);
  SAIN_CHECK(read(answer, 3) == whole);
  return 0;
}
