// A grammar's text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "formats/grammar.h"
#include "formats/grammar/grammar_builder.h"

namespace sain::formats {

/// Reads the text once, from left to right, into states and edges: each item becomes a part of the automaton with one
/// way in and one out (K. Thompson, "Regular Expression Search Algorithm", 1968). What is repeated a number of times
/// becomes a rule that is called as often.
class GrammarParser {
 public:
  explicit GrammarParser(std::string_view text) : text_(text), builder_(text) {}

  Result<Grammar> parse();

 private:
  using State = Grammar::State;
  struct Part {
    State from, to;
  };
  struct Count {
    uint32_t least = 0;
    std::optional<uint32_t> most;  // none: without end
  };

  Status check_text() const;
  Status rule();
  Status alternatives(const Part& part, size_t nesting);
  Status sequence(const Part& part, size_t nesting);
  bool at_item();
  Status item(const Part& part, size_t nesting);
  Status literal(const Part& part);
  Status set(const Part& part);
  Result<Part> repeated(Part part, size_t offset);
  Result<Count> count();
  Result<uint32_t> number();
  Part repeat(const Part& part, const Count& count, size_t offset);

  /// The next character, or what an escape means.
  Result<uint32_t> character();
  Result<uint32_t> hexadecimal(size_t n_digits);

  void skip_space();
  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) { return at(c) && (++at_, true); }
  bool take(std::string_view word);
  std::string_view name();  // empty where there is none
  bool at_definition();
  Part new_part() {
    const State from = builder_.add_state();
    return {from, builder_.add_state()};
  }

  Error expected(std::string_view what) const;

  std::string_view text_;
  size_t at_ = 0;
  GrammarBuilder builder_;
};

}  // namespace sain::formats
