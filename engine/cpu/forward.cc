#include "engine/cpu/forward.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/pack/pack.h"

namespace sain::engine::cpu {

using formats::Token;
namespace {

/// Tokens that share a pass over a KV head's positions: about 64 rows (tokens times query heads), which is enough to
/// make the conversion of keys and values small beside the products, and whose sums stay in a second-level cache.
size_t attention_block_tokens(const ModelConfig& config) {
  constexpr size_t kRows = 64;
  return std::max<size_t>(1, kRows * config.n_kv_heads / config.n_heads);
}

/// Parts that a token's positions are divided into, where threads would have nothing to do otherwise: at most these,
/// and with positions enough to outweigh the merging.
constexpr size_t kMaxParts = 16;
constexpr size_t kMinPart = 256;
constexpr uint64_t kWholeContext = uint64_t{1} << 62;  // a part of everything
/// Tasks for each thread, so that threads which start late or are interrupted do not hold up the others.
constexpr size_t kTasksPerThread = 3;

bool is_quantized(KvType type) {
  return type == KvType::kQ8_0 || type == KvType::kQ4_0;
}

/// What a block of tokens sees of a KV head: sinks and a window.
struct Ranges {
  static constexpr size_t kMost = 2 * KvCache::kMaxRuns + KeyCenters::kMaxBlocks;
  std::array<kernels::AttentionRange, kMost> ranges;
  size_t n = 0;

