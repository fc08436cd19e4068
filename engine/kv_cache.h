// Keys and values of the tokens that a conversation has seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kv_prefix.h"
#include "engine/model_config.h"
#include "formats/result.h"
#include "kernels/attention/attention.h"

namespace sain::engine {

struct KvCacheOptions {
  static constexpr uint64_t kEndless = UINT64_MAX;

  uint32_t n_layers = 0;    // the model's first ones
  uint64_t max_length = 0;  // positions that there will be, at most; kEndless: only with a window
  KvRule rule = {};         // of layers with no window of their own; the others see theirs, and no sinks
  uint32_t max_batch = 0;   // positions that are appended at once, at most
  KvType type = KvType::kF16;
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
  const KvLayout& layout() const { return layout_; }
  KvType type() const { return layout_.type; }
  size_t key_bytes() const { return layout_.key_bytes; }
  size_t value_bytes() const { return layout_.value_bytes; }
  size_t bytes() const;                                // of its own memory
  const KvRule& rule() const { return layout_.rule; }  // of layers with no window of their own
  const KvRule& rule(uint32_t layer) const { return layout_.groups[layout_.layers[layer].group].rule; }

  /// Writes the key and value (kv_dim floats each) of `position`: one of the max_batch from length() on.
  void store(const kernels::Attention& kernels, uint32_t layer, uint64_t position, const float* key,
             const float* value);

  /// The next n_positions are stored in all layers.
  void advance(size_t n_positions);

  /// The positions [begin, end) of a layer's KV head, or as many of the first as lie together. Each is a sink, or seen
  /// by one from length() on.
  KvRun run(uint32_t layer, uint32_t kv_head, uint64_t begin, uint64_t end) const;

  /// Forgets all but the first n_positions. False, and nothing changes, where the next one would see what has been
  /// overwritten.
  bool truncate(uint64_t n_positions);

  /// What it holds, for other caches or later. Copies what has been appended since the last time; the cache itself goes
  /// on with the copy. Errors: kInvalidArgument (a stream that has forgotten tokens), kResourceExhausted.
  Result<KvPrefix> share();

  /// Holds what `prefix` does, and nothing else; copies nothing. False, and nothing changes, where that is longer than
  /// max_length() or of another layout (see KvLayout::of_prefix).
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

  bool keeps(size_t group, uint64_t n_positions) const;
  Result<std::shared_ptr<const KvSegment>> copy_from(uint64_t begin) const;

  KvLayout layout_;
  KvPrefix prefix_;
  std::vector<Ring> rings_;  // of each group: the positions from prefix_.length() on
  uint64_t length_ = 0;
  uint64_t reached_ = 0;  // the greatest length since the prefix: what was overwritten stays so when length falls
  uint64_t max_length_ = 0;
};

}  // namespace sain::engine
