// Whether a grammar has a text.
#pragma once

#include <string_view>

#include "formats/grammar/automaton.h"

namespace sain::formats {

enum class Fit { kNo, kBeginning, kWhole };  // of no text of the grammar; of a longer one; a text of it

inline Fit fit(const Grammar& grammar, std::string_view text) {
  GrammarAutomaton automaton(grammar);
  GrammarAutomaton::Reading reading = automaton.start();
  for (const char byte : text) reading = automaton.step(reading, static_cast<uint8_t>(byte));
  if (reading == GrammarAutomaton::kDead) return Fit::kNo;
  return automaton.can_end(reading) ? Fit::kWhole : Fit::kBeginning;
}

inline bool accepts(const Grammar& grammar, std::string_view text) {
  return fit(grammar, text) == Fit::kWhole;
}

}  // namespace sain::formats
