// The transformer's forward pass on a Vulkan device: all of it, from token ids to the next token, the likeliest or a
// drawn one, or the part that the device's weights are for.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/kv_prefix.h"
#include "engine/model.h"
#include "engine/vulkan/command_list.h"
#include "engine/vulkan/operators.h"
#include "engine/vulkan/sampling.h"
#include "engine/vulkan/weights.h"

namespace sain::engine::vulkan {

struct ForwardOptions {
  uint32_t max_length = 0;  // positions of the cache, in layers that forget nothing
  KvRule rule = {};         // of layers with no window of their own
};

/// Owns the activations and an f16 cache of one conversation on the device. Its command buffers are recorded once: a
/// decode reads the token and its position from where the one before has left them, so nothing but a submission is
/// between two tokens. With weights of a part of the model it is one stage of passes, for start_batch() alone. Refers
/// to its device, pipelines, weights and model, which must outlive it. Used by one thread at a time.
class Forward {
 public:
  static constexpr uint32_t kMaxBatch = 512;
  /// Parts that a token's positions are divided into: a workgroup a KV head leaves most of a GPU idle.
  static constexpr uint32_t kMostSplits = 32;
  /// Of attention_int8.comp and attention_matrix.comp, in 16 and 48 KiB of shared memory.
  static constexpr uint32_t kMostHeadDim = 256;

  /// Errors: kResourceExhausted (no room on the device), kUnsupported (a cache too large for one shader's buffer).
  static Result<std::unique_ptr<Forward>> create(Device& device, Pipelines& pipelines, const DeviceWeights& weights,
                                                 const Model& model, const ForwardOptions& options);

  ~Forward() { abandon(); }

  /// Has all pipelines made that passes of the model take, which the first ones would else have to wait for. Errors as
  /// create().
  static Status make_pipelines(Device& device, Pipelines& pipelines, const DeviceWeights& weights, const Model& model);

  /// Appends `tokens`, at least one. What is under way is abandoned. With `brings_logits` the last one's come in the
  /// same submission, which logits() would else need another one for. Errors: kResourceExhausted (beyond max_length,
  /// where there is no window), kInvalidArgument (an id outside the vocabulary), what Vulkan says.
  Status append(std::span<const formats::Token> tokens, bool brings_logits = false);

  /// One batch of at most batch() in two steps, between which the device is at work; nothing else is called between
  /// them. Stages that take no tokens take `states` (tokens, d_model) of the layers before them, and of `tokens` only
  /// how many there are. Errors as append().
  Status start_batch(std::span<const formats::Token> tokens, const MatrixView<const float>& states, bool brings_logits);
  /// Of stages that give no logits: the states after their layers (tokens, d_model), until the next start.
  Result<MatrixView<const float>> finish_batch();

  /// Appends the likeliest token after what has been appended so far, n times, and returns these tokens; at most
  /// shaders::kHistory. Errors as append().
  Result<std::vector<formats::Token>> append_likeliest(uint32_t n);

  /// The same in two steps, of which any call takes the next one: at most kMostStarted are under way at once, so that
  /// the device need not wait for the host. length() counts their tokens from the start on.
  static constexpr size_t kMostStarted = 2;
  Status start_likeliest(uint32_t n);
  Result<std::vector<formats::Token>> finish_likeliest();
  /// Draws the token after the newest one by `rule`, which Sampling::can(), and from then on those of the passes above
  /// too, which takes the place of the likeliest everywhere; until the next append(). draws[i] is the number of the
  /// token at position length() + i. Nothing is under way. Errors: what Vulkan says.
  Status sample(const PlainSampling& rule, std::span<const double> draws);
  /// Whether tokens from `position` on are drawn like that already, under way or not; then it goes on so, with new
  /// draws.
  bool goes_on_sampling(const PlainSampling& rule, uint64_t position, std::span<const double> draws);
  bool is_sampled() const { return choice_ != Choice::kLikeliest; }

  /// Waits for the first that is under way, which finish_likeliest() then does not; beside others who use the device.
  Status wait();
  size_t n_started() const { return started_.size(); }
  /// Tokens that are under way.
  uint64_t n_under_way() const;
  /// Waits for all that is under way, and forgets it.
  void abandon();

  /// Of the last token: (vocab_size), which may be overwritten, until the next append; nothing is under way.
  Result<std::span<float>> logits();

  /// The token of the greatest of them, the lowest id of equals; or the one that was drawn, if is_sampled().
  formats::Token likeliest() const;

  /// Forgets all but the first n_positions. False, and nothing changes, where the next one would see what has been
  /// overwritten.
  bool truncate(uint64_t n_positions);
  bool can_truncate(uint64_t n_positions) const;

  /// What each dispatch of a pass of n_tokens takes, at most batch(); the conversation is of no use after it.
  Result<std::vector<TimedDispatch>> time_pass(uint32_t n_tokens);

  /// Tokens that pass through the weights at once, at most kMaxBatch.
  uint32_t batch() const { return batch_; }
  uint64_t length() const { return length_; }
  /// Tokens that there is room for.
  uint64_t room() const;
  uint64_t bytes() const { return memory_.bytes(); }
  /// Whether one token's layers are one dispatch: where the model and the device allow it, until workgroups have waited
  /// for others in vain.
  bool has_whole_layers() const { return is_whole_; }
  /// Forgets the conversation.
  void reset() {
    abandon();
    length_ = reached_ = 0;
  }

