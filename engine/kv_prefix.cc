#include "engine/kv_prefix.h"

#include <cstring>

namespace sain::engine {

KvLayout KvLayout::of_prefix() const {
  KvLayout layout = *this;
  for (Group& group : layout.groups) {
    if (group.rule == rule) group.rule = {};
  }
  layout.rule = {};
  return layout;
}

uint64_t KvLayout::n_seen_by_all() const {
  uint64_t n = UINT64_MAX;
  for (const Group& group : groups) {
    if (group.rule.window != 0) n = std::min<uint64_t>(n, group.rule.window);
  }
  return n;
}

Result<KvRows> KvRows::allocate(const KvLayout& layout, size_t group, uint64_t n_slots) {
  SAIN_ASSIGN_OR_RETURN(AlignedBuffer memory, AlignedBuffer::allocate(layout.bytes(group, n_slots), "the KV cache"));
  return KvRows{std::move(memory), n_slots};
}

Result<std::shared_ptr<const KvSegment>> KvSegment::copy(const KvLayout& layout, std::span<const uint64_t> firsts,
                                                         uint64_t end, const RunOf& run_of) {
  auto segment = std::make_shared<KvSegment>();
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    SAIN_ASSIGN_OR_RETURN(KvRows rows, KvRows::allocate(layout, group, end - firsts[group]));
    segment->parts.push_back({firsts[group], std::move(rows)});
  }
  for (uint32_t layer = 0; layer < layout.layers.size(); ++layer) {
    const auto& [first, rows] = segment->parts[layout.layers[layer].group];
    for (uint32_t kv_head = 0; kv_head < layout.n_kv_heads; ++kv_head) {
      for (uint64_t at = first; at < end;) {
        const KvRun from = run_of(layer, kv_head, at, end);
        const KvRows::Pair to = rows.at(layout, layout.head(layer, kv_head), at - first);
        std::memcpy(to.key, from.keys, (from.end - at) * layout.key_bytes);
        std::memcpy(to.value, from.values, (from.end - at) * layout.value_bytes);
        at = from.end;
      }
    }
  }
  return segment;
}

size_t KvSegment::bytes() const {
  size_t bytes = 0;
  for (const Part& part : parts) bytes += part.rows.memory.bytes();
  return bytes;
}

bool KvPrefix::keeps(uint64_t n_positions) const {
  for (size_t group = 0; group < layout.groups.size(); ++group) {
    if (!keeps(group, layout.groups[group].rule.window_begin(n_positions), n_positions)) return false;
  }
  return true;
}

bool KvPrefix::keeps(size_t group, uint64_t begin, uint64_t end) const {
  uint64_t piece_begin = 0;
  for (const Piece& piece : pieces) {
    const uint64_t first = std::max(begin, piece_begin);
    piece_begin = std::min(piece.end, end);
    if (first < piece_begin && first < piece.segment->parts[group].begin) return false;
  }
  return true;
}

uint64_t KvPrefix::first_kept(size_t group) const {
  uint64_t first = length();
  for (auto piece = pieces.rbegin(); piece != pieces.rend() && piece->end == first; ++piece) {
    first = piece->segment->parts[group].begin;
    if (piece + 1 != pieces.rend() && first > (piece + 1)->end) break;
  }
  return first;
}

Result<KvPrefix> KvPrefix::compacted() const {
  std::vector<uint64_t> firsts;
  for (size_t group = 0; group < layout.groups.size(); ++group) firsts.push_back(first_kept(group));
  SAIN_ASSIGN_OR_RETURN(auto segment,
                        KvSegment::copy(layout, firsts, length(), [&](auto... where) { return *run(where...); }));
  return KvPrefix{layout, {{std::move(segment), length()}}};
}

void KvPrefix::truncate(uint64_t n_positions) {
  while (pieces.size() > 1 && pieces[pieces.size() - 2].end >= n_positions) pieces.pop_back();
  if (!pieces.empty()) pieces.back().end = std::min(pieces.back().end, n_positions);
  if (n_positions == 0) pieces.clear();
}

std::optional<KvRun> KvPrefix::run(uint32_t layer, uint32_t kv_head, uint64_t begin, uint64_t end) const {
  for (const Piece& piece : pieces) {
    if (begin >= piece.end) continue;
    const KvSegment::Part& part = piece.segment->parts[layout.layers[layer].group];
    const auto [keys, values] = part.rows.at(layout, layout.head(layer, kv_head), begin - part.begin);
    return KvRun{keys, values, begin, std::min(end, piece.end)};
  }
  return std::nullopt;
}

}  // namespace sain::engine
