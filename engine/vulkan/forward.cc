#include "engine/vulkan/forward.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sain::engine::vulkan {
namespace {

using shaders::DecodeState;

constexpr uint32_t kSplits = 8;        // at most kMostSplits
constexpr uint32_t kSplitsFrom = 512;  // slots; below, merging costs more than it gains

constexpr uint32_t kSmallBatch = 64;
constexpr uint32_t kMatrixFrom = 4;  // tokens: fewer are faster through product.comp
constexpr uint32_t kMostLists = 16;  // of appended batches

uint32_t splits_of(uint32_t n_slots, uint32_t n_tokens) {
  return n_tokens == 1 && n_slots >= kSplitsFrom ? kSplits : 1;
}

}  // namespace

Forward::Forward(Device& device, Pipelines& pipelines, const DeviceWeights& weights, const Model& model,
                 const ForwardOptions& options)
    : device_(&device),
      pipelines_(&pipelines),
      operators_(device, pipelines),
      weights_(&weights),
      model_(&model),
      options_(options),
      memory_(device, MemoryKind::kDevice, 0),
      caches_(weights.layers.size()),
      to_device_(device, MemoryKind::kUpload, 0),
      to_host_(device, MemoryKind::kReadback, 0) {}

Result<std::unique_ptr<Forward>> Forward::create(Device& device, Pipelines& pipelines, const DeviceWeights& weights,
                                                 const Model& model, const ForwardOptions& options) {
  std::unique_ptr<Forward> forward(new Forward(device, pipelines, weights, model, options));
  // The more tokens share a read of the weights the better, but where compute is slow a batch should end soon.
  forward->batch_ = forward->can_matrix() ? kMaxBatch : kSmallBatch;
  forward->is_whole_ = forward->can_layers();
  SAIN_RETURN_IF_ERROR(forward->allocate());
  SAIN_RETURN_IF_ERROR(forward->record_decode());
  return forward;
}

Status Forward::make_pipelines(Device& device, Pipelines& pipelines, const DeviceWeights& weights, const Model& model) {
  SAIN_ASSIGN_OR_RETURN(const auto forward, create(device, pipelines, weights, model, {.max_length = kMaxBatch}));
  for (const uint32_t n_tokens : {kMatrixFrom - 1, forward->batch_ / 4, forward->batch_}) {
    SAIN_RETURN_IF_ERROR(forward->list_of(n_tokens, false));
  }
  if (!weights.part.gives_logits) return {};
  for (const Choice choice : {Choice::kTopK, Choice::kAll}) SAIN_RETURN_IF_ERROR(forward->draw_list_of(choice));
  return {};
}

