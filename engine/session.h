// One conversation with a model: its KV cache, its tokens, and generation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/adapter.h"
#include "engine/kv_cache.h"
#include "engine/logprobs.h"
#include "engine/model.h"
#include "engine/prefix_store.h"
#include "engine/sampler.h"
#include "engine/thread_pool.h"
#include "engine/token_mask.h"
#include "engine/tuning.h"
#include "formats/result.h"
#include "kernels/attention/layout.h"

namespace sain::engine {

enum class Precision {
  kFast,   // the fastest kernels, f16 KV cache
  kExact,  // fp32 activations, f32 KV cache: the reference
};

/// What happens when the context is full.
enum class ContextPolicy {
  kStop,    // the end: longer prompts are errors, and generation finishes
  kStream,  // nothing: the first n_sinks tokens and the newest ones are kept, those between are forgotten
};

/// Where what a session has computed of a prompt is kept for others that begin alike.
enum class Keep {
  kNowhere,
  kMemory,  // of the PrefixStore
  kDisk,    // and in a snapshot
};

struct SessionOptions {
  uint32_t context_length = 0;  // in tokens; 0: the model's own, at most 4096
  Precision precision = Precision::kFast;
  Tuning tuning = {};
  std::optional<KvType> kv_type = {};  // default: by precision
  ContextPolicy policy = ContextPolicy::kStop;
  uint32_t n_sinks = 4;  // kStream: of the context; the rest is the window. 0: none, which few models bear
  // Whatever is known of a prompt, what is computed has the same bits: prompts are appended in blocks of kBlock tokens
  // from their beginning on, and resumed where one ends. Not with kStream.
  bool is_repeatable = false;
  static constexpr uint32_t kBlock = kernels::kAttentionBlock;
  std::shared_ptr<PrefixStore> prefixes = {};   // shared with other sessions, of any models; may be empty
  std::shared_ptr<const Adapter> adapter = {};  // of the model, in use by any number of sessions; may be empty

  KvType kv() const { return kv_type.value_or(precision == Precision::kExact ? KvType::kF32 : KvType::kF16); }
};

/// Whether passes check several tokens at once that are likely to come. The answer is the same.
enum class Speculation { kPromptLookup, kNone };

struct GenerateOptions {
  uint32_t max_tokens = 512;
  bool ignore_end = false;                     // go on past end-of-generation tokens; not with a grammar
  std::vector<std::string> stop_strings = {};  // not part of the text that comes out
  SamplerOptions sampler = {};
  // What the text must follow; empty: nothing. It ends by an end-of-generation token where it may, and where nothing
  // else can follow without one. Tokens that the grammar forbids are never sampled, whatever the sampler's options say.
  std::shared_ptr<const CompiledGrammar> grammar = {};
  Speculation speculation = Speculation::kPromptLookup;
  Keep keep_prompt = Keep::kNowhere;  // only with SessionOptions::prefixes
  // Log probabilities of what is chosen, and of so many alternatives to it, at most LogprobMeter::kMostTop; none: they
  // are not computed, and cost nothing.
  std::optional<uint32_t> top_logprobs = {};
  TurnPriority priority = TurnPriority::kInteractive;  // on a pool that others use too; of later calls as well
};

enum class FinishReason { kStop, kLength, kContext, kCancelled };  // kContext: not with ContextPolicy::kStream
std::string_view to_string(FinishReason reason);                   // "stop", "length", "context", "cancelled"

struct Timings {
  double first_token_ms = 0;
  uint32_t prefill_tokens = 0;
  double prefill_ms = 0;
  uint32_t decode_tokens = 0;  // after the first
  double decode_ms = 0;
  uint32_t decode_passes = 0;  // fewer than tokens where drafts came true
  double grammar_ms = 0;       // of decode_ms, what GenerateOptions::grammar took
};

struct Generation {
  std::vector<Token> tokens;  // an end-of-generation token included
  std::string text;           // without stop strings and control tokens
  FinishReason finish_reason = FinishReason::kStop;
  Timings timings;
  std::vector<ChosenToken> logprobs = {};  // of `tokens`, with GenerateOptions::top_logprobs
  std::string stop_string = {};            // that has ended it; empty: none
};

/// Receives the answer as it grows.
class TokenSink {
 public:
  virtual ~TokenSink() = default;
  /// `text` is valid UTF-8, never part of a stop string, and may be empty.
  virtual void on_text(std::string_view text) = 0;
  /// With GenerateOptions::top_logprobs: each of Generation::tokens, before the text that it completes.
  virtual void on_token(const ChosenToken&) {}
};

/// Holds a reference to its Model and ThreadPool, which must outlive it. Used by one thread at a time. Sessions of
/// several threads may share a pool. On the CPU those of one model then share passes (engine/cpu/batcher.h), which
/// changes nothing of what each gets; others take turns.
class Session {
 public:
  /// Takes all its memory here. Errors: kInvalidArgument (context length, sinks, a repeatable stream, tuning, an
  /// adapter of another model), kResourceExhausted.
  static Result<Session> create(const Model& model, ThreadPool& pool, const SessionOptions& options = {});
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Whether `prompt` begins with the whole conversation, forgotten tokens too, and goes on.
  bool continues(std::span<const Token> prompt) const;