  /// The positions [begin, end). `centers`, if any, cut them into blocks.
  void add(const KvCache& cache, uint32_t layer, uint32_t kv_head, const KeyCenters* centers, uint64_t begin,
           uint64_t end, const float* queries, kernels::AttentionMask mask) {
    while (begin < end) {
      const uint64_t block_end = centers != nullptr ? std::min(end, centers->block_end(begin)) : end;
      const KvRun run = cache.run(layer, kv_head, begin, block_end);
      ranges[n++] = {queries, run.keys, run.values, run.begin, run.end, mask};
      begin = run.end;
    }
  }
};

}  // namespace

size_t prefill_batch(const ModelConfig& config, const Tuning& tuning) {
  const size_t token_bytes =
      sizeof(float) * (3 * config.d_model + 2 * config.q_dim() + 2 * config.kv_dim() + 2 * config.d_ff);
  return std::clamp<size_t>((size_t{tuning.activation_mib} << 20) / token_bytes / 48 * 48, 96, 480);
}

size_t alike_rows(const Model& model, Arithmetic arithmetic) {
  size_t rows = Forward::kMaxLogits;
  model.weights().for_each_matrix(
      [&](const WeightMatrix& w) { rows = std::min(rows, Matmul::alike_rows(model.kernels(), arithmetic, w)); });
  return rows;
}

Forward::Forward(const Model& model, ThreadPool& pool, const Adapter* adapter)
    : model_(&model),
      adapter_(adapter),
      pool_(&pool),
      rope_global_(model.config().rope, RopeKind::kGlobal, model.weights().rope_factors),
      rope_local_(model.config().rope, RopeKind::kLocal, {}) {}

Result<Forward> Forward::create(const Model& model, ThreadPool& pool, Arithmetic arithmetic, const Tuning& tuning,
                                const Adapter* adapter, size_t max_batch) {
  const ModelConfig& config = model.config();
  Forward forward(model, pool, adapter);
  forward.entries_.reserve(max_batch);
  forward.entry_of_row_.reserve(max_batch);
  const size_t longest_row = std::max({config.d_model, config.q_dim(), config.d_ff});
  SAIN_ASSIGN_OR_RETURN(forward.matmul_, Matmul::create(model.kernels(), pool, arithmetic, longest_row, max_batch,
                                                        tuning, adapter != nullptr ? adapter->max_rank() : 0));
  // A multiple of 16 floats, so that every thread's begins on a cache line if the whole does.
  const size_t block_rows = attention_block_tokens(config) * (config.n_heads / config.n_kv_heads);
  const size_t scratch_floats = (kernels::attention_scratch_floats(block_rows, config.head_dim) + 15) / 16 * 16;
  // One segment of a few tokens, or any number with as many together as a pass of several may have.
  const size_t n_divided = std::min(max_batch, std::max(kernels::kAttentionFewTokens, alike_rows(model, arithmetic)));
  const size_t part_rows = kMaxParts * n_divided * config.n_heads;

  struct Part {
    MatrixView<float>* view;
    size_t rows, cols;
  };
  const std::array<Part, 18> parts = {{
      {&forward.attention_scratch_, pool.n_threads(), scratch_floats},
      {&forward.shifts_, pool.n_threads(), Ranges::kMost * block_rows},
      {&forward.x_, max_batch, config.d_model},
      {&forward.normed_, max_batch, config.d_model},
      {&forward.q_, max_batch, config.q_dim()},
      {&forward.sink_q_, max_batch, config.q_dim()},
      {&forward.k_, max_batch, config.kv_dim()},
      {&forward.v_, max_batch, config.kv_dim()},
      {&forward.attended_, max_batch, config.q_dim()},
      {&forward.gate_, max_batch, config.d_ff},
      {&forward.up_, max_batch, config.d_ff},
      {&forward.delta_, max_batch, config.d_model},
      {&forward.angles_global_, max_batch, config.rope.rotary_dim},
      {&forward.angles_local_, max_batch, config.rope.rotary_dim},
      {&forward.angles_sinks_, max_batch, config.rope.rotary_dim},
      {&forward.part_max_, 1, part_rows},
      {&forward.part_sum_, 1, part_rows},
      {&forward.part_out_, part_rows, config.head_dim},
  }};
  size_t n_floats = 0;
  for (const Part& part : parts) n_floats += part.rows * part.cols;
  SAIN_ASSIGN_OR_RETURN(forward.memory_, AlignedBuffer::allocate(n_floats * sizeof(float), "activations"));
  float* next = forward.memory_.as<float>();
  for (const Part& part : parts) {
    *part.view = {next, part.rows, part.cols};
    next += part.rows * part.cols;
  }
  return forward;
}

bool Forward::run(std::span<const Segment> segments, uint32_t n_layers, ThreadPool::Turn* turn,
                  const std::stop_token& stop) {
  take(segments);
  bool is_stopped = false;
  for (uint32_t layer = 0; layer < n_layers && !is_stopped; ++layer) {
    attention_block(layer);
    ffn_block(layer);
    is_stopped = stop.stop_requested();
    if (turn != nullptr) turn->yield();
  }
  for (const Entry& entry : entries_) {
    const uint64_t length = entry.cache->length();
    entry.cache->advance(entry.n);
    if (is_stopped) entry.cache->truncate(length);  // what the batch has overwritten was out of sight before it
  }
  return !is_stopped;
}

/// Prepares a run of `segments`, up to its first layer.
void Forward::take(std::span<const Segment> segments) {
  n_ = 0;
  entries_.clear();
  entry_of_row_.clear();
  for (const Segment& segment : segments) {
    entry_of_row_.insert(entry_of_row_.end(), segment.tokens.size(), static_cast<uint32_t>(entries_.size()));
    entries_.push_back(
        {.cache = segment.cache, .all_centers = segment.centers, .first = n_, .n = segment.tokens.size()});
    embed(segment, n_);
    fill_angles(entries_.back());
    n_ += segment.tokens.size();
  }
}

void Forward::logits(const MatrixView<const float>& x, const MatrixView<float>& out) {
  const Weights& weights = model_->weights();
  const float cap = model_->config().logit_soft_cap;
  const MatrixView<float> normed(normed_.data, x.rows, normed_.cols);
  norm(x, weights.output_norm, normed);
  matmul_({{{&weights.output, nullptr, out, adapter_ != nullptr ? &adapter_->weights().output : nullptr}}}, normed);
  if (cap == 0) return;
  for (size_t t = 0; t < out.rows; ++t) {
    for (size_t i = 0; i < out.cols; ++i) out.row(t)[i] = cap * std::tanh(out.row(t)[i] / cap);
  }
}

/// `first`: the segment's first token among all of the run.
void Forward::embed(const Segment& segment, size_t first) {
  const WeightMatrix& embedding = model_->weights().token_embedding;
  const MatrixView<float> x(x_.row(first), segment.tokens.size(), x_.cols);
  const float scale = model_->config().embedding_scale;
  const size_t group_bytes =
      embedding.packed != nullptr ? kernels::packed_group_bytes(embedding.dtype, embedding.cols) : 0;
  for (size_t t = 0; t < x.rows; ++t) {
    const size_t row = static_cast<size_t>(segment.tokens[t]);
    if (embedding.packed != nullptr) {
      const std::byte* group = embedding.packed + row / kernels::kPackedRows * group_bytes;
      kernels::select_pack(embedding.dtype).row(group, row % kernels::kPackedRows, x.cols, x.row(t));
    } else {
      model_->kernels().dequantize[embedding.dtype](embedding.row(row), x.row(t), x.cols);
    }
  }
  if (adapter_ != nullptr && adapter_->weights().token_embedding) {
    matmul_.add_rows(adapter_->weights().token_embedding, segment.tokens, x);
  }
  if (scale == 1) return;
  for (size_t t = 0; t < x.rows; ++t) model_->kernels().elementwise.scale(scale, x.row(t), x.cols);
}

const LayerAdapter& Forward::adapter_of(uint32_t layer) const {
  static constexpr LayerAdapter kNone;
  return adapter_ != nullptr ? adapter_->weights().layers[layer] : kNone;
}

void Forward::fill_angles(const Entry& entry) {
  const KvRule& rule = entry.cache->rule();
  for (size_t t = entry.first; t < entry.first + entry.n; ++t) {
    const uint64_t position = entry.position(t);
    rope_global_.fill(position, angles_global_.row(t));
    if (model_->config().sliding_window != 0) rope_local_.fill(position, angles_local_.row(t));
    if (rule.n_sinks != 0) rope_global_.fill(rule.place(position), angles_sinks_.row(t));
  }
  if (is_quantized(entry.cache->type())) entry.all_centers->start(rope_global_, rule, entry.cache->length(), entry.n);
}

void Forward::attention_block(uint32_t layer) {
  const LayerWeights& w = model_->weights().layers[layer];
  const LayerAdapter& a = adapter_of(layer);
  norm(batch(x_), w.attention_norm, batch(normed_));
  matmul_(
      {{{&w.q, &w.q_bias, batch(q_), &a.q}, {&w.k, &w.k_bias, batch(k_), &a.k}, {&w.v, &w.v_bias, batch(v_), &a.v}}},
      batch(normed_));
  for (Entry& entry : entries_) {
    const bool has_centers = is_quantized(entry.cache->type()) && entry.all_centers->set_layer(layer);
    entry.centers = has_centers ? entry.all_centers : nullptr;
  }
  pool_->parallel_for(n_, 1, [&](unsigned, size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) append_to_cache(layer, t);
  });
  attend(layer);
  matmul_({{{&w.attention_output, &w.attention_output_bias, batch(delta_), &a.attention_output}}}, batch(attended_));
  add_residual(batch(delta_), w.post_attention_norm);
}

