// A grammar of the texts that a model may write, and the automaton that reads them byte by byte.
//
//   # A list of numbers, as it might be written in a file
//   root   ::= number ("," " "? number)*
//   number ::= "-"? [0-9]{1,9} ("." [0-9]+)?
//
// A rule is `name ::= ...`, and `root` is where texts begin. An item is text in quotes, a set of characters ([a-z],
// [^"\\], `.` for any), the name of a rule, or a group in brackets; after it may stand `*`, `+`, `?`, `{n}`, `{n,}` or
// `{n,m}`. Items in a row follow each other, `|` separates alternatives, # begins a comment. Names are letters, digits,
// `-` and `_`. In texts and sets `\n`, `\r`, `\t`, `\xHH`, `\uHHHH` and `\UHHHHHHHH` are characters by their number,
// and a backslash before punctuation is that character. Everything is characters, never bytes: `[^a]` is any other
// code point. This is what other runtimes call GBNF.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/result.h"

namespace sain::formats {

/// A recursive transition network over bytes (W. Woods, "Transition Network Grammars", 1970): a finite automaton for
/// each rule, of which some edges read a byte and others call a rule. From every state an end can be reached, and no
/// path calls a rule from itself before it has read a byte. Immutable.
class Grammar {
 public:
  using State = uint32_t;

  enum class EdgeKind : uint8_t {
    kByte,   // reads one of [low, high]
    kCall,   // goes through the rule that begins at `callee`
    kEmpty,  // reads nothing
  };
  struct Edge {
    EdgeKind kind = EdgeKind::kEmpty;
    uint8_t low = 0, high = 0;
    State to = 0;
    State callee = 0;
  };

  static constexpr size_t kMaxText = size_t{1} << 20;  // bytes
  static constexpr size_t kMaxStates = size_t{1} << 18;
  static constexpr size_t kMaxEdges = size_t{1} << 20;
  static constexpr uint32_t kMaxRepeat = 1u << 16;
  static constexpr size_t kMaxNesting = 128;  // of groups

  /// Errors, which name line and column where there is one: kInvalidArgument (not a grammar, a rule that is missing, is
  /// there twice, calls itself before it reads anything, or never ends), kResourceExhausted (a limit above).
  static Result<Grammar> parse(std::string_view text);

  State start() const { return start_; }
  size_t n_states() const { return first_edge_.size() - 1; }
  std::span<const Edge> edges(State state) const {
    return std::span(edges_).subspan(first_edge_[state], first_edge_[state + 1] - first_edge_[state]);
  }
  /// Whether a rule ends here.
  bool is_end(State state) const { return (flags_[state] & kEnd) != 0; }
  /// Whether nothing but the end of the rule can follow.
  bool only_ends(State state) const { return (flags_[state] & kGoesOn) == 0; }

 private:
  friend class GrammarBuilder;
  enum Flag : uint8_t { kEnd = 1, kGoesOn = 2 };

  State start_ = 0;
  std::vector<uint32_t> first_edge_;  // (n_states + 1)
  std::vector<Edge> edges_;
  std::vector<uint8_t> flags_;  // (n_states)
};

}  // namespace sain::formats
