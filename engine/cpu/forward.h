// The transformer's forward pass on the CPU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/adapter.h"
#include "engine/aligned_buffer.h"
#include "engine/cpu/key_centers.h"
#include "engine/cpu/matmul.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/rope_table.h"
#include "engine/thread_pool.h"
#include "engine/tuning.h"
#include "kernels/matrix_view.h"

namespace sain::engine::cpu {

/// How many tokens of prefill pass through the weights at once: as many as have tuning.activation_mib of activations,
/// a multiple of 48 from 96 to 480. The longer a batch, the less often the weights pass.
size_t prefill_batch(const ModelConfig& config, const Tuning& tuning);

/// Up to so many tokens of a pass, of whatever conversations, get the same bits of every product as each would alone:
/// at least 3, at most Forward::kMaxLogits, by types and instruction set.
size_t alike_rows(const Model& model, Arithmetic arithmetic);

/// What a pass appends to a conversation.
struct Segment {
  std::span<const formats::Token> tokens;  // at the positions that follow cache->length()
  KvCache* cache = nullptr;                // with room for them
  KeyCenters* centers = nullptr;           // of that cache
};

/// Owns the activations of up to max_batch() tokens. All memory is taken by create(); run() and logits() allocate
/// nothing. Refers to its Model and ThreadPool, which must outlive it. Used by one thread at a time, which has a turn
/// of the pool.
class Forward {
 public:
  static constexpr size_t kMaxLogits = 64;  // rows a logits()

  /// `adapter`, if there is one, fits the model and outlives it. `max_batch`: at most prefill_batch().
  static Result<Forward> create(const Model& model, ThreadPool& pool, Arithmetic arithmetic, const Tuning& tuning,
                                const Adapter* adapter, size_t max_batch);

  /// Tokens that a run() takes at most.
  size_t max_batch() const { return x_.rows; }

  /// Takes the tokens of one segment, or of several with at most alike_rows() together, through the first `n_layers`
  /// layers, and appends their keys and values to their caches. What a segment gets does not depend on the others. Up
  /// to kAttentionFewTokens of its tokens, if alike_rows(), get the same bits as each would get alone, where every
  /// layer sees all of them (KvLayout::n_seen_by_all). After each layer others have their turn before `turn` goes on,
  /// if that is given, and it looks at `stop`: after a request it returns false, and nothing is appended.
  bool run(std::span<const Segment> segments, uint32_t n_layers, ThreadPool::Turn* turn = nullptr,
           const std::stop_token& stop = {});

  /// The hidden states (n, d_model) of the last run's tokens, after its last layer: those of one segment, and then of
  /// the next.
  MatrixView<const float> hidden() const { return {x_.data, n_, x_.cols}; }

  /// Logits after the hidden states `x` (n, d_model), at most kMaxLogits and max_batch(): (n, vocab_size), into `out`.
  void logits(const MatrixView<const float>& x, const MatrixView<float>& out);

 private:
  /// What a run knows of a segment.
  struct Entry {
    KvCache* cache;
    KeyCenters* all_centers;
    size_t first, n;                      // of the run's tokens
    const KeyCenters* centers = nullptr;  // of the current layer; nullptr: none
    // Attention in the current layer. Positions are divided into parts, which begin at multiples of their size.
    uint64_t part_size = 0, first_part = 0;
    size_t n_parts = 0, n_blocks = 0;
    size_t first_task = 0, first_row = 0;  // among all tasks, and all results of parts

    uint64_t position(size_t t) const { return cache->length() + (t - first); }
  };

  Forward(const Model& model, ThreadPool& pool, const Adapter* adapter);
  const LayerAdapter& adapter_of(uint32_t layer) const;
  const Entry& entry_of(size_t t) const { return entries_[entry_of_row_[t]]; }
  void take(std::span<const Segment> segments);
  void embed(const Segment& segment, size_t first);
  void fill_angles(const Entry& entry);
  void attention_block(uint32_t layer);
  void ffn_block(uint32_t layer);
  void norm(const MatrixView<const float>& x, const WeightVector& weight, const MatrixView<float>& y);
  void add_residual(const MatrixView<float>& delta, const WeightVector& post_norm);
  void append_to_cache(uint32_t layer, size_t t);
  void attend(uint32_t layer);
  size_t plan_attention(uint32_t layer);
  void attend_task(uint32_t layer, const Entry& entry, size_t task, unsigned thread);
  void find_shifts(const KeyCenters& centers, uint32_t kv_head, const kernels::AttentionArgs& args,
                   std::span<kernels::AttentionRange> ranges, float* shifts) const;
  uint64_t attention_part_size(size_t n_tokens, uint64_t n_seen) const;
  void merge_parts(const Entry& entry);
  MatrixView<float> batch(const MatrixView<float>& whole) const { return {whole.data, n_, whole.cols, whole.stride}; }

  const Model* model_;
  const Adapter* adapter_;  // or nullptr
  ThreadPool* pool_;
  Matmul matmul_;
  RopeTable rope_global_, rope_local_;
  size_t n_ = 0;  // tokens of the current run
  std::vector<Entry> entries_;
  std::vector<uint32_t> entry_of_row_;  // (n_): which of entries_

  AlignedBuffer memory_;                            // backs the views below
  MatrixView<float> x_;                             // (max_batch, d_model): the residual stream
  MatrixView<float> normed_;                        // (max_batch, d_model)
  MatrixView<float> q_, k_, v_;                     // (max_batch, q_dim), (max_batch, kv_dim) twice
  MatrixView<float> sink_q_;                        // (max_batch, q_dim): q as it meets the sinks
  MatrixView<float> attended_;                      // (max_batch, q_dim)
  MatrixView<float> gate_, up_;                     // (max_batch, d_ff)
  MatrixView<float> delta_;                         // (max_batch, d_model): what a block adds to the residual stream
  MatrixView<float> angles_global_, angles_local_;  // (max_batch, rotary_dim): pairs (cos, sin)
  MatrixView<float> angles_sinks_;                  // likewise, of sink_q_
  MatrixView<float> attention_scratch_;             // (n_threads, scratch of a block of attention)
  MatrixView<float> shifts_;                        // (n_threads, those of a block's ranges)
  MatrixView<float> part_max_, part_sum_;           // (1, rows): of a split attention, see merge_parts()
  MatrixView<float> part_out_;                      // (rows, head_dim)
};

}  // namespace sain::engine::cpu