Status Forward::allocate() {
  const ModelConfig& config = model_->config();
  struct Part {
    Slice* slice;
    uint64_t bytes;
  };
  constexpr uint64_t kFloat = sizeof(float);
  const uint64_t batch = batch_;
  std::vector<Part> parts = {
      {&tokens_, batch * sizeof(uint32_t)},
      {&state_, sizeof(DecodeState)},
      {&x_, batch * config.d_model * kFloat},
      {&qkv_, batch * (config.q_dim() + 2 * config.kv_dim()) * kFloat},
      {&q_, 2 * batch * config.q_dim() * kFloat},
      {&attended_, batch * config.q_dim() * kFloat},
      {&gate_, batch * config.d_ff * kFloat},
      {&delta_, batch * config.d_model * kFloat},
      {&last_, config.d_model * kFloat},
      {&x8_, quantized_bytes(config.d_model)},
      {&attended8_, quantized_bytes(config.q_dim())},
      {&gate8_, quantized_bytes(config.d_ff)},
      {&parts_, uint64_t{kMostSplits} * config.n_heads * (config.head_dim + 2) * kFloat},
      {&counts_, config.n_heads * sizeof(uint32_t)},
      {&pairs_, std::max(Operators::argmax_bytes(), Operators::sample_bytes())},
      {&sampling_state_, sizeof(shaders::SamplingState)},
  };
  if (weights_->part.gives_logits) parts.push_back({&logits_, config.vocab_size * kFloat});
  if (can_matrix()) {
    parts.push_back({&x16_, batch * config.d_model * sizeof(uint16_t)});
    parts.push_back({&attended16_, batch * config.q_dim() * sizeof(uint16_t)});
    parts.push_back({&gate16_, batch * config.d_ff * sizeof(uint16_t)});
  }
  if (is_whole_) {
    parts.push_back({&addresses_, n_layers() * shaders::kTensors * sizeof(VkDeviceAddress)});
    parts.push_back({&exchange_, operators_.exchange_bytes(layers_of())});
  }
  for (uint32_t layer = 0; layer < n_layers(); ++layer) {
    parts.push_back({&caches_[layer], kv_cache_bytes(config.n_kv_heads, slots_of(layer), config.head_dim)});
  }
  constexpr uint64_t kRounding = 256;
  uint64_t sum = 0;
  for (const Part& part : parts) sum += part.bytes + kRounding;
  memory_ = Arena(*device_, MemoryKind::kDevice, sum);
  for (const Part& part : parts) {
    SAIN_ASSIGN_OR_RETURN(*part.slice, memory_.allocate(part.bytes));
  }
  SAIN_ASSIGN_OR_RETURN(tokens_in_, to_device_.allocate(tokens_.bytes));
  SAIN_ASSIGN_OR_RETURN(state_in_, to_device_.allocate(state_.bytes));
  SAIN_ASSIGN_OR_RETURN(const Slice sampling_in, to_device_.allocate(sampling_state_.bytes));
  sampling_ = Sampling(sampling_in);
  SAIN_ASSIGN_OR_RETURN(state_out_, to_host_.allocate(state_.bytes));
  for (Decode& decode : decodes_) {
    SAIN_ASSIGN_OR_RETURN(decode.state_out, to_host_.allocate(state_.bytes));
  }
  if (logits_) {
    SAIN_ASSIGN_OR_RETURN(logits_out_, to_host_.allocate(logits_.bytes));
  } else {
    SAIN_ASSIGN_OR_RETURN(states_out_, to_host_.allocate(x_.bytes));
  }
  if (!weights_->part.takes_tokens) {
    SAIN_ASSIGN_OR_RETURN(states_in_, to_device_.allocate(x_.bytes));
  }
  SAIN_ASSIGN_OR_RETURN(CommandList list, CommandList::create(*device_, *pipelines_));
  for (const Slice& cache : caches_) list.clear(cache);  // so that weights of 0 make 0 of whatever is there
  list.clear(counts_);
  if (is_whole_) SAIN_RETURN_IF_ERROR(place_addresses(list));
  SAIN_RETURN_IF_ERROR(list.finish());
  return list.run();
}

KvRule Forward::rule_of(uint32_t layer) const {
  return is_local(layer) ? KvRule{model_->config().sliding_window, 0} : options_.rule;
}

/// A batch's last token must leave what its first one sees. Whole blocks of 16, for matrices.
uint32_t Forward::slots_of(uint32_t layer) const {
  const KvRule rule = rule_of(layer);
  const uint32_t ring = rule.n_sinks + rule.window + batch_ - 1;
  const bool is_ring = rule.window != 0 && (options_.rule.window != 0 || ring < options_.max_length);
  return ((is_ring ? ring : options_.max_length) + 15) / 16 * 16;
}

uint64_t Forward::room() const {
  return options_.rule.window != 0 ? UINT64_MAX : options_.max_length - length_;
}

Status Forward::check_room(uint64_t n) const {
  if (n <= room()) return {};
  return make_error(ErrorCode::kResourceExhausted, "the context of {} tokens is full: {} more than that",
                    options_.max_length, n - room());
}

Status Forward::append(std::span<const formats::Token> tokens, bool brings_logits) {
  abandon();
  SAIN_RETURN_IF_ERROR(check_room(tokens.size()));
  for (formats::Token token : tokens) {
    if (token < 0 || static_cast<uint32_t>(token) >= model_->config().vocab_size) {
      return make_error(ErrorCode::kInvalidArgument, "token {} is not one of the {} of the vocabulary", token,
                        model_->config().vocab_size);
    }
  }
  choice_ = Choice::kLikeliest;
  for (size_t at = 0; at < tokens.size(); at += batch_) {
    const std::span<const formats::Token> batch = tokens.subspan(at, std::min<size_t>(tokens.size() - at, batch_));
    SAIN_RETURN_IF_ERROR(start_batch(batch, {}, brings_logits && at + batch.size() == tokens.size()));
    SAIN_RETURN_IF_ERROR(finish_batch());
  }
  return {};
}

