#include "engine/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace sain::engine {
namespace {

Result<KvRows> allocate(const KvLayout& layout, const KvLayout::Group& group, uint64_t n_slots) {
  const size_t bytes = size_t{group.n_layers} * layout.n_kv_heads * n_slots * (layout.key_bytes + layout.value_bytes);
  SAIN_ASSIGN_OR_RETURN(AlignedBuffer memory, AlignedBuffer::allocate(bytes, "the KV cache"));
  return KvRows{std::move(memory), n_slots};
}

KvLayout layout_of(const ModelConfig& config, const KvCacheOptions& options) {
  KvLayout layout = {.type = options.type,
                     .n_kv_heads = config.n_kv_heads,
                     .head_dim = config.head_dim,
                     .key_bytes = kernels::kv_row_bytes(kernels::key_type(options.type), config.head_dim),
                     .value_bytes = kernels::kv_row_bytes(options.type, config.head_dim),
                     .rule = options.rule};
  for (uint32_t layer = 0; layer < options.n_layers; ++layer) {
    const KvRule rule = config.is_local[layer] ? KvRule{.window = config.sliding_window} : options.rule;
    auto group = std::ranges::find(layout.groups, rule, &KvLayout::Group::rule);
    if (group == layout.groups.end()) group = layout.groups.insert(group, {.rule = rule});
    layout.layers.push_back({static_cast<uint32_t>(group - layout.groups.begin()), group->n_layers++});
  }
  return layout;
}

struct RowPair {
  std::byte* key;
  std::byte* value;
};

/// `head` counts those of all the group's layers.
RowPair row_pair(const KvLayout& layout, const KvRows& rows, size_t head, size_t slot) {
  std::byte* keys = rows.memory.as<std::byte>() + head * rows.n_slots * (layout.key_bytes + layout.value_bytes);
  return {keys + slot * layout.key_bytes, keys + rows.n_slots * layout.key_bytes + slot * layout.value_bytes};
}

}  // namespace

Result<KvCache> KvCache::create(const ModelConfig& config, const KvCacheOptions& options) {
  SAIN_CHECK(options.max_length != KvCacheOptions::kEndless || options.rule.window != 0);
  KvCache cache;
  cache.prefix_.layout = layout_of(config, options);
  cache.max_length_ = options.max_length;
  for (const KvLayout::Group& group : cache.layout().groups) {
    // What a batch sees: its own positions, and those that its first one sees before itself.
    const uint64_t seen = group.rule.window == 0 ? UINT64_MAX : uint64_t{group.rule.window} + options.max_batch - 1;
    const uint64_t n_sinks = group.rule.n_sinks, size = std::min(options.max_length, seen);
    SAIN_ASSIGN_OR_RETURN(KvRows rows, allocate(cache.layout(), group, n_sinks + size));
    cache.rings_.push_back({std::move(rows), n_sinks, size});
  }
  return cache;
}

size_t KvCache::bytes() const {
  size_t bytes = 0;
  for (const Ring& ring : rings_) bytes += ring.rows.memory.bytes();
  return bytes;
}

void KvCache::store(const kernels::Attention& kernels, uint32_t layer, uint64_t position, const float* key,
                    const float* value) {
  const kernels::StoreKvFn store_key = kernels.store_for_type(kernels::key_type(type()));
  const kernels::StoreKvFn store_value = kernels.store_for_type(type());
  const auto [group, index] = layout().layers[layer];
  const Ring& ring = rings_[group];
  const size_t head_dim = layout().head_dim, n_kv_heads = layout().n_kv_heads;
  for (size_t head = 0; head < n_kv_heads; ++head) {
    const RowPair rows = row_pair(layout(), ring.rows, index * n_kv_heads + head, ring.slot(position));
    store_key(key + head * head_dim, rows.key, head_dim);
    store_value(value + head * head_dim, rows.value, head_dim);
  }
}

void KvCache::advance(size_t n_positions) {
  length_ += n_positions;
  reached_ = std::max(reached_, length_);
}

