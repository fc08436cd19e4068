// Keys and values of the tokens that a conversation has seen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/aligned_buffer.h"
#include "engine/model_config.h"
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

struct KvCacheOptions {
  static constexpr uint64_t kEndless = UINT64_MAX;

  uint32_t n_layers = 0;    // the model's first ones
  uint64_t max_length = 0;  // positions that there will be, at most; kEndless: only with a window
  KvRule rule = {};         // of layers with no window of their own; the others see theirs, and no sinks
  uint32_t max_batch = 0;   // positions that are appended at once, at most
  KvType type = KvType::kF16;
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
  size_t key_bytes = 0, value_bytes = 0;  // of a row
  KvRule rule = {};                       // of layers with no window of their own
  std::vector<Group> groups = {};         // one or two
  std::vector<Layer> layers = {};         // (n_layers)

  bool operator==(const KvLayout&) const = default;
};

/// Rows of a group's layers: (n_layers, n_kv_heads), of each n_slots keys and then n_slots values. A head's lie
/// together: with pages of 64 to 256 positions that lie apart, attention at a depth of 4000 took 45 % longer (head_dim
/// 64, F16, Zen 4), with pages of 1024 still 5 to 10 %.
struct KvRows {
  AlignedBuffer memory;
  size_t n_slots = 0;
};

/// Positions that never change again, so that any number of caches and threads may read them.
struct KvSegment {
  struct Part {
    uint64_t begin;  // slot 0
    KvRows rows;
  };
  std::vector<Part> parts;  // of each group: up to the segment's end, what is seen from there
};

/// The first length() positions of a conversation. Copies are cheap, as they share the rows.
struct KvPrefix {
  struct Piece {
    std::shared_ptr<const KvSegment> segment;
    uint64_t end;  // it counts up to here
  };
  KvLayout layout;
  std::vector<Piece> pieces;

  uint64_t length() const { return pieces.empty() ? 0 : pieces.back().end; }
};

/// A prefix that others may share, which may be empty, and what has been appended to it. The latter is in memory of the
/// cache's own, all of which create() takes: the sinks, and then a ring. Used by one thread at a time, except that
/// store() and run() may come from several.
class KvCache {
 public:
  static constexpr size_t kMaxPieces = 4;             // of the prefix
  static constexpr size_t kMaxRuns = kMaxPieces + 2;  // see run(): the ring begins again at most once

  /// Errors: kResourceExhausted.
  static Result<KvCache> create(const ModelConfig& config, const KvCacheOptions& options);

  uint64_t length() const { return length_; }  // positions that hold a token, in all layers
  uint64_t max_length() const { return max_length_; }
  KvType type() const { return layout().type; }
  size_t key_bytes() const { return layout().key_bytes; }
  size_t value_bytes() const { return layout().value_bytes; }
  size_t bytes() const;                                 // of its own memory
  const KvRule& rule() const { return layout().rule; }  // of layers with no window of their own
  const KvRule& rule(uint32_t layer) const { return layout().groups[layout().layers[layer].group].rule; }

  /// Writes the key and value (kv_dim floats each) of `position`: one of the max_batch from length() on.
  void store(const kernels::Attention& kernels, uint32_t layer, uint64_t position, const float* key,
             const float* value);

  /// The next n_positions are stored in all layers.
  void advance(size_t n_positions);

  /// Rows of consecutive positions, key_bytes() and value_bytes() apart.
  struct Run {
    const void* keys;
    const void* values;
    uint64_t begin, end;
  };

  /// The positions [begin, end) of a layer's KV head, or as many of the first as lie together. Each is a sink, or seen
  /// by one from length() on.
  Run run(uint32_t layer, uint32_t kv_head, uint64_t begin, uint64_t end) const;

  /// Forgets all but the first n_positions. False, and nothing changes, where the next one would see what has been
  /// overwritten.
  bool truncate(uint64_t n_positions);

  /// What it holds, for other caches or later. Copies what has been appended since the last time; the cache itself goes
  /// on with the copy. Errors: kInvalidArgument (a stream that has forgotten tokens), kResourceExhausted.
  Result<KvPrefix> share();

  /// Holds what `prefix` does, and nothing else; copies nothing. False, and nothing changes, where that is longer than
  /// max_length() or of another layout.
  bool adopt(const KvPrefix& prefix);

 private:
  /// Slots of the sinks, and then of all other positions in turn.
  struct Ring {
    KvRows rows;
    uint64_t n_sinks, size;

    uint64_t slot(uint64_t position) const {
      return position < n_sinks ? position : n_sinks + (position - n_sinks) % size;
    }
    uint64_t run_end(uint64_t position) const {
      return position < n_sinks ? n_sinks + size : position + size - (position - n_sinks) % size;
    }
  };

  const KvLayout& layout() const { return prefix_.layout; }
  bool keeps(size_t group, uint64_t n_positions) const;
  Result<std::shared_ptr<const KvSegment>> copy_from(uint64_t begin) const;

  KvPrefix prefix_;
  std::vector<Ring> rings_;  // of each group: the positions from prefix_.length() on
  uint64_t length_ = 0;
  uint64_t reached_ = 0;  // the greatest length since the prefix: what was overwritten stays so when length falls
  uint64_t max_length_ = 0;
};

}  // namespace sain::engine