 private:
  Forward(Device& device, Pipelines& pipelines, const DeviceWeights& weights, const Model& model,
          const ForwardOptions& options);
  Status allocate();
  Status check_room(uint64_t n) const;
  void advance(uint64_t n);
  void look(const Slice& state_out);
  Result<CommandList*> list_of(uint32_t n_tokens, bool brings_logits);
  Result<CommandList> record_append(uint32_t n_tokens, bool brings_logits);
  uint64_t states_bytes(uint32_t n_tokens) const {
    return uint64_t{n_tokens} * model_->config().d_model * sizeof(float);
  }
  uint32_t n_layers() const { return weights_->part.end - weights_->part.begin; }
  bool is_local(uint32_t layer) const { return model_->config().is_local[weights_->part.begin + layer]; }
  Status record_decode();
  enum class Choice { kLikeliest, kTopK, kAll };  // the others are drawn
  static constexpr size_t kChoices = 3;
  Status record_pass(CommandList& list, uint32_t n_tokens, const Slice& state_out, Choice choice = Choice::kLikeliest);
  Status record_output(CommandList& list, uint32_t n_tokens);
  Attention attention_of(uint32_t layer, uint32_t n_tokens) const;
  // forward_float.cc: for any number of tokens, in f32
  Status record_layers(CommandList& list, uint32_t n_tokens);
  Status record_attention(CommandList& list, uint32_t layer, uint32_t n_tokens);
  Status record_ffn(CommandList& list, uint32_t layer, uint32_t n_tokens);
  Status record_residual(CommandList& list, Product product, const Slice& post_norm, bool on_matrices = false);
  // forward_int8.cc: for one token, with activations in 8 bits
  bool can_int8() const;
  const Slice& next_norm_of(uint32_t layer) const;
  Status record_int8_layers(CommandList& list);
  Status record_int8_attention(CommandList& list, uint32_t layer);
  Status record_int8_ffn(CommandList& list, uint32_t layer, const Slice& next_norm);
  Status record_int8_residual(CommandList& list, VectorProduct product, const Slice& post_norm, const Slice& next_norm);
  // forward_layers.cc: the same in one dispatch
  bool can_layers() const;
  Layers layers_of() const;
  Status place_addresses(CommandList& list);
  Status record_whole_layers(CommandList& list);
  Status leave_whole_layers();
  // forward_matrix.cc: for many tokens, on cooperative matrices
  bool can_matrix() const;
  Status record_matrix_layers(CommandList& list, uint32_t n_tokens);
  Status record_matrix_attention(CommandList& list, uint32_t layer, uint32_t n_tokens);
  Status record_matrix_ffn(CommandList& list, uint32_t layer, uint32_t n_tokens);
  // forward_sampling.cc
  Status draw_again();
  Result<CommandList*> draw_list_of(Choice choice);
  Status record_sampled_decode(Choice choice);
  Status record_draw(CommandList& list, uint32_t n_tokens, Choice choice);
  KvRule rule_of(uint32_t layer) const;
  uint32_t slots_of(uint32_t layer) const;

  Device* device_;
  Pipelines* pipelines_;
  Operators operators_;
  const DeviceWeights* weights_;
  const Model* model_;
  ForwardOptions options_;
  uint32_t batch_ = 0;
  uint64_t length_ = 0;
  uint64_t reached_ = 0;   // the greatest length so far: what was overwritten stays so when the length falls
  bool is_whole_ = false;  // one token's layers are one dispatch

  Arena memory_;
  Slice tokens_;                     // (batch_)
  Slice state_;                      // DecodeState
  Slice x_;                          // (batch_, d_model): the residual stream
  Slice qkv_;                        // (batch_, q_dim + 2 kv_dim)
  Slice q_;                          // (2, batch_, q_dim)
  Slice attended_, gate_, delta_;    // (batch_, q_dim), (batch_, d_ff), (batch_, d_model)
  Slice last_;                       // (d_model): x of the last token
  Slice logits_;                     // (vocab_size)
  Slice x8_, attended8_, gate8_;     // one token's x times the next norm's weight, and the others, in 8 bits
  Slice x16_, attended16_, gate16_;  // (batch_, ...), f16: only with can_matrix()
  Slice parts_, counts_, pairs_;     // scratch of attention and of the choice of a token
  Slice sampling_state_;             // SamplingState
  Slice addresses_, exchange_;       // of layers.comp; only with can_layers()
  std::vector<Slice> caches_;        // of each layer
  Arena to_device_, to_host_;
  Slice tokens_in_, state_in_;        // mapped
  Slice state_out_, logits_out_;      // mapped
  Slice states_in_, states_out_;      // (batch_, d_model), mapped: of stages that have others before or after them
  uint32_t n_batch_ = 0;              // tokens of the batch that is under way
  bool batch_brings_logits_ = false;  // it does
  bool has_logits_ = false;           // of the last token, in logits_out_, and nobody has had them
  std::map<std::pair<uint32_t, bool>, CommandList> append_lists_;  // by tokens, and whether logits come too
  std::unique_ptr<CommandList> logits_list_;

  Sampling sampling_;
  std::array<std::unique_ptr<CommandList>, kChoices> draw_lists_;  // recorded when something is first drawn
  Choice choice_ = Choice::kLikeliest;                             // of the newest token, and of the passes under way

  struct Decode {
    std::array<std::unique_ptr<CommandList>, kChoices> lists;
    Slice state_out;  // mapped
  };
  CommandList& list_of(Decode& decode) const { return *decode.lists[static_cast<size_t>(choice_)]; }
  struct Started {
    size_t decode;  // which one
    uint32_t n;     // tokens
  };
  std::array<Decode, kMostStarted> decodes_;
  std::deque<Started> started_;
  shaders::DecodeState chosen_ = {};  // as the last pass that is over has left it
};

}  // namespace sain::engine::vulkan