  /// Makes the conversation a beginning of `prompt`, the longest that is known: of itself, of what other sessions have
  /// kept, or of a snapshot. At least the prompt's last token is left to be appended. A stream that has forgotten
  /// tokens goes on where `prompt` continues it. With SessionOptions::is_repeatable it is whole blocks,
  /// and nothing that was generated. Returns n_tokens().
  uint64_t resume(std::span<const Token> prompt);

  /// Appends `tokens`, then generates. Errors: kInvalidArgument (an id outside the vocabulary, no tokens, an option),
  /// kResourceExhausted (the prompt does not fit into the context; the limits of a grammar), kInternal and
  /// kInvalidArgument (a grammar whose texts these tokens or logits cannot give), kIo (Model::status(), also of the
  /// calls below). A stop request is not an error: what was generated so far comes back with FinishReason::kCancelled,
  /// within a pass of few tokens, or a layer of one of many.
  Result<Generation> generate(std::span<const Token> tokens, const GenerateOptions& options, std::stop_token stop,
                              TokenSink& sink);

  /// Appends `tokens` and returns the logits (vocab) of the last one. Valid until the next call.
  Result<std::span<const float>> prefill(std::span<const Token> tokens, std::stop_token stop = {});

  /// Appends `tokens` and returns the likeliest token after them, the lowest id of equals, which a device knows without
  /// bringing its logits here.
  Result<Token> likeliest(std::span<const Token> tokens, std::stop_token stop = {});

  /// Appends `tokens` and calls visit(i, logits) for each of them in order; for perplexity. Logits last for the call.
  using LogitsVisitor = std::function<void(size_t index, std::span<const float> logits)>;
  Status prefill_all(std::span<const Token> tokens, const LogitsVisitor& visit, std::stop_token stop = {});

  /// The mean over positions of the hidden state after `n_layers` layers (d_model), computed from scratch without
  /// touching the conversation. `tokens` must fit the context.
  Result<std::vector<float>> hidden_state(std::span<const Token> tokens, uint32_t n_layers);

  /// Keeps what it holds for other sessions that begin alike, unless it is a stream that has forgotten some of it, or
  /// is repeatable and holds what was generated. What goes wrong is a warning of the store.
  void keep(Keep where);

  void reset();  // forgets the conversation, keeps the memory
  /// Forgets all but the first `n_tokens`; nothing where there are no more. Forgets everything where what these tokens
  /// need is not there any more, in a stream or a model with sliding windows: n_tokens() says what is left.
  void truncate(uint64_t n_tokens);

  uint64_t n_tokens() const;               // appended so far
  std::span<const Token> history() const;  // those that are kept, oldest first: all, or a stream's sinks and window
  uint32_t context_length() const;         // the most that are kept
  ContextPolicy policy() const;
  size_t kv_bytes() const;
  const Model& model() const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

}  // namespace sain::engine