KvCache::Run KvCache::run(uint32_t layer, uint32_t kv_head, uint64_t begin, uint64_t end) const {
  const auto [group, index] = layout().layers[layer];
  const size_t head = size_t{index} * layout().n_kv_heads + kv_head;
  const auto run_of = [&](const KvRows& rows, uint64_t slot, uint64_t run_end) -> Run {
    const auto [keys, values] = row_pair(layout(), rows, head, slot);
    return {keys, values, begin, std::min(end, run_end)};
  };
  for (const KvPrefix::Piece& piece : prefix_.pieces) {
    const KvSegment::Part& part = piece.segment->parts[group];
    if (begin < piece.end) return run_of(part.rows, begin - part.begin, piece.end);
  }
  const Ring& ring = rings_[group];
  return run_of(ring.rows, ring.slot(begin), ring.run_end(begin));
}

bool KvCache::truncate(uint64_t n_positions) {
  if (n_positions >= length_) return true;
  for (size_t group = 0; group < rings_.size(); ++group) {
    if (!keeps(group, n_positions)) return false;
  }
  std::vector<KvPrefix::Piece>& pieces = prefix_.pieces;
  while (pieces.size() > 1 && pieces[pieces.size() - 2].end >= n_positions) pieces.pop_back();
  if (!pieces.empty()) pieces.back().end = std::min(pieces.back().end, n_positions);
  if (n_positions == 0) pieces.clear();
  length_ = n_positions;
  if (length_ == prefix_.length()) reached_ = length_;
  return true;
}

/// Whether all that the position after the first n_positions sees is still there.
bool KvCache::keeps(size_t group, uint64_t n_positions) const {
  const uint64_t begin = layout().groups[group].rule.window_begin(n_positions);
  uint64_t shared = 0;
  for (const KvPrefix::Piece& piece : prefix_.pieces) {
    const uint64_t first = std::max(begin, shared);
    shared = std::min(piece.end, n_positions);
    if (first < shared && first < piece.segment->parts[group].begin) return false;
  }
  const Ring& ring = rings_[group];
  const uint64_t first = std::max({begin, shared, ring.n_sinks});
  return first >= n_positions || first + ring.size >= reached_;
}

Result<KvPrefix> KvCache::share() {
  for (const auto& [rule, n_layers] : layout().groups) {
    if (rule.n_sinks != 0 && length_ > uint64_t{rule.n_sinks} + rule.window) {
      return make_error(ErrorCode::kInvalidArgument, "a stream of {} tokens has forgotten some: {} would be complete",
                        length_, rule.n_sinks + rule.window);
    }
  }
  if (length_ == prefix_.length()) return prefix_;
  if (prefix_.pieces.size() < kMaxPieces) {
    SAIN_ASSIGN_OR_RETURN(auto segment, copy_from(prefix_.length()));
    prefix_.pieces.push_back({std::move(segment), length_});
  } else {
    SAIN_ASSIGN_OR_RETURN(auto segment, copy_from(0));
    prefix_.pieces.assign({{std::move(segment), length_}});
  }
  reached_ = length_;
  return prefix_;
}

/// The positions from `begin` on, of each group those that later positions see.
Result<std::shared_ptr<const KvSegment>> KvCache::copy_from(uint64_t begin) const {
  auto segment = std::make_shared<KvSegment>();
  for (const KvLayout::Group& group : layout().groups) {
    const uint64_t first = group.rule.n_sinks != 0 ? begin : std::max(begin, group.rule.window_begin(length_));
    SAIN_ASSIGN_OR_RETURN(KvRows rows, allocate(layout(), group, length_ - first));
    segment->parts.push_back({first, std::move(rows)});
  }
  for (uint32_t layer = 0; layer < layout().layers.size(); ++layer) {
    const auto [group, index] = layout().layers[layer];
    const auto& [first, rows] = segment->parts[group];
    for (uint32_t kv_head = 0; kv_head < layout().n_kv_heads; ++kv_head) {
      for (uint64_t at = first; at < length_;) {
        const Run from = run(layer, kv_head, at, length_);
        const RowPair to = row_pair(layout(), rows, index * layout().n_kv_heads + kv_head, at - first);
        std::memcpy(to.key, from.keys, (from.end - at) * key_bytes());
        std::memcpy(to.value, from.values, (from.end - at) * value_bytes());
        at = from.end;
      }
    }
  }
  return segment;
}

bool KvCache::adopt(const KvPrefix& prefix) {
  if (prefix.length() > max_length_ || !(prefix.layout == layout())) return false;
  prefix_ = prefix;
  length_ = reached_ = prefix.length();
  return true;
}

}  // namespace sain::engine
