#include "engine/session.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <new>
#include <optional>

#include "engine/accelerator.h"
#include "engine/cpu/cpu_backend.h"
#include "engine/prompt_lookup.h"
#include "engine/stop_strings.h"

namespace sain::engine {
namespace {

using formats::StreamDecoder;

using cpu::CpuBackend;

constexpr uint32_t kDefaultContext = 4096;
constexpr uint32_t kBlock = SessionOptions::kBlock;

bool is_cancelled(const Status& status) {
  return !status && status.error().code == ErrorCode::kCancelled;
}

/// Whether sampling is the greatest logit and nothing else.
bool is_argmax(const SamplerOptions& options) {
  return options.temperature == 0 && options.logit_bias.empty() && options.repetition_penalty == 1 &&
         options.frequency_penalty == 0 && options.presence_penalty == 0 && options.dry_multiplier == 0;
}

bool is_stream(const SessionOptions& options) {
  return options.policy == ContextPolicy::kStream;
}

KvRule rule_of(const SessionOptions& options) {
  return is_stream(options) ? KvRule{.window = options.context_length - options.n_sinks, .n_sinks = options.n_sinks}
                            : KvRule();
}

Result<std::unique_ptr<CpuBackend>> create_cpu_backend(const Model& model, ThreadPool& pool,
                                                       const SessionOptions& options) {
  return CpuBackend::create(
      model, pool,
      {.passes = {.arithmetic = options.precision == Precision::kExact ? cpu::Arithmetic::kF32 : cpu::Arithmetic::kInt8,
                  .tuning = options.tuning,
                  .adapter = options.adapter.get()},
       .max_length = is_stream(options) ? KvCacheOptions::kEndless : options.context_length,
       .rule = rule_of(options),
       .kv_type = options.kv()});
}

/// FNV-1a, a token at a time, of `tokens` that come after those of `before`.
constexpr uint64_t kNoTokens = 0xcbf29ce484222325;
uint64_t hash(std::span<const Token> tokens, uint64_t before = kNoTokens) {
  for (const Token token : tokens) before = (before ^ static_cast<uint32_t>(token)) * 0x100000001b3;
  return before;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContext:
      return "context";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "?";
}

struct Session::State {
  const Model* model;
  ThreadPool* pool;
  SessionOptions options;
  std::unique_ptr<Backend> backend = {};
  CpuBackend* cpu = nullptr;  // `backend`, where it is one
  std::vector<Token> history = {};
  uint64_t n_tokens = 0;          // of the conversation: those in the cache, and one more where `is_pending`
  uint64_t n_in_blocks = 0;       // of them, the first ones, read in blocks
  bool is_pending = false;        // the newest token has been generated, and no pass has taken it yet
  std::vector<Token> batch = {};  // of the next pass: scratch

  // The last pass: of generation, its newest token, a draft of what follows it, and logits of all of them.
  PromptLookup lookup = {};
  std::array<Token, PromptLookup::kMaxDraft + 1> draft = {};
  size_t n_draft = 0;                // tokens
  size_t n_true = 0;                 // those that have been generated since
  size_t first_row = 0, n_rows = 0;  // of the pass, whose logits are needed
  MatrixView<float> rows = {};       // these logits, once they have been asked for

  PrefixKey prefix_key = {};       // where shares_prefixes()
  uint64_t beginning = kNoTokens;  // a hash of all n_tokens, forgotten ones too

  std::unique_ptr<CpuBackend> probe = {};  // for hidden_state() where `backend` is none; taken when first needed

  /// Takes all memory, or as much as the device has: what it cannot do the CPU does.
  Status open() {
    const DeviceModel* device = model->device();
    if (device != nullptr && options.adapter == nullptr && !device->has_failed()) {
      if (options.kv() != KvType::kF16 || options.precision != Precision::kFast)
        return make_error(ErrorCode::kUnsupported, "{}: expected an f16 KV cache and fast precision", device->name());
      auto made = device->create_backend(
          *model,
          {.pool = pool, .tuning = options.tuning, .max_length = options.context_length, .rule = rule_of(options)});
      if (made) {
        backend = *std::move(made);
        return {};
      }
      const bool is_full = made.error().code == ErrorCode::kResourceExhausted;
      is_full ? device->turn_away(made.error()) : device->fail(made.error());
    }
    return open_cpu();
  }