void Forward::ffn_block(uint32_t layer) {
  const LayerWeights& w = model_->weights().layers[layer];
  const LayerAdapter& a = adapter_of(layer);
  const kernels::KernelSet& kernels = model_->kernels();
  const kernels::GatedActivation activate =
      model_->config().activation == Activation::kSilu ? kernels.swiglu : kernels.geglu;
  norm(batch(x_), w.ffn_norm, batch(normed_));
  matmul_({{{&w.gate, &w.gate_bias, batch(gate_), &a.gate}, {&w.up, &w.up_bias, batch(up_), &a.up}}}, batch(normed_));
  pool_->parallel_for(n_, 1, [&](unsigned, size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) activate(gate_.row(t), up_.row(t), gate_.row(t), gate_.cols);
  });
  matmul_({{{&w.down, &w.down_bias, batch(delta_), &a.down}}}, batch(gate_));
  add_residual(batch(delta_), w.post_ffn_norm);
}

void Forward::norm(const MatrixView<const float>& x, const WeightVector& weight, const MatrixView<float>& y) {
  for (size_t t = 0; t < x.rows; ++t) {
    model_->kernels().rms_norm(x.row(t), weight.data(), model_->config().rms_epsilon, y.row(t), x.cols);
  }
}

/// x += delta, which is normalised first where the model says so (gemma).
void Forward::add_residual(const MatrixView<float>& delta, const WeightVector& post_norm) {
  if (!post_norm.empty()) norm(delta, post_norm, delta);
  for (size_t t = 0; t < n_; ++t) model_->kernels().elementwise.add(delta.row(t), x_.row(t), x_.cols);
}

