// Puts a Grammar together, and checks it as a whole.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/grammar.h"
#include "formats/grammar/code_point_set.h"

namespace sain::formats {

/// Rules may be called before they are defined; states and edges are added in any order.
class GrammarBuilder {
 public:
  using State = Grammar::State;
  using Edge = Grammar::Edge;

  struct Rule {
    std::string name;   // empty: one of a repetition
    size_t offset = 0;  // of its definition, or of its first call until it has one
    bool is_defined = false;
    State start = 0, end = 0;
  };

  /// `text`: where offsets are in, for messages.
  explicit GrammarBuilder(std::string_view text) : text_(text) {}

  /// The rule of that name, new if there is none.
  Rule& rule(std::string_view name, size_t offset);
  /// A rule without a name, from `start` to `end`.
  void add_rule(State start, State end, size_t offset) { rules_.push_back({"", offset, true, start, end}); }

  State add_state() { return static_cast<State>(n_states_++); }
  void add_empty(State from, State to) { add_edge(from, {.to = to}); }
  void add_call(State from, State callee, State to) {
    add_edge(from, {.kind = Grammar::EdgeKind::kCall, .to = to, .callee = callee});
  }
  /// Edges that read one character of the set.
  void add_character(State from, const CodePointSet& set, State to);

  /// kResourceExhausted over the limits; whoever adds much asks now and then.
  Status check_size() const;

  /// kInvalidArgument, with line and column.
  Error error_at(size_t offset, std::string_view message) const;

  /// Errors: those of Grammar::parse that concern the whole.
  Result<Grammar> build() const;

 private:
  struct From {
    State from;
    Edge edge;
  };

  void add_edge(State from, const Edge& edge) { edges_.push_back({from, edge}); }
  Status check_rules() const;
  Status check_recursion(const Grammar& grammar) const;
  void set_flags(Grammar& grammar) const;

  std::string_view text_;
  std::deque<Rule> rules_;  // whose addresses last
  std::map<std::string, size_t, std::less<>> rules_by_name_;
  std::vector<From> edges_;
  size_t n_states_ = 0;
};

}  // namespace sain::formats