  Status open_cpu() {
    SAIN_ASSIGN_OR_RETURN(std::unique_ptr<CpuBackend> made, create_cpu_backend(*model, *pool, options));
    cpu = made.get();
    backend = std::move(made);
    if (shares_prefixes()) {
      std::string variant = options.adapter != nullptr ? options.adapter->id() : "";
      if (options.is_repeatable) variant += " in blocks";
      prefix_key = PrefixKey::of(ModelIdentity::of(model->file()), options.precision == Precision::kExact,
                                 *backend->layout(), variant);
    }
    return {};
  }

  bool shares_prefixes() const { return options.prefixes != nullptr && backend->layout() != nullptr; }

  /// Tokens that can be appended.
  size_t room() const {
    return options.policy == ContextPolicy::kStream ? SIZE_MAX : options.context_length - n_tokens;
  }

  Status check(std::span<const Token> tokens, size_t available) const {
    if (tokens.empty()) return make_error(ErrorCode::kInvalidArgument, "expected at least one token, found none");
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (tokens[i] < 0 || static_cast<uint32_t>(tokens[i]) >= model->config().vocab_size) {
        return make_error(ErrorCode::kInvalidArgument, "token {}: expected an id from 0 to {}, found {}", i,
                          model->config().vocab_size - 1, tokens[i]);
      }
    }
    if (tokens.size() > available) {
      return make_error(ErrorCode::kResourceExhausted,
                        "the prompt does not fit: {} tokens, and {} of the context's {} are free", tokens.size(),
                        available, options.context_length);
    }
    return {};
  }

  /// Forgets all, and takes over the history of what the cache holds now.
  void restart(std::span<const Token> tokens) {
    history.clear();
    n_tokens = n_in_blocks = 0;
    beginning = kNoTokens;
    is_pending = false;
    record(tokens);
  }

  void record(std::span<const Token> tokens) {
    n_tokens += tokens.size();
    beginning = hash(tokens, beginning);
    history.insert(history.end(), tokens.begin(), tokens.end());
    if (history.size() > options.context_length) {
      // Moves the window, which for 4 bytes a token costs nothing beside attention to it.
      const auto first = history.begin() + options.n_sinks;
      history.erase(first, first + static_cast<ptrdiff_t>(history.size() - options.context_length));
    }
  }

  /// Runs `batch`, all of it or nothing, for logits of its last n_scored tokens. Where a device fails the CPU takes
  /// over, from the tokens that are kept.
  Status run(size_t n_scored, const std::stop_token& stop) {
    backend->set_n_scored(n_scored);
    Status done = backend->append(batch, stop);
    if (done || is_cancelled(done) || cpu != nullptr) return done;
    SAIN_RETURN_IF_ERROR(leave_device(done.error(), n_tokens - backend->length(), stop));
    return run(n_scored, stop);
  }

  /// The device has failed: the CPU takes over, from the tokens that are kept but for the newest n_newer.
  Status leave_device(const Error& error, uint64_t n_newer, const std::stop_token& stop) {
    model->device()->fail(error);
    const std::vector<Token> taken(history.begin(), history.end() - static_cast<ptrdiff_t>(n_newer));
    SAIN_RETURN_IF_ERROR(open_cpu());
    for (size_t first = 0; first < taken.size(); first += backend->max_batch()) {
      const size_t count = std::min(backend->max_batch(), taken.size() - first);
      SAIN_RETURN_IF_ERROR(backend->append(std::span(taken).subspan(first, count), stop));
    }
    return {};
  }

  /// What `sampler` would choose to follow the newest token, where a device does it.
  Result<std::optional<Token>> sample(Sampler& sampler) {
    auto chosen = backend->sample(sampler);
    if (chosen || cpu != nullptr) return chosen;
    SAIN_RETURN_IF_ERROR(leave_device(chosen.error(), 1, {}));
    batch.assign({history.back()});
    SAIN_RETURN_IF_ERROR(run(1, {}));
    first_row = 0;
    rows = {};
    return std::nullopt;
  }