Status Forward::start_batch(std::span<const formats::Token> tokens, const MatrixView<const float>& states,
                            bool brings_logits) {
  SAIN_RETURN_IF_ERROR(check_room(tokens.size()));
  n_batch_ = static_cast<uint32_t>(tokens.size());
  batch_brings_logits_ = brings_logits;
  SAIN_ASSIGN_OR_RETURN(CommandList * list, list_of(n_batch_, brings_logits));
  DecodeState state = {};
  state.position = static_cast<uint32_t>(length_);
  std::memcpy(state_in_.mapped, &state, sizeof state);
  if (weights_->part.takes_tokens) {
    std::memcpy(tokens_in_.mapped, tokens.data(), tokens.size_bytes());
  } else {
    std::memcpy(states_in_.mapped, states.data, states.rows * states.cols * sizeof(float));
  }
  return list->start(1);
}

Result<MatrixView<const float>> Forward::finish_batch() {
  SAIN_ASSIGN_OR_RETURN(CommandList * list, list_of(n_batch_, batch_brings_logits_));
  SAIN_RETURN_IF_ERROR(list->wait());
  look(state_out_);
  if (chosen_.stalled != 0) {
    SAIN_RETURN_IF_ERROR(leave_whole_layers());
    SAIN_ASSIGN_OR_RETURN(list, list_of(n_batch_, batch_brings_logits_));
    SAIN_RETURN_IF_ERROR(list->run());
    look(state_out_);
  }
  has_logits_ = batch_brings_logits_;
  advance(n_batch_);
  const uint32_t d_model = model_->config().d_model;
  return MatrixView<const float>{reinterpret_cast<const float*>(states_out_.mapped), n_batch_, d_model, d_model};
}

Result<std::vector<formats::Token>> Forward::append_likeliest(uint32_t n) {
  SAIN_CHECK(started_.empty());
  SAIN_RETURN_IF_ERROR(start_likeliest(n));
  return finish_likeliest();
}

Status Forward::start_likeliest(uint32_t n) {
  SAIN_CHECK(n > 0 && n <= shaders::kHistory && length_ > 0 && started_.size() < kMostStarted);
  SAIN_RETURN_IF_ERROR(check_room(n));
  const size_t decode = started_.empty() ? 0 : (started_.back().decode + 1) % kMostStarted;
  SAIN_RETURN_IF_ERROR(list_of(decodes_[decode]).start(n));
  started_.push_back({decode, n});
  has_logits_ = false;
  advance(n);
  return {};
}

Status Forward::wait() {
  return list_of(decodes_[started_.front().decode]).wait();
}

Result<std::vector<formats::Token>> Forward::finish_likeliest() {
  SAIN_RETURN_IF_ERROR(wait());
  const Started done = started_.front();
  started_.pop_front();
  // What a pass appends has been chosen by the one before.
  std::vector<formats::Token> tokens = {likeliest()};
  const uint32_t first = chosen_.n_chosen;
  look(decodes_[done.decode].state_out);
  if (chosen_.stalled != 0) {
    abandon();
    length_ -= done.n;
    SAIN_RETURN_IF_ERROR(leave_whole_layers());
    const bool was_sampled = is_sampled();
    SAIN_RETURN_IF_ERROR(append(tokens));
    if (was_sampled) SAIN_RETURN_IF_ERROR(draw_again());
    if (done.n == 1) return tokens;
    SAIN_ASSIGN_OR_RETURN(const std::vector<formats::Token> others, append_likeliest(done.n - 1));
    tokens.insert(tokens.end(), others.begin(), others.end());
    return tokens;
  }
  for (uint32_t i = 0; i + 1 < done.n; ++i) {
    tokens.push_back(static_cast<formats::Token>(chosen_.history[(first + i) % shaders::kHistory]));
  }
  return tokens;
}

