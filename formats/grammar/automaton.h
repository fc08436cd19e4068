// Reads text by a grammar, a byte at a time, however the grammar branches and nests.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "formats/grammar.h"

namespace sain::formats {

/// All ways in which a grammar can have read a text are a set of stacks: on each the state that is reached, and below
/// it those where the rules that called return to. Stacks share their lower parts (a node is a state and what is below
/// it) and equal nodes are one node, so such a set is a set of numbers. Equal sets are one Reading, which remembers
/// where each byte leads from it: a deterministic automaton that is made as it is walked (K. Thompson's lazy
/// construction, over stacks instead of states). What is read again costs a look into a table.
///
/// A call whose rule ends with it returns to where that rule would, so that lists written by recursion need no depth.
/// Grows while it is used; used by one thread at a time.
class GrammarAutomaton {
 public:
  using Reading = uint32_t;
  static constexpr Reading kDead = 0;  // no text that goes on so is of the grammar

  /// Ways to read one text that are followed; a grammar that has more loses some of its texts, and gains none.
  static constexpr size_t kMaxStacks = 512;

  /// What it takes at most, before what is new leads to kDead and is_exhausted() is true from then on.
  struct Limits {
    size_t bytes = size_t{256} << 20;
    size_t work = 20'000'000;  // nodes that are followed after renew_work(): some 0.5 s
  };

  explicit GrammarAutomaton(const Grammar& grammar) : GrammarAutomaton(grammar, Limits()) {}
  GrammarAutomaton(const Grammar& grammar, const Limits& limits);  // `grammar` must outlive it
  GrammarAutomaton(const GrammarAutomaton&) = delete;

  Reading start() const { return start_; }
  Reading step(Reading reading, uint8_t byte) {
    const Reading next = next_[size_t{reading} * n_classes_ + class_of_[byte]];
    return next != kUnknown ? next : make_step(reading, byte);
  }
  /// Whether what has been read is a text of the grammar.
  bool can_end(Reading reading) const { return entries_[reading].can_end; }
  /// Whether it is the beginning of a longer one.
  bool can_go_on(Reading reading) const { return entries_[reading].n_nodes > 0; }

  size_t bytes() const;
  void renew_work() { work_left_ = limits_.work; }
  bool is_exhausted() const { return is_exhausted_; }

 private:
  using State = Grammar::State;
  using Node = uint32_t;
  static constexpr Reading kUnknown = UINT32_MAX;
  static constexpr Node kBottom = 0;

  struct Stack {
    State state = 0;
    Node below = kBottom;
  };
  struct Entry {
    size_t first_node = 0;  // in members_
    uint32_t n_nodes = 0;   // stacks of which a byte can be read
    bool can_end = false;
  };
  struct EntryHash {
    const GrammarAutomaton* owner;
    size_t operator()(Reading reading) const;
  };
  struct EntryEqual {
    const GrammarAutomaton* owner;
    bool operator()(Reading a, Reading b) const;
  };

  void set_classes();
  Reading make_step(Reading reading, uint8_t byte);
  Node node(State state, Node below);
  void visit(State state, Node below) { visit(node(state, below)); }
  void visit(Node node);
  Reading finish_reading();
  std::span<const Node> members(Reading reading) const {
    return std::span(members_).subspan(entries_[reading].first_node, entries_[reading].n_nodes);
  }

  const Grammar* grammar_;
  Limits limits_;
  size_t work_left_;
  std::array<uint8_t, 256> class_of_{};  // bytes that no edge tells apart are one class
  size_t n_classes_ = 1;
  Reading start_ = kDead;

  std::vector<Stack> nodes_;                         // kBottom first
  std::unordered_map<uint64_t, Node> node_numbers_;  // by state and below
  std::vector<Entry> entries_;                       // of readings
  std::vector<Node> members_;                        // of all of them
  std::vector<Reading> next_;                        // (readings, n_classes)
  std::unordered_set<Reading, EntryHash, EntryEqual> readings_;
  bool is_exhausted_ = false;

  std::vector<Node> open_;      // scratch: visited, and not followed yet
  std::vector<uint32_t> seen_;  // (nodes): the round in which it was visited last
  uint32_t round_ = 0;
};

}  // namespace sain::formats