  /// Appends `tokens` in batches of at most max_batch, the last one for logits of its last n_scored tokens, and calls
  /// after_batch(first, count, row) for each: the tokens [first, first + count) are the pass's from `row` on. Errors:
  /// those of Backend::append().
  template <class F>
  Status for_batches(std::span<const Token> tokens, size_t max_batch, size_t n_scored, const std::stop_token& stop,
                     F&& after_batch) {
    for (size_t first = 0; first < tokens.size();) {
      const size_t row = is_pending ? 1 : 0;
      size_t count = std::min(max_batch - row, tokens.size() - first);
      // A device has nothing that others have computed.
      const bool is_block =
          options.is_repeatable && cpu != nullptr && n_in_blocks == n_tokens && n_tokens % kBlock == 0;
      if (is_block) count = std::min<size_t>(count, kBlock);
      const std::span<const Token> next = tokens.subspan(first, count);
      batch.assign(history.end() - static_cast<ptrdiff_t>(row), history.end());
      batch.insert(batch.end(), next.begin(), next.end());
      SAIN_RETURN_IF_ERROR(run(first + count == tokens.size() ? n_scored : 0, stop));
      is_pending = false;
      record(next);
      if (is_block) n_in_blocks = n_tokens;
      if (count > 0) {
        SAIN_RETURN_IF_ERROR(after_batch(first, count, row));
      }
      first += count;
    }
    return {};
  }

  Status append(std::span<const Token> tokens, const std::stop_token& stop) {
    return for_batches(tokens, backend->max_batch(), 1, stop, [&](size_t, size_t count, size_t row) -> Status {
      first_row = row + count - 1;
      n_rows = 1;
      rows = {};
      return {};
    });
  }

  Status prefill(std::span<const Token> tokens, const std::stop_token& stop) {
    SAIN_RETURN_IF_ERROR(check(tokens, room()));
    const Status appended = append(tokens, stop);
    SAIN_RETURN_IF_ERROR(model->status());
    return is_cancelled(appended) ? make_error(ErrorCode::kCancelled, "prefill was cancelled") : appended;
  }

  /// Those of what follows the newest token.
  Result<std::span<float>> logits() {
    if (rows.data == nullptr) {
      SAIN_ASSIGN_OR_RETURN(rows, backend->logits(first_row, n_rows));
    }
    return std::span<float>(rows.row(n_true), model->config().vocab_size);
  }

  /// Takes in the generated `token`. The logits of what follows it are there already if it was drafted, else a pass
  /// over it and a new draft of at most max_draft tokens brings them.
  Status decode(Token token, size_t max_draft) {
    record({&token, 1});
    if (n_true < n_draft && draft[n_true] == token) {
      ++n_true;
      return {};
    }
    draft[n_true] = token;
    end_draft(n_true + 1);
    std::span<const Token> next = lookup.propose(history);
    if (backend->is_shared()) max_draft = 0;  // the others' tokens make better use of a pass
    next = next.first(std::min({next.size(), max_draft, room(), backend->alike_batch() - 1}));
    std::ranges::copy(next, draft.begin());
    batch.assign({token});
    batch.insert(batch.end(), next.begin(), next.end());
    const auto start = std::chrono::steady_clock::now();
    SAIN_RETURN_IF_ERROR(run(batch.size(), {}));
    first_row = 0;
    n_rows = batch.size();
    rows = {};
    n_draft = next.size();
    if (cpu != nullptr) {
      SAIN_RETURN_IF_ERROR(logits());
    }
    if (!backend->is_shared()) lookup.observe_pass(batch.size(), ms_since(start));
    return {};
  }

  struct Kept {
    std::vector<Token> tokens;
    KvPrefix prefix;
  };

  /// Puts what the cache holds into the store's memory. Nothing where that is not wanted, or tokens are forgotten.
  std::optional<Kept> keep(Keep where) {
    const uint64_t length = backend->length();
    if (!shares_prefixes() || where == Keep::kNowhere || length == 0) return std::nullopt;
    if (options.is_repeatable && n_in_blocks < length) return std::nullopt;
    auto prefix = backend->share();
    if (!prefix) return std::nullopt;
    Kept kept = {{history.begin(), history.begin() + static_cast<ptrdiff_t>(length)}, *std::move(prefix)};
    options.prefixes->put(prefix_key, kept.tokens, kept.prefix);
    return kept;
  }