/// Normalises the heads of a token's q and k (where the model does), turns them to its position, and stores k and v.
/// Rows that are rounded to few bits are Hadamard-transformed, and q as k is, so that their products stay the same.
void Forward::append_to_cache(uint32_t layer, size_t t) {
  const ModelConfig& config = model_->config();
  const LayerWeights& w = model_->weights().layers[layer];
  const kernels::KernelSet& kernels = model_->kernels();
  const kernels::RopeFn rotate =
      config.rope.layout == RopeLayout::kAdjacent ? kernels.rope.adjacent : kernels.rope.halves;
  const MatrixView<float>& angles = config.is_local[layer] ? angles_local_ : angles_global_;
  const Entry& entry = entry_of(t);
  KvCache& cache = *entry.cache;
  const bool has_sinks = cache.rule(layer).n_sinks != 0;
  const size_t spread = kernels::hadamard_block(config.head_dim);
  const auto norm_heads = [&](float* heads, size_t n_heads, const WeightVector& weight) {
    if (weight.empty()) return;
    for (size_t h = 0; h < n_heads; ++h) {
      float* head = heads + h * config.head_dim;
      kernels.rms_norm(head, weight.data(), config.rms_epsilon, head, config.head_dim);
    }
  };
  norm_heads(q_.row(t), config.n_heads, w.q_norm);
  norm_heads(k_.row(t), config.n_kv_heads, w.k_norm);
  if (has_sinks) {
    std::memcpy(sink_q_.row(t), q_.row(t), config.q_dim() * sizeof(float));
    rotate(sink_q_.row(t), config.n_heads, config.head_dim, angles_sinks_.row(t), config.rope.rotary_dim);
  }
  rotate(q_.row(t), config.n_heads, config.head_dim, angles.row(t), config.rope.rotary_dim);
  rotate(k_.row(t), config.n_kv_heads, config.head_dim, angles.row(t), config.rope.rotary_dim);
  if (is_quantized(cache.type())) {
    kernels.hadamard(q_.row(t), q_.cols, spread);
    if (has_sinks) kernels.hadamard(sink_q_.row(t), sink_q_.cols, spread);
    kernels.hadamard(k_.row(t), k_.cols, spread);
    if (entry.centers != nullptr) {
      kernels.elementwise.add(entry.centers->offset(entry.position(t)), k_.row(t), k_.cols);
    }
  }
  if (cache.type() == KvType::kQ4_0) kernels.hadamard(v_.row(t), v_.cols, spread);
  cache.store(kernels.attention, layer, entry.position(t), k_.row(t), v_.row(t));
}

/// Each query head attends to its group's key head: to all positions up to its own, or to the window's and the sinks.
void Forward::attend(uint32_t layer) {
  pool_->parallel_for(plan_attention(layer), 1, [&](unsigned thread, size_t task, size_t) {
    const auto next = std::ranges::upper_bound(entries_, task, {}, &Entry::first_task);
    attend_task(layer, *std::prev(next), task - std::prev(next)->first_task, thread);
  });
  for (const Entry& entry : entries_) {
    if (entry.n_parts > 1) merge_parts(entry);
  }
  const auto is_turned = [](const Entry& entry) { return entry.cache->type() == KvType::kQ4_0; };
  if (std::ranges::none_of(entries_, is_turned)) return;
  pool_->parallel_for(n_, 1, [&](unsigned, size_t begin, size_t end) {  // what the values were, they become again
    for (size_t t = begin; t < end; ++t) {
      if (!is_turned(entry_of(t))) continue;
      model_->kernels().hadamard(attended_.row(t), attended_.cols, kernels::hadamard_block(model_->config().head_dim));
    }
  });
}

/// Divides attention into tasks, and returns how many there are. A task is a segment's KV head, a block of tokens, and
/// one of the parts. Parts begin at multiples of their size, so that tokens of one pass see the same parts as if each
/// came alone.
size_t Forward::plan_attention(uint32_t layer) {
  const ModelConfig& config = model_->config();
  const size_t block = attention_block_tokens(config);
  size_t n_tasks = 0, n_rows = 0;
  for (Entry& entry : entries_) {
    const uint64_t length = entry.cache->length(), begin = entry.cache->rule(layer).window_begin(length);
    entry.n_blocks = (entry.n + block - 1) / block;
    entry.part_size = attention_part_size(entry.n, length + 1 - begin);
    entry.first_part = begin / entry.part_size;
    entry.n_parts = (length + entry.n - 1) / entry.part_size - entry.first_part + 1;
    entry.first_task = n_tasks;
    entry.first_row = n_rows;
    n_tasks += config.n_kv_heads * entry.n_blocks * entry.n_parts;
    if (entry.n_parts > 1) n_rows += entry.n * entry.n_parts * config.n_heads;
  }
  SAIN_CHECK(n_rows <= part_out_.rows);
  return n_tasks;
}