uint64_t Forward::n_under_way() const {
  uint64_t n = 0;
  for (const Started& started : started_) n += started.n;
  return n;
}

void Forward::abandon() {
  length_ -= n_under_way();
  for (const Started& started : started_) (void)list_of(decodes_[started.decode]).wait();  // a lost device does nothing
  started_.clear();
}

void Forward::look(const Slice& state_out) {
  std::memcpy(&chosen_, state_out.mapped, sizeof chosen_);
}

formats::Token Forward::likeliest() const {
  return static_cast<formats::Token>(chosen_.history[(chosen_.n_chosen - 1) % shaders::kHistory]);
}

void Forward::advance(uint64_t n) {
  length_ += n;
  reached_ = std::max(reached_, length_);
}

bool Forward::can_truncate(uint64_t n_positions) const {
  for (uint32_t layer = 0; n_positions > 0 && layer < n_layers(); ++layer) {
    const KvRule rule = rule_of(layer);
    const uint64_t first = std::max<uint64_t>(rule.window_begin(n_positions), rule.n_sinks);
    if (first < n_positions && first + slots_of(layer) - rule.n_sinks < reached_) return false;
  }
  return true;
}

bool Forward::truncate(uint64_t n_positions) {
  if (!can_truncate(n_positions)) return false;
  length_ = std::min(length_, n_positions);
  if (length_ == 0) reached_ = 0;
  return true;
}

Result<std::span<float>> Forward::logits() {
  SAIN_CHECK(started_.empty());
  if (!logits_list_) {
    SAIN_ASSIGN_OR_RETURN(CommandList list, CommandList::create(*device_, *pipelines_));
    list.copy(logits_, logits_out_);
    SAIN_RETURN_IF_ERROR(list.finish());
    logits_list_ = std::make_unique<CommandList>(std::move(list));
  }
  if (!std::exchange(has_logits_, false)) SAIN_RETURN_IF_ERROR(logits_list_->run());
  return std::span(reinterpret_cast<float*>(logits_out_.mapped), logits_out_.bytes / sizeof(float));
}

Result<CommandList*> Forward::list_of(uint32_t n_tokens, bool brings_logits) {
  const std::pair key = {n_tokens, brings_logits};
  auto it = append_lists_.find(key);
  if (it == append_lists_.end()) {
    if (append_lists_.size() >= kMostLists) append_lists_.clear();
    SAIN_ASSIGN_OR_RETURN(CommandList list, record_append(n_tokens, brings_logits));
    it = append_lists_.emplace(key, std::move(list)).first;
  }
  return &it->second;
}

Result<CommandList> Forward::record_append(uint32_t n_tokens, bool brings_logits) {
  SAIN_ASSIGN_OR_RETURN(CommandList list, CommandList::create(*device_, *pipelines_));
  if (weights_->part.takes_tokens) {
    list.copy(tokens_in_.part(0, n_tokens * sizeof(uint32_t)), tokens_);
  } else {
    list.copy(states_in_.part(0, states_bytes(n_tokens)), x_);
  }
  list.copy(state_in_, state_);
  list.barrier();
  SAIN_RETURN_IF_ERROR(record_pass(list, n_tokens, state_out_));
  if (brings_logits) list.copy(logits_, logits_out_);
  SAIN_RETURN_IF_ERROR(list.finish());
  return list;
}

Status Forward::record_decode() {
  if (!weights_->part.is_whole()) return {};
  for (Decode& decode : decodes_) {
    SAIN_ASSIGN_OR_RETURN(CommandList list, CommandList::create(*device_, *pipelines_));
    SAIN_RETURN_IF_ERROR(record_pass(list, 1, decode.state_out));
    SAIN_RETURN_IF_ERROR(list.finish());
    decode.lists[0] = std::make_unique<CommandList>(std::move(list));
  }
  return {};
}

