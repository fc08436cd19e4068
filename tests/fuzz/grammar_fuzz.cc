// Any bytes as a grammar and, behind a NUL byte, as a text that is read by it: both come to an end, and what the
// grammar refuses stays refused.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "formats/grammar/automaton.h"
#include "formats/result.h"

namespace {

using namespace sain;
using formats::Grammar;
using formats::GrammarAutomaton;

constexpr GrammarAutomaton::Limits kLimits = {.bytes = size_t{64} << 20, .work = 1'000'000};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const size_t split = std::min(input.find('\0'), size);
  const auto grammar = Grammar::parse(input.substr(0, split));
  if (!grammar) {
    SAIN_CHECK(!grammar.error().message.empty());
    return 0;
  }
  GrammarAutomaton automaton(*grammar, kLimits);
  SAIN_CHECK(automaton.can_end(automaton.start()) || automaton.can_go_on(automaton.start()));
  GrammarAutomaton::Reading reading = automaton.start();
  for (const char byte : input.substr(split)) {
    const auto next = automaton.step(reading, static_cast<uint8_t>(byte));
    SAIN_CHECK(next == automaton.step(reading, static_cast<uint8_t>(byte)) || automaton.is_exhausted());
    SAIN_CHECK(reading != GrammarAutomaton::kDead || next == GrammarAutomaton::kDead);
    SAIN_CHECK((next != GrammarAutomaton::kDead) == (automaton.can_end(next) || automaton.can_go_on(next)));
    reading = next;
  }
  return 0;
}
