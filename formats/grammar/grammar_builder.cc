#include "formats/grammar/grammar_builder.h"

#include <algorithm>

#include "formats/gguf_text.h"
#include "formats/jinja/unicode.h"

namespace sain::formats {
namespace {

using State = Grammar::State;
using Edge = Grammar::Edge;
using EdgeKind = Grammar::EdgeKind;

/// Items that belong to states, in one array: those of state s are [first[s], first[s + 1]).
template <class T>
struct ByState {
  std::vector<uint32_t> first;
  std::vector<T> items;

  /// key(item): its state, below n_states. value(item): what is kept of it.
  template <class Items, class Key, class Value>
  ByState(size_t n_states, const Items& all, Key key, Value value) : first(n_states + 1), items(all.size()) {
    for (const auto& item : all) ++first[key(item) + 1];
    for (size_t s = 0; s < n_states; ++s) first[s + 1] += first[s];
    std::vector<uint32_t> next = first;
    for (const auto& item : all) items[next[key(item)]++] = value(item);
  }
  std::span<const T> of(State state) const {
    return std::span(items).subspan(first[state], first[state + 1] - first[state]);
  }
};

enum class Path { kAny, kEmpty };  // whether it may read bytes

/// From which states an end can be reached.
template <class Edges>
std::vector<uint8_t> reach_end(const Grammar& grammar, const Edges& edges, Path path) {
  const auto itself = [](const auto& edge) { return edge; };
  const ByState<typename Edges::value_type> into(
      grammar.n_states(), edges, [](const auto& e) { return e.edge.to; }, itself);
  const ByState<typename Edges::value_type> calls_of(
      grammar.n_states(), edges, [](const auto& e) { return e.edge.callee; }, itself);
  std::vector<uint8_t> reaches(grammar.n_states());
  std::vector<State> open;
  const auto mark = [&](State state) {
    if (reaches[state] == 0) open.push_back(state);
    reaches[state] = 1;
  };
  for (State s = 0; s < grammar.n_states(); ++s) {
    if (grammar.is_end(s)) mark(s);
  }
  while (!open.empty()) {
    const State state = open.back();
    open.pop_back();
    for (const auto& [from, edge] : into.of(state)) {
      if (edge.kind == EdgeKind::kEmpty || (edge.kind == EdgeKind::kByte && path == Path::kAny) ||
          (edge.kind == EdgeKind::kCall && reaches[edge.callee] != 0)) {
        mark(from);
      }
    }
    for (const auto& [from, edge] : calls_of.of(state)) {
      if (edge.kind == EdgeKind::kCall && reaches[edge.to] != 0) mark(from);
    }
  }
  return reaches;
}

}  // namespace

GrammarBuilder::Rule& GrammarBuilder::rule(std::string_view name, size_t offset) {
  const auto found = rules_by_name_.find(name);
  if (found != rules_by_name_.end()) return rules_[found->second];
  rules_by_name_.emplace(name, rules_.size());
  const State start = add_state(), end = add_state();
  return rules_.emplace_back(Rule{std::string(name), offset, false, start, end});
}

void GrammarBuilder::add_character(State from, const CodePointSet& set, State to) {
  std::map<std::vector<ByteRange>, State> states;  // what is still to be read there
  const auto state_before = [&](const std::vector<ByteRange>& rest) {
    return rest.empty() ? to : states.try_emplace(rest, static_cast<State>(n_states_)).first->second;
  };
  for (const std::vector<ByteRange>& sequence : utf8_sequences(set)) {
    State state = from;
    for (size_t i = 0; i < sequence.size(); ++i) {
      const State next = state_before({sequence.begin() + static_cast<ptrdiff_t>(i) + 1, sequence.end()});
      const bool is_new = next == n_states_;
      if (is_new) add_state();
      add_edge(state, {.kind = EdgeKind::kByte, .low = sequence[i].low, .high = sequence[i].high, .to = next});
      if (!is_new) break;
      state = next;
    }
  }
}

Result<Grammar> GrammarBuilder::build() const {
  SAIN_RETURN_IF_ERROR(check_rules());
  Grammar grammar;
  ByState<Edge> edges(
      n_states_, edges_, [](const From& e) { return e.from; }, [](const From& e) { return e.edge; });
  grammar.first_edge_ = std::move(edges.first);
  grammar.edges_ = std::move(edges.items);
  grammar.start_ = rules_[rules_by_name_.find("root")->second].start;
  set_flags(grammar);
  const std::vector<uint8_t> can_end = reach_end(grammar, edges_, Path::kAny);
  for (const Rule& rule : rules_) {
    if (can_end[rule.start] != 0) continue;
    return error_at(rule.offset, rule.name.empty()
                                     ? std::string("what is repeated here never ends")
                                     : fmt::format("rule {} never ends: it always needs itself", quote(rule.name)));
  }
  SAIN_RETURN_IF_ERROR(check_recursion(grammar));
  return grammar;
}

Status GrammarBuilder::check_size() const {
  if (n_states_ <= Grammar::kMaxStates && edges_.size() <= Grammar::kMaxEdges) return {};
  return make_error(ErrorCode::kResourceExhausted, "grammar: expected at most {} states and {} edges, found more",
                    Grammar::kMaxStates, Grammar::kMaxEdges);
}

Error GrammarBuilder::error_at(size_t offset, std::string_view message) const {
  const std::string_view before = text_.substr(0, offset);
  const size_t line = 1 + static_cast<size_t>(std::ranges::count(before, '\n'));
  const size_t column = 1 + jinja::count_code_points(before.substr(before.rfind('\n') + 1));
  return make_error(ErrorCode::kInvalidArgument, "grammar:{}:{}: {}", line, column, message);
}

Status GrammarBuilder::check_rules() const {
  SAIN_RETURN_IF_ERROR(check_size());
  for (const Rule& rule : rules_) {
    if (!rule.is_defined) return error_at(rule.offset, fmt::format("rule {} is not defined", quote(rule.name)));
  }
  if (!rules_by_name_.contains("root")) {
    return make_error(ErrorCode::kInvalidArgument, "grammar: expected a rule 'root', found none");
  }
  return {};
}

/// An error where a rule calls itself before anything is read. The rules that call others so are a graph, from which
/// those are taken away, one after another, that call none of those that are left: what stays has a cycle.
Status GrammarBuilder::check_recursion(const Grammar& grammar) const {
  const std::vector<uint8_t> can_be_empty = reach_end(grammar, edges_, Path::kEmpty);
  std::vector<size_t> rule_of(n_states_);  // by start
  for (size_t r = 0; r < rules_.size(); ++r) rule_of[rules_[r].start] = r;

  std::vector<std::vector<size_t>> calls(rules_.size()), callers(rules_.size());
  std::vector<uint8_t> seen(n_states_);
  for (size_t r = 0; r < rules_.size(); ++r) {
    std::vector<State> open = {rules_[r].start};
    const auto visit = [&](State state) {
      if (seen[state] == 0) open.push_back(state);
      seen[state] = 1;
    };
    while (!open.empty()) {
      const State state = open.back();
      open.pop_back();
      for (const Edge& edge : grammar.edges(state)) {
        if (edge.kind == EdgeKind::kEmpty) visit(edge.to);
        if (edge.kind != EdgeKind::kCall) continue;
        calls[r].push_back(rule_of[edge.callee]);
        callers[rule_of[edge.callee]].push_back(r);
        if (can_be_empty[edge.callee] != 0) visit(edge.to);
      }
    }
  }

  std::vector<size_t> n_left(rules_.size()), free;
  for (size_t r = 0; r < rules_.size(); ++r) {
    n_left[r] = calls[r].size();
    if (n_left[r] == 0) free.push_back(r);
  }
  while (!free.empty()) {
    const size_t rule = free.back();
    free.pop_back();
    for (const size_t caller : callers[rule]) {
      if (--n_left[caller] == 0) free.push_back(caller);
    }
  }
  const auto stuck = std::ranges::find_if(n_left, [](size_t n) { return n > 0; });
  if (stuck == n_left.end()) return {};
  size_t rule = static_cast<size_t>(stuck - n_left.begin());
  std::vector<uint8_t> passed(rules_.size());  // along the calls, until one comes again
  while (passed[rule] == 0 || rules_[rule].name.empty()) {
    passed[rule] = 1;
    rule = *std::ranges::find_if(calls[rule], [&](size_t callee) { return n_left[callee] > 0; });
  }
  return error_at(rules_[rule].offset,
                  fmt::format("rule {} calls itself before it reads anything", quote(rules_[rule].name)));
}

void GrammarBuilder::set_flags(Grammar& grammar) const {
  grammar.flags_.assign(n_states_, 0);
  for (const Rule& rule : rules_) grammar.flags_[rule.end] |= Grammar::kEnd;
  std::vector<State> open;
  const auto mark = [&](State state) {
    if (grammar.only_ends(state)) open.push_back(state);
    grammar.flags_[state] |= Grammar::kGoesOn;
  };
  for (const auto& [from, edge] : edges_) {
    if (edge.kind != EdgeKind::kEmpty) mark(from);
  }
  const ByState<From> into(
      n_states_, edges_, [](const From& e) { return e.edge.to; }, [](const From& e) { return e; });
  while (!open.empty()) {
    const State state = open.back();
    open.pop_back();
    for (const auto& [from, edge] : into.of(state)) {
      if (edge.kind == EdgeKind::kEmpty) mark(from);
    }
  }
}

}  // namespace sain::formats
