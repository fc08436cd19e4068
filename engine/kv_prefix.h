// Keys and values of a conversation's beginning, which any number of conversations can share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/aligned_buffer.h"
#include "formats/result.h"
#include "kernels/attention/attention.h"

namespace sain::engine {

using kernels::KvType;

/// Which of the tokens up to itself a token sees in a layer. The others may be forgotten, so that a conversation can go
/// on without end.
struct KvRule {
  uint32_t window = 0;   // the last ones, itself included; 0: all
  uint32_t n_sinks = 0;  // where there is a window: the first ones too (StreamingLLM, arXiv 2309.17453)

  bool operator==(const KvRule&) const = default;

  /// The first position that a token at `position` sees, sinks aside.
  uint64_t window_begin(uint64_t position) const {
    return window != 0 && position + 1 > window ? position + 1 - window : 0;
  }

  /// Where a token at `position` stands among those that it sees. Its query meets the sinks as if it were there; the
  /// window is as far from it as it always was, so these keys stay as they are.
  uint64_t place(uint64_t position) const { return std::min<uint64_t>(position, uint64_t{n_sinks} + window - 1); }
};

/// What the rows of a cache are, and which layers keep the same positions. Caches of one layout can share.
struct KvLayout {
  struct Group {
    KvRule rule;
    uint32_t n_layers = 0;
    bool operator==(const Group&) const = default;
  };
  struct Layer {
    uint32_t group, index;
    bool operator==(const Layer&) const = default;
  };

  KvType type = KvType::kF16;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;
  size_t key_bytes = 0, value_bytes = 0;  // of a head's row
  KvRule rule = {};                       // of layers with no window of their own
  std::vector<Group> groups = {};         // one or two
  std::vector<Layer> layers = {};         // (n_layers)

  bool operator==(const KvLayout&) const = default;

  /// That of prefixes, which are complete in layers with no window of their own, whatever a cache forgets later.
  KvLayout of_prefix() const;

  /// Up to so many positions every layer sees all of them.
  uint64_t n_seen_by_all() const;

  /// Of a group's n_positions.
  size_t bytes(size_t group, uint64_t n_positions) const {
    return n_heads(group) * n_positions * (key_bytes + value_bytes);
  }
  size_t n_heads(size_t group) const { return size_t{groups[group].n_layers} * n_kv_heads; }
  /// Counts the heads of all the group's layers.
  size_t head(uint32_t layer, uint32_t kv_head) const { return size_t{layers[layer].index} * n_kv_heads + kv_head; }
};

/// Rows of a group's layers: (n_layers, n_kv_heads, 2, n_slots), keys and then values. A head's rows lie together:
/// with pages of 64 to 256 positions that lie apart, attention at a depth of 4000 took 45 % longer (head_dim 64, F16,
/// Zen 4), with pages of 1024 still 5 to 10 %.
struct KvRows {
  AlignedBuffer memory;
  size_t n_slots = 0;

  struct Pair {
    std::byte* key;
    std::byte* value;
  };

  /// Errors: kResourceExhausted.
  static Result<KvRows> allocate(const KvLayout& layout, size_t group, uint64_t n_slots);

  /// Where the rows of a head's slot begin; the next slot's follow.
  Pair at(const KvLayout& layout, size_t head, size_t slot) const {
    std::byte* keys = memory.as<std::byte>() + head * n_slots * (layout.key_bytes + layout.value_bytes);
    return {keys + slot * layout.key_bytes, keys + n_slots * layout.key_bytes + slot * layout.value_bytes};
  }
};

/// Rows of consecutive positions, key_bytes and value_bytes apart.
struct KvRun {
  const void* keys;
  const void* values;
  uint64_t begin, end;
};

/// Positions that never change again, so that any number of caches and threads may read them.
struct KvSegment {
  struct Part {
    uint64_t begin;  // slot 0
    KvRows rows;
  };
  std::vector<Part> parts;  // of each group: up to the segment's end, what is seen from there and somewhat before

  size_t bytes() const;

  /// Finds the positions [begin, end) of a layer's KV head, or as many of the first as lie together.
  using RunOf = std::function<KvRun(uint32_t layer, uint32_t kv_head, uint64_t begin, uint64_t end)>;
  /// A copy of the positions from firsts[group] up to `end`. Errors: kResourceExhausted.
  static Result<std::shared_ptr<const KvSegment>> copy(const KvLayout& layout, std::span<const uint64_t> firsts,
                                                       uint64_t end, const RunOf& run_of);
};

/// The first length() positions of a conversation. Copies are cheap, as they share the rows.
struct KvPrefix {
  struct Piece {
    std::shared_ptr<const KvSegment> segment;
    uint64_t end;  // it counts up to here
  };
  KvLayout layout;
  std::vector<Piece> pieces = {};

  uint64_t length() const { return pieces.empty() ? 0 : pieces.back().end; }

  /// Whether all that the position after the first n_positions (at most length()) sees of them is there.
  bool keeps(uint64_t n_positions) const;
  bool keeps(size_t group, uint64_t begin, uint64_t end) const;

  /// The first position of a group from which all are there.
  uint64_t first_kept(size_t group) const;

  /// The same in one piece, without what is kept for nothing. Errors: kResourceExhausted.
  Result<KvPrefix> compacted() const;

  /// Leaves the first n_positions, at most length().
  void truncate(uint64_t n_positions);

  /// The positions [begin, end) of a layer's KV head, or as many of the first as lie together; nothing from length()
  /// on.
  std::optional<KvRun> run(uint32_t layer, uint32_t kv_head, uint64_t begin, uint64_t end) const;
};

}  // namespace sain::engine