  void save(const Kept& kept) const { options.prefixes->save(prefix_key, kept.tokens, kept.prefix); }

  /// Forgets what was drafted and has not been generated. The first n_known of `draft` are what was.
  void end_draft(size_t n_known) {
    lookup.observe(std::span(draft).first(n_known));
    backend->truncate(backend->length() - (n_draft - n_true));
    n_draft = n_true = 0;
  }
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::create(const Model& model, ThreadPool& pool, const SessionOptions& wanted) {
  SessionOptions options = wanted;
  const uint32_t largest = model.config().context_length;
  if (options.context_length == 0) options.context_length = std::min(largest, kDefaultContext);
  if (options.context_length > largest) {
    return make_error(ErrorCode::kInvalidArgument, "context length: expected at most the model's {}, found {}", largest,
                      options.context_length);
  }
  SAIN_RETURN_IF_ERROR(check_tuning(options.tuning));
  const Adapter* adapter = options.adapter.get();
  if (adapter != nullptr && !adapter->fits(model.weights())) {
    return make_error(ErrorCode::kInvalidArgument, "adapter: expected one of {}, found one of another model",
                      model.file().path().string());
  }
  if (is_stream(options) && options.n_sinks >= options.context_length) {
    return make_error(ErrorCode::kInvalidArgument, "sinks: expected fewer than the context's {} tokens, found {}",
                      options.context_length, options.n_sinks);
  }
  if (is_stream(options) && options.is_repeatable) {
    return make_error(ErrorCode::kInvalidArgument, "a stream cannot be repeatable: it forgets what was computed");
  }
  try {
    auto state = std::make_unique<State>(State{.model = &model, .pool = &pool, .options = options});
    SAIN_RETURN_IF_ERROR(state->open());
    state->history.reserve(options.context_length + (is_stream(options) ? state->backend->max_batch() : 0));
    state->batch.reserve(state->backend->max_batch());
    return Session(std::move(state));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kResourceExhausted, "not enough memory for a session of {} tokens",
                      options.context_length);
  }
}

Result<Generation> Session::generate(std::span<const Token> tokens, const GenerateOptions& options,
                                     std::stop_token stop, TokenSink& sink) {
  State& s = *state_;
  SAIN_RETURN_IF_ERROR(s.check(tokens, s.room()));
  SAIN_ASSIGN_OR_RETURN(Sampler sampler,
                        Sampler::create(options.sampler, s.model->tokenizer(), s.model->kernels().reduce));
  SAIN_ASSIGN_OR_RETURN(StopStrings stop_strings, StopStrings::create(options.stop_strings));
  std::optional<LogprobMeter> meter;
  if (options.top_logprobs) {
    SAIN_ASSIGN_OR_RETURN(meter, LogprobMeter::create(*options.top_logprobs, s.model->tokenizer().vocab_size(),
                                                      s.model->kernels().reduce));
  }
  std::optional<GrammarMatcher> grammar;
  if (options.grammar != nullptr) {
    SAIN_RETURN_IF_ERROR(options.grammar->check(s.model->tokenizer()));
    if (options.ignore_end) return make_error(ErrorCode::kInvalidArgument, "ignore_end: not with a grammar");
    grammar.emplace(options.grammar);
  }
  s.backend->set_priority(options.priority);
  StreamDecoder decoder(s.model->tokenizer());
  Generation result;
  result.tokens.reserve(std::min(options.max_tokens, s.options.context_length));
  const auto emit = [&](std::string_view text) {
    result.text += text;
    sink.on_text(text);
  };

  const bool is_likeliest = is_argmax(options.sampler);
  const auto choose = [&]() -> Result<Token> {
    if (!meter && !grammar) {  // who need the logits
      SAIN_ASSIGN_OR_RETURN(const std::optional<Token> token,
                            is_likeliest ? s.backend->likeliest() : s.sample(sampler));
      if (token) return *token;
    }
    SAIN_ASSIGN_OR_RETURN(const std::span<float> logits, s.logits());
    if (meter) meter->observe(logits);
    if (!grammar) return sampler.sample(logits, s.history);
    const auto mask_start = std::chrono::steady_clock::now();
    SAIN_RETURN_IF_ERROR(grammar->mask(logits));
    result.timings.grammar_ms += ms_since(mask_start);
    const Token token = sampler.sample(logits, s.history);
    SAIN_RETURN_IF_ERROR(grammar->accept(token));
    return token;
  };

  const auto start = std::chrono::steady_clock::now();
  const Status appended = s.append(tokens, stop);
  SAIN_RETURN_IF_ERROR(s.model->status());
  if (!appended && !is_cancelled(appended)) return appended.error();
  if (appended && s.cpu != nullptr) {
    SAIN_RETURN_IF_ERROR(s.logits());  // a part of prefill
  }
  const std::optional<State::Kept> kept = appended ? s.keep(options.keep_prompt) : std::nullopt;
  result.timings.prefill_tokens = static_cast<uint32_t>(tokens.size());
  result.timings.prefill_ms = ms_since(start);
  const auto decode_start = std::chrono::steady_clock::now();
  for (;;) {
    if (!appended || stop.stop_requested()) {
      result.finish_reason = FinishReason::kCancelled;
      break;
    }
    if (result.tokens.size() >= options.max_tokens) {
      result.finish_reason = FinishReason::kLength;
      break;
    }
    const Result<Token> chosen = choose();
    if (!chosen) {
      s.end_draft(s.n_true);
      return chosen.error();
    }
    const Token token = *chosen;
    result.tokens.push_back(token);
    if (result.tokens.size() == 1) result.timings.first_token_ms = ms_since(start);
    if (meter) sink.on_token(result.logprobs.emplace_back(meter->of(token)));
    if (!options.ignore_end && s.model->tokenizer().is_end_of_generation(token)) {
      result.finish_reason = FinishReason::kStop;
      break;
    }
    emit(stop_strings.push(decoder.push(token)));
    if (stop_strings.matched() || (grammar && grammar->is_complete())) {
      result.finish_reason = FinishReason::kStop;
      break;
    }
    if (s.room() == 0) {
      result.finish_reason = FinishReason::kContext;
      break;
    }
    const size_t left = options.max_tokens - result.tokens.size();
    if (left == 0) {
      s.record({&token, 1});
      s.is_pending = true;
      continue;
    }
    Status decoded = s.decode(token, options.speculation == Speculation::kNone ? 0 : left - 1);
    ++result.timings.decode_tokens;
    result.timings.decode_passes += s.n_true == 0;
    if (decoded) decoded = s.model->status();
    if (!decoded) {
      s.end_draft(s.n_true);
      return decoded.error();
    }
  }
  s.end_draft(s.n_true);
  if (kept && options.keep_prompt == Keep::kDisk) s.save(*kept);  // not while somebody waits for a token
  emit(stop_strings.push(decoder.flush()));
  emit(stop_strings.flush());
  result.stop_string = stop_strings.match();
  result.timings.decode_ms = ms_since(decode_start);
  return result;
}

bool Session::continues(std::span<const Token> prompt) const {
  const State& s = *state_;
  return s.n_tokens < prompt.size() && hash(prompt.first(s.n_tokens)) == s.beginning;
}

uint64_t Session::resume(std::span<const Token> prompt) {
  State& s = *state_;
  const std::span<const Token> known = prompt.first(prompt.size() - std::min<size_t>(prompt.size(), 1));
  if (s.options.is_repeatable) truncate(s.n_in_blocks);
  if (!continues(prompt)) truncate(static_cast<uint64_t>(std::ranges::mismatch(known, s.history).in1 - known.begin()));
  if (s.shares_prefixes()) {
    const auto found = s.options.prefixes->find(s.prefix_key, known, s.n_tokens + 1);
    if (found && s.backend->adopt(*found)) {
      s.restart(known.first(found->length()));
      s.n_in_blocks = s.n_tokens;
    }
  }
  if (s.options.is_repeatable) truncate(s.n_tokens / kBlock * kBlock);
  return s.n_tokens;
}

void Session::keep(Keep where) {
  const std::optional<State::Kept> kept = state_->keep(where);
  if (kept && where == Keep::kDisk) state_->save(*kept);
}

Result<std::span<const float>> Session::prefill(std::span<const Token> tokens, std::stop_token stop) {
  SAIN_RETURN_IF_ERROR(state_->prefill(tokens, stop));
  SAIN_ASSIGN_OR_RETURN(const std::span<float> logits, state_->logits());
  return std::span<const float>(logits);
}

Result<Token> Session::likeliest(std::span<const Token> tokens, std::stop_token stop) {
  SAIN_RETURN_IF_ERROR(state_->prefill(tokens, stop));
  if (const std::optional<Token> token = state_->backend->likeliest()) return *token;
  SAIN_ASSIGN_OR_RETURN(const std::span<float> logits, state_->logits());
  return static_cast<Token>(state_->model->kernels().reduce.argmax(logits.data(), logits.size()));
}

Status Session::prefill_all(std::span<const Token> tokens, const LogitsVisitor& visit, std::stop_token stop) {
  State& s = *state_;
  SAIN_RETURN_IF_ERROR(s.check(tokens, s.room()));
  const auto visit_batch = [&](size_t first, size_t count, size_t row) -> Status {
    for (size_t t = 0; t < count; t += Backend::kMaxLogits) {
      SAIN_ASSIGN_OR_RETURN(const MatrixView<float> logits,
                            s.backend->logits(row + t, std::min(Backend::kMaxLogits, count - t)));
      for (size_t i = 0; i < logits.rows; ++i) visit(first + t + i, {logits.row(i), logits.cols});
    }
    return {};
  };
  const Status done = s.for_batches(tokens, s.backend->max_scored_batch(), 0, stop, visit_batch);
  SAIN_RETURN_IF_ERROR(s.model->status());
  if (is_cancelled(done)) return make_error(ErrorCode::kCancelled, "prefill was cancelled");
  return done;
}

Result<std::vector<float>> Session::hidden_state(std::span<const Token> tokens, uint32_t n_layers) {
  State& s = *state_;
  const ModelConfig& config = s.model->config();
  if (n_layers == 0 || n_layers > config.n_layers) {
    return make_error(ErrorCode::kInvalidArgument, "layers: expected 1 to {}, found {}", config.n_layers, n_layers);
  }
  SAIN_RETURN_IF_ERROR(s.check(tokens, s.options.context_length));
  if (s.cpu == nullptr && s.probe == nullptr) {
    SessionOptions options = s.options;
    options.context_length = 1;  // of the conversation, which is elsewhere
    options.policy = ContextPolicy::kStop;
    SAIN_ASSIGN_OR_RETURN(s.probe, create_cpu_backend(*s.model, *s.pool, options));
  }
  auto mean = (s.cpu != nullptr ? *s.cpu : *s.probe).hidden_state(tokens, n_layers);
  SAIN_RETURN_IF_ERROR(s.model->status());
  return mean;
}

void Session::reset() {
  truncate(0);
}

void Session::truncate(uint64_t n_tokens) {
  State& s = *state_;
  if (n_tokens >= s.n_tokens) return;
  const bool has_forgotten = s.history.size() < s.n_tokens;
  if (has_forgotten || !s.backend->truncate(n_tokens)) n_tokens = 0;
  s.backend->truncate(n_tokens);
  const uint64_t n_in_blocks = std::min(s.n_in_blocks, n_tokens);
  s.restart(std::vector<Token>(s.history.begin(), s.history.begin() + static_cast<ptrdiff_t>(n_tokens)));
  s.n_in_blocks = n_in_blocks;
}

uint64_t Session::n_tokens() const {
  return state_->n_tokens;
}

std::span<const Token> Session::history() const {
  return state_->history;
}
uint32_t Session::context_length() const {
  return state_->options.context_length;
}
ContextPolicy Session::policy() const {
  return state_->options.policy;
}
size_t Session::kv_bytes() const {
  return state_->backend->bytes();
}
const Model& Session::model() const {
  return *state_->model;
}

}  // namespace sain::engine
