// The merge loop that byte-level BPE and SentencePiece share: join the best adjacent pair, again and again, until no
// pair can be joined (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units").
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace sain::formats {

/// A stretch of the text that is being merged.
struct MergeSymbol {
  uint32_t begin;    // bytes into the text
  uint32_t size;     // bytes
  int32_t id;        // of its token; -1 where the vocabulary has none
  int32_t previous;  // neighbours still in play; -1 at the ends
  int32_t next;
};

/// What joining two symbols gives.
struct Merge {
  uint32_t rank;  // lower is joined earlier
  int32_t id;
};

/// Owns the memory of the loop, so that it is taken once for many words.
class Merger {
 public:
  /// Starts a new word.
  void clear() { symbols_.clear(); }

  /// Appends a symbol; they must follow each other in the text.
  void add(uint32_t begin, uint32_t size, int32_t id) {
    symbols_.push_back({begin, size, id, static_cast<int32_t>(symbols_.size()) - 1, -1});
  }

  /// Joins pairs, the lowest rank first and the leftmost of equals, while `find(left, right)` gives a Merge.
  /// O(n log n) calls and heap steps for n symbols.
  template <class Find>
  void run(const Find& find) {
    for (size_t i = 0; i + 1 < symbols_.size(); ++i) symbols_[i].next = static_cast<int32_t>(i) + 1;
    queue_.clear();
    for (size_t i = 0; i + 1 < symbols_.size(); ++i) consider(static_cast<int32_t>(i), find);
    std::make_heap(queue_.begin(), queue_.end(), later);
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), later);
      const Candidate best = queue_.back();
      queue_.pop_back();
      MergeSymbol& left = symbols_[best.left];
      if (left.id != best.left_id || left.next < 0 || symbols_[left.next].id != best.right_id) continue;  // outdated
      absorb_next(left);
      left.id = best.id;
      if (left.previous >= 0 && consider(left.previous, find)) std::push_heap(queue_.begin(), queue_.end(), later);
      if (left.next >= 0 && consider(best.left, find)) std::push_heap(queue_.begin(), queue_.end(), later);
    }
  }

  /// Calls `visit` with each symbol that is left, in order.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[i].next) visit(symbols_[i]);
  }

 private:
  /// A pair that could be joined. It is outdated once the symbols at `left` are no longer these two.
  struct Candidate {
    uint32_t rank;
    int32_t left;
    int32_t left_id;
    int32_t right_id;
    int32_t id;
  };

  static constexpr int32_t kConsumed = -2;

  static bool later(const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  }

  template <class Find>
  bool consider(int32_t left, const Find& find) {
    const MergeSymbol& a = symbols_[left];
    const MergeSymbol& b = symbols_[a.next];
    const std::optional<Merge> merge = find(a, b);
    if (merge) queue_.push_back({merge->rank, left, a.id, b.id, merge->id});
    return merge.has_value();
  }

  void absorb_next(MergeSymbol& left) {
    MergeSymbol& right = symbols_[left.next];
    left.size += right.size;
    left.next = right.next;
    if (right.next >= 0) symbols_[right.next].previous = static_cast<int32_t>(&left - symbols_.data());
    right.id = kConsumed;
  }

  std::vector<MergeSymbol> symbols_;
  std::vector<Candidate> queue_;  // a heap
};

}  // namespace sain::formats
