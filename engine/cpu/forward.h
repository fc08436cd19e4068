// The transformer's forward pass on the CPU.
#pragma once

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

/// Owns the activations of up to max_batch() tokens. All memory is taken by create(); run() and logits() allocate
/// nothing. Refers to its Model and ThreadPool, which must outlive it.
class Forward {
 public:
  static constexpr size_t kMaxLogits = 64;  // rows a logits()

  /// `adapter`, if there is one, fits the model and outlives it.
  static Result<Forward> create(const Model& model, ThreadPool& pool, Arithmetic arithmetic, const Tuning& tuning = {},
                                const Adapter* adapter = nullptr);

  /// Tokens that a run() takes at most: at least kMaxLogits, more for small models.
  size_t max_batch() const { return x_.rows; }

  /// Up to so many tokens a run() gives each the same bits as it would get alone, where every layer sees all of them
  /// (KvLayout::n_seen_by_all). At least 1.
  size_t alike_batch() const { return alike_batch_; }

  /// Of the turns that it takes from now on.
  void set_priority(TurnPriority priority) { priority_ = priority; }

  /// Takes `tokens` (1 to max_batch()) through the first `n_layers` layers at the positions that follow cache.length(),
  /// and appends their keys and values to `cache`, which must have room for them. After each layer other threads that
  /// share the pool get their turn, and it looks at `stop`: after a request it returns false, and nothing is appended.
  bool run(std::span<const formats::Token> tokens, KvCache& cache, uint32_t n_layers, const std::stop_token& stop = {});

  /// The hidden state (d_model) of the last run's token `t`, after its last layer.
  std::span<const float> hidden(size_t t) const { return {x_.row(t), x_.cols}; }

  /// Logits of the last run's tokens [first, first + count), count <= kMaxLogits: (count, vocab_size), until the
  /// next call.
  MatrixView<float> logits(size_t first, size_t count);

 private:
  Forward(const Model& model, ThreadPool& pool, const Adapter* adapter);
  const LayerAdapter& adapter_of(uint32_t layer) const;
  void embed(std::span<const formats::Token> tokens);
  void fill_angles(const KvCache& cache);
  void attention_block(uint32_t layer, KvCache& cache);
  void ffn_block(uint32_t layer);
  void norm(const MatrixView<float>& x, const WeightVector& weight, const MatrixView<float>& y);
  void add_residual(const MatrixView<float>& delta, const WeightVector& post_norm);
  void append_to_cache(uint32_t layer, KvCache& cache, const KeyCenters* centers);
  void attend(uint32_t layer, const KvCache& cache, const KeyCenters* centers);
  void find_shifts(const KeyCenters& centers, uint32_t kv_head, const kernels::AttentionArgs& args,
                   std::span<kernels::AttentionRange> ranges, float* shifts) const;
  uint64_t attention_part_size(uint64_t n_seen) const;
  void merge_parts(size_t n_parts);
  MatrixView<float> batch(const MatrixView<float>& whole) const { return {whole.data, n_, whole.cols, whole.stride}; }

  const Model* model_;
  const Adapter* adapter_;  // or nullptr
  ThreadPool* pool_;
  TurnPriority priority_ = TurnPriority::kInteractive;
  Matmul matmul_;
  RopeTable rope_global_, rope_local_;
  size_t alike_batch_ = kernels::kAttentionFewTokens;
  KeyCenters centers_;
  size_t n_ = 0;  // tokens of the current run

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
  MatrixView<float> logits_;                        // (kMaxLogits, vocab_size)
};

}  // namespace sain::engine::cpu