Result<std::vector<TimedDispatch>> Forward::time_pass(uint32_t n_tokens) {
  SAIN_CHECK(n_tokens >= 1 && n_tokens <= batch_);
  SAIN_ASSIGN_OR_RETURN(CommandList list, CommandList::create(*device_, *pipelines_));
  SAIN_RETURN_IF_ERROR(list.start_timing());
  SAIN_RETURN_IF_ERROR(record_pass(list, n_tokens, state_out_));
  SAIN_RETURN_IF_ERROR(list.finish());
  SAIN_RETURN_IF_ERROR(list.run());
  return list.times();
}

/// From tokens_ and state_ to logits_, the next token, and the state after it, of which the host gets a copy; where
/// others are before or after it from x_ or to states_out_.
Status Forward::record_pass(CommandList& list, uint32_t n_tokens, const Slice& state_out, Choice choice) {
  const ModelConfig& config = model_->config();
  const bool is_whole = n_tokens == 1 && is_whole_;
  if (is_whole) list.clear(exchange_, shaders::kMissing);
  if (weights_->part.takes_tokens) {
    SAIN_RETURN_IF_ERROR(
        operators_.embed(list, weights_->token_embedding, config.embedding_scale, tokens_, n_tokens, x_));
  }
  list.barrier();
  if (is_whole) {
    SAIN_RETURN_IF_ERROR(record_whole_layers(list));
  } else if (n_tokens == 1 && can_int8()) {
    SAIN_RETURN_IF_ERROR(record_int8_layers(list));
  } else if (n_tokens >= kMatrixFrom && can_matrix()) {
    SAIN_RETURN_IF_ERROR(record_matrix_layers(list, n_tokens));
  } else {
    SAIN_RETURN_IF_ERROR(record_layers(list, n_tokens));
  }
  list.barrier();
  if (weights_->part.gives_logits) {
    SAIN_RETURN_IF_ERROR(choice != Choice::kLikeliest
                             ? record_draw(list, n_tokens, choice)
                             : operators_.argmax(list, logits_, config.vocab_size, n_tokens, pairs_, tokens_, state_));
    list.barrier();
  } else {
    list.copy(x_.part(0, states_bytes(n_tokens)), states_out_);
  }
  list.copy(state_, state_out);
  return {};
}

/// From the last of x_ to logits_, if there are any.
Status Forward::record_output(CommandList& list, uint32_t n_tokens) {
  if (!weights_->part.gives_logits) return {};
  const ModelConfig& config = model_->config();
  const uint64_t row = config.d_model * sizeof(float);
  if (n_tokens > 1) {
    list.copy(x_.part((n_tokens - 1) * row, row), last_);
    list.barrier();
  }
  return operators_.product(list, {.w = &weights_->output,
                                   .x = n_tokens > 1 ? last_ : x_,
                                   .y = logits_,
                                   .y_stride = config.vocab_size,
                                   .norm = weights_->output_norm,
                                   .epsilon = config.rms_epsilon,
                                   .soft_cap = config.logit_soft_cap});
}

Attention Forward::attention_of(uint32_t layer, uint32_t n_tokens) const {
  const ModelConfig& config = model_->config();
  const DeviceLayer& w = weights_->layers[layer];
  const bool is_local = this->is_local(layer);
  const KvRule rule = rule_of(layer);
  return {
      .parameters = {.n_heads = config.n_heads,
                     .n_kv_heads = config.n_kv_heads,
                     .n_tokens = n_tokens,
                     .n_slots = slots_of(layer),
                     .n_sinks = rule.n_sinks,
                     .window = rule.window,
                     .scale = config.attention_scale,
                     .soft_cap = config.attention_soft_cap,
                     .rotary_dim = config.rope.rotary_dim,
                     .magnitude = is_local ? weights_->magnitude_local : weights_->magnitude_global,
                     .epsilon = config.rms_epsilon},
      .head_dim = config.head_dim,
      .layout = config.rope.layout,
      .state = state_,
      .qkv = qkv_,
      .q = q_,
      .frequencies = is_local ? weights_->frequencies_local : weights_->frequencies_global,
      .cache = caches_[layer],
      .head_norms = w.head_norms,
      .out = attended_,
      .parts = parts_,
      .n_splits = splits_of(slots_of(layer), n_tokens),
  };
}

}  // namespace sain::engine::vulkan
