// Any JSON as a schema, and behind a NUL byte the bytes that choose how a text goes on: a text of the grammar is JSON.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "formats/grammar/automaton.h"
#include "formats/json_schema.h"

namespace {

using namespace sain;
using formats::GrammarAutomaton;
using Json = nlohmann::ordered_json;

constexpr GrammarAutomaton::Limits kLimits = {.bytes = size_t{64} << 20, .work = 1'000'000};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const size_t split = std::min(input.find('\0'), size);
  const Json schema = Json::parse(input.substr(0, split), nullptr, false);
  if (schema.is_discarded()) return 0;
  const auto grammar = formats::json_schema_grammar(schema);
  if (!grammar) {
    SAIN_CHECK(!grammar.error().message.empty());
    return 0;
  }
  GrammarAutomaton automaton(*grammar, kLimits);
  GrammarAutomaton::Reading reading = automaton.start();
  std::string text;
  for (const char choice : input.substr(split)) {
    if (automaton.can_end(reading)) SAIN_CHECK(Json::accept(text));
    // The first byte from `choice` on that can follow.
    for (int i = 0; i < 256; ++i) {
      const uint8_t byte = static_cast<uint8_t>(choice + i);
      const GrammarAutomaton::Reading next = automaton.step(reading, byte);
      if (next == GrammarAutomaton::kDead) continue;
      text += static_cast<char>(byte);
      reading = next;
      break;
    }
  }
  return 0;
}
