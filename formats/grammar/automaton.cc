#include "formats/grammar/automaton.h"

#include <algorithm>
#include <bitset>

namespace sain::formats {

GrammarAutomaton::GrammarAutomaton(const Grammar& grammar, const Limits& limits)
    : grammar_(&grammar),
      limits_(limits),
      work_left_(limits.work),
      nodes_(1),
      readings_(16, EntryHash{this}, EntryEqual{this}),
      seen_(1) {
  set_classes();
  finish_reading();  // kDead: of no stacks
  ++round_;
  visit(grammar.start(), kBottom);
  start_ = finish_reading();
}

void GrammarAutomaton::set_classes() {
  std::bitset<257> begins;
  for (Grammar::State state = 0; state < grammar_->n_states(); ++state) {
    for (const Grammar::Edge& edge : grammar_->edges(state)) {
      if (edge.kind != Grammar::EdgeKind::kByte) continue;
      begins.set(edge.low);
      begins.set(size_t{edge.high} + 1);
    }
  }
  for (size_t byte = 1; byte < 256; ++byte) {
    n_classes_ += begins[byte];
    class_of_[byte] = static_cast<uint8_t>(n_classes_ - 1);
  }
}

GrammarAutomaton::Reading GrammarAutomaton::make_step(Reading reading, uint8_t byte) {
  if (bytes() > limits_.bytes || work_left_ == 0) {
    is_exhausted_ = true;
    return kDead;
  }
  ++round_;
  for (size_t i = 0; i < entries_[reading].n_nodes; ++i) {
    const Stack stack = nodes_[members(reading)[i]];
    for (const Grammar::Edge& edge : grammar_->edges(stack.state)) {
      if (edge.kind == Grammar::EdgeKind::kByte && edge.low <= byte && byte <= edge.high) visit(edge.to, stack.below);
    }
  }
  const Reading next = finish_reading();
  next_[size_t{reading} * n_classes_ + class_of_[byte]] = next;
  return next;
}

GrammarAutomaton::Node GrammarAutomaton::node(State state, Node below) {
  const auto [found, is_new] =
      node_numbers_.try_emplace(uint64_t{state} << 32 | below, static_cast<Node>(nodes_.size()));
  if (is_new) {
    nodes_.push_back({state, below});
    seen_.push_back(0);
  }
  return found->second;
}

void GrammarAutomaton::visit(Node node) {
  if (seen_[node] == round_) return;
  seen_[node] = round_;
  open_.push_back(node);
}

/// The reading of the stacks that were visited in this round and of all that they lead to without a byte.
GrammarAutomaton::Reading GrammarAutomaton::finish_reading() {
  Entry entry{.first_node = members_.size()};
  for (size_t n_followed = 0; !open_.empty() && n_followed < 16 * kMaxStacks; ++n_followed) {
    work_left_ -= work_left_ > 0;
    const Node top = open_.back();
    open_.pop_back();
    const Stack stack = nodes_[top];
    if (grammar_->is_end(stack.state)) {
      if (stack.below == kBottom) {
        entry.can_end = true;
      } else {
        visit(stack.below);
      }
    }
    bool reads = false;
    for (const Grammar::Edge& edge : grammar_->edges(stack.state)) {
      if (edge.kind == Grammar::EdgeKind::kByte) {
        reads = true;
      } else if (edge.kind == Grammar::EdgeKind::kEmpty) {
        visit(edge.to, stack.below);
      } else {
        visit(edge.callee, grammar_->only_ends(edge.to) ? stack.below : node(edge.to, stack.below));
      }
    }
    if (reads && members_.size() - entry.first_node < kMaxStacks) members_.push_back(top);
  }
  open_.clear();
  std::sort(members_.begin() + static_cast<ptrdiff_t>(entry.first_node), members_.end());
  entry.n_nodes = static_cast<uint32_t>(members_.size() - entry.first_node);

  const Reading candidate = static_cast<Reading>(entries_.size());
  entries_.push_back(entry);
  const auto [found, is_new] = readings_.insert(candidate);
  if (is_new) {
    next_.resize(next_.size() + n_classes_, candidate == kDead ? kDead : kUnknown);
  } else {
    entries_.pop_back();
    members_.resize(entry.first_node);
  }
  return *found;
}

size_t GrammarAutomaton::EntryHash::operator()(Reading reading) const {
  uint64_t hash = owner->entries_[reading].can_end;
  for (const Node node : owner->members(reading)) hash = (hash ^ node) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 32;
}

bool GrammarAutomaton::EntryEqual::operator()(Reading a, Reading b) const {
  return owner->entries_[a].can_end == owner->entries_[b].can_end &&
         std::ranges::equal(owner->members(a), owner->members(b));
}

size_t GrammarAutomaton::bytes() const {
  constexpr size_t kNodeBytes = sizeof(Stack) + sizeof(uint32_t) + 48;  // and its place in node_numbers_
  constexpr size_t kEntryBytes = sizeof(Entry) + 40;                    // and its place in readings_
  return nodes_.size() * kNodeBytes + members_.size() * sizeof(Node) +
         entries_.size() * (kEntryBytes + n_classes_ * sizeof(Reading));
}

}  // namespace sain::formats