void Forward::attend_task(uint32_t layer, const Entry& entry, size_t task, unsigned thread) {
  const ModelConfig& config = model_->config();
  const KvCache& cache = *entry.cache;
  const KvRule& rule = cache.rule(layer);
  const size_t group = config.n_heads / config.n_kv_heads, block = attention_block_tokens(config);
  const size_t part = task % entry.n_parts;
  const uint32_t kv_head = static_cast<uint32_t>(task / entry.n_parts / entry.n_blocks);
  const size_t before = task / entry.n_parts % entry.n_blocks * block;  // of the segment's tokens
  const size_t first = entry.first + before, n_tokens = std::min(block, entry.n - before);
  const uint64_t position = entry.position(first), end = position + n_tokens;
  const uint64_t n_sinks = std::min<uint64_t>(rule.n_sinks, end);
  const uint64_t begin = std::max(rule.window_begin(position), n_sinks);
  const size_t column = kv_head * group * config.head_dim;
  const uint64_t part_begin = (entry.first_part + part) * entry.part_size;
  Ranges seen;
  if (part == 0) {
    seen.add(cache, layer, kv_head, entry.centers, 0, n_sinks, sink_q_.row(first) + column,
             kernels::AttentionMask::kCausal);
  }
  seen.add(cache, layer, kv_head, entry.centers, std::max(begin, part_begin),
           std::min(end, part_begin + entry.part_size), q_.row(first) + column, kernels::AttentionMask::kWindow);
  kernels::AttentionArgs args = {
      .ranges = seen.ranges.data(),
      .n_ranges = seen.n,
      .n_tokens = n_tokens,
      .group = group,
      .head_dim = config.head_dim,
      .query_stride = q_.stride,
      .key_stride = cache.key_bytes(),
      .value_stride = cache.value_bytes(),
      .position = position,
      .window = rule.window,
      .scale = config.attention_scale,
      .soft_cap = config.attention_soft_cap,
      .scratch = attention_scratch_.row(thread),
      .out = attended_.row(first) + column,
      .out_stride = attended_.stride,
      .partial = {},
  };
  if (entry.centers != nullptr) {
    find_shifts(*entry.centers, kv_head, args, {seen.ranges.data(), seen.n}, shifts_.row(thread));
  }
  if (entry.n_parts > 1) {
    const size_t row = entry.first_row + ((kv_head * entry.n + before) * entry.n_parts + part) * group;
    args.partial = {part_max_.data + row, part_sum_.data + row, entry.n_parts * group};
    args.out = part_out_.row(row);
    args.out_stride = entry.n_parts * group * config.head_dim;
  }
  model_->kernels().attention.for_type(cache.type())(args);
}

/// Gives the scores of each range what its keys lack: the queries' products with it, n_tokens * group of each range.
void Forward::find_shifts(const KeyCenters& centers, uint32_t kv_head, const kernels::AttentionArgs& args,
                          std::span<kernels::AttentionRange> ranges, float* shifts) const {
  for (kernels::AttentionRange& range : ranges) {
    range.shift = shifts;
    const float* offset = centers.offset(range.begin) + kv_head * args.head_dim;
    for (size_t t = 0; t < args.n_tokens; ++t) {
      const float* query = range.queries + t * args.query_stride;
      for (size_t h = 0; h < args.group; ++h, query += args.head_dim) {
        *shifts++ = -args.scale * model_->kernels().gemm_f32.dot(query, offset, args.head_dim);
      }
    }
  }
}

/// The positions of a part, where the first of a segment's tokens sees n_seen.
uint64_t Forward::attention_part_size(size_t n_tokens, uint64_t n_seen) const {
  const size_t n_kv_heads = model_->config().n_kv_heads, n_tasks = kTasksPerThread * pool_->n_threads();
  const size_t wanted = std::min((n_tasks + n_kv_heads - 1) / n_kv_heads, kMaxParts - 2);  // the ends may be cut off
  if (pool_->n_threads() == 1 || n_tokens > kernels::kAttentionFewTokens) return kWholeContext;
  return (n_seen / wanted / kMinPart + 1) * kMinPart;
}

/// A segment's part results, (n_kv_heads, tokens, n_parts, group) rows, into attended_.
void Forward::merge_parts(const Entry& entry) {
  const ModelConfig& config = model_->config();
  const size_t group = config.n_heads / config.n_kv_heads;
  for (size_t kv_head = 0; kv_head < config.n_kv_heads; ++kv_head) {
    for (size_t t = 0; t < entry.n; ++t) {
      const size_t row = entry.first_row + (kv_head * entry.n + t) * entry.n_parts * group;
      kernels::merge_attention(entry.n_parts, group, config.head_dim, part_max_.data + row, part_sum_.data + row,
                               part_out_.row(row), attended_.row(entry.first + t) + kv_head * group * config.head_dim);
    }
  }
}

}  // namespace sain::engine::cpu
