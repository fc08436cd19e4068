#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <optional>

#include "engine/cpu/forward.h"
#include "engine/kv_cache.h"
#include "engine/stop_strings.h"

namespace sain::engine {
namespace {

using formats::StreamDecoder;

constexpr uint32_t kDefaultContext = 4096;

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
  SessionOptions options;
  cpu::Forward forward;
  KvCache cache;
  std::vector<Token> history;
  std::optional<KvCache> probe;  // for hidden_state(), taken when first needed
  uint32_t probe_layers = 0;

  uint32_t room() const { return options.context_length - static_cast<uint32_t>(history.size()); }

  Status check(std::span<const Token> tokens, uint32_t available) const {
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

  void step(std::span<const Token> tokens) {
    forward.run(tokens, cache, model->config().n_layers);
    history.insert(history.end(), tokens.begin(), tokens.end());
  }

  /// Appends `tokens` batch by batch and calls after_batch(first, count) for each. False if stopped.
  template <class F>
  bool for_batches(std::span<const Token> tokens, const std::stop_token& stop, F&& after_batch) {
    for (size_t first = 0; first < tokens.size(); first += forward.max_batch()) {
      if (stop.stop_requested()) return false;
      const size_t count = std::min(forward.max_batch(), tokens.size() - first);
      step(tokens.subspan(first, count));
      after_batch(first, count);
    }
    return true;
  }

  /// The logits of the newest token, or nothing if stopped on the way.
  std::optional<std::span<float>> append(std::span<const Token> tokens, const std::stop_token& stop) {
    size_t last = 0;
    if (!for_batches(tokens, stop, [&](size_t, size_t count) { last = count - 1; })) return std::nullopt;
    return std::span<float>(forward.logits(last, 1).data, model->config().vocab_size);
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
  const KvType kv_type = options.precision == Precision::kExact ? KvType::kF32 : KvType::kF16;
  const cpu::Arithmetic arithmetic =
      options.precision == Precision::kExact ? cpu::Arithmetic::kF32 : cpu::Arithmetic::kInt8;
  try {
    SAIN_ASSIGN_OR_RETURN(cpu::Forward forward, cpu::Forward::create(model, pool, arithmetic, options.tuning));
    SAIN_ASSIGN_OR_RETURN(KvCache cache,
                          KvCache::create(model.config(), model.config().n_layers, options.context_length, kv_type));
    auto state =
        std::make_unique<State>(State{&model, options, std::move(forward), std::move(cache), {}, std::nullopt, 0});
    state->history.reserve(options.context_length);
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
  StreamDecoder decoder(s.model->tokenizer());
  Generation result;
  result.tokens.reserve(std::min(options.max_tokens, s.room()));
  const auto emit = [&](std::string_view text) {
    result.text += text;
    sink.on_text(text);
  };

  const auto start = std::chrono::steady_clock::now();
  std::optional<std::span<float>> logits = s.append(tokens, stop);
  result.timings.prefill_tokens = static_cast<uint32_t>(tokens.size());
  result.timings.prefill_ms = ms_since(start);
  const auto decode_start = std::chrono::steady_clock::now();
  for (;;) {
    if (!logits || stop.stop_requested()) {
      result.finish_reason = FinishReason::kCancelled;
      break;
    }
    if (result.tokens.size() >= options.max_tokens) {
      result.finish_reason = FinishReason::kLength;
      break;
    }
    const Token token = sampler.sample(*logits, s.history);
    result.tokens.push_back(token);
    if (result.tokens.size() == 1) result.timings.first_token_ms = ms_since(start);
    if (!options.ignore_end && s.model->tokenizer().is_end_of_generation(token)) {
      result.finish_reason = FinishReason::kStop;
      break;
    }
    emit(stop_strings.push(decoder.push(token)));
    if (stop_strings.matched()) {
      result.finish_reason = FinishReason::kStop;
      break;
    }
    if (s.room() == 0) {
      result.finish_reason = FinishReason::kContext;
      break;
    }
    logits = s.append({&token, 1}, {});
    ++result.timings.decode_tokens;
  }
  emit(stop_strings.push(decoder.flush()));
  emit(stop_strings.flush());
  result.timings.decode_ms = ms_since(decode_start);
  return result;
}

Result<std::span<const float>> Session::prefill(std::span<const Token> tokens, std::stop_token stop) {
  SAIN_RETURN_IF_ERROR(state_->check(tokens, state_->room()));
  const std::optional<std::span<float>> logits = state_->append(tokens, stop);
  if (!logits) return make_error(ErrorCode::kCancelled, "prefill was cancelled");
  return std::span<const float>(*logits);
}

Status Session::prefill_all(std::span<const Token> tokens, const LogitsVisitor& visit, std::stop_token stop) {
  State& s = *state_;
  SAIN_RETURN_IF_ERROR(s.check(tokens, s.room()));
  const bool done = s.for_batches(tokens, stop, [&](size_t first, size_t count) {
    for (size_t t = 0; t < count; t += cpu::Forward::kMaxLogits) {
      const MatrixView<float> logits = s.forward.logits(t, std::min(cpu::Forward::kMaxLogits, count - t));
      for (size_t i = 0; i < logits.rows; ++i) visit(first + t + i, {logits.row(i), logits.cols});
    }
  });
  if (!done) return make_error(ErrorCode::kCancelled, "prefill was cancelled");
  return {};
}

Result<std::vector<float>> Session::hidden_state(std::span<const Token> tokens, uint32_t n_layers) {
  State& s = *state_;
  const ModelConfig& config = s.model->config();
  if (n_layers == 0 || n_layers > config.n_layers) {
    return make_error(ErrorCode::kInvalidArgument, "layers: expected 1 to {}, found {}", config.n_layers, n_layers);
  }
  SAIN_RETURN_IF_ERROR(s.check(tokens, s.options.context_length));
  if (!s.probe || s.probe->context_length() < tokens.size() || s.probe_layers < n_layers) {
    const uint32_t length = std::min(std::max(static_cast<uint32_t>(tokens.size()), 256u), s.options.context_length);
    SAIN_ASSIGN_OR_RETURN(s.probe, KvCache::create(config, n_layers, length, s.cache.type()));
    s.probe_layers = n_layers;
  }
  s.probe->length = 0;
  std::vector<double> sum(config.d_model);
  for (size_t first = 0; first < tokens.size(); first += s.forward.max_batch()) {
    const size_t count = std::min(s.forward.max_batch(), tokens.size() - first);
    s.forward.run(tokens.subspan(first, count), *s.probe, n_layers);
    for (size_t t = 0; t < count; ++t) {
      const std::span<const float> hidden = s.forward.hidden(t);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(hidden[i]);
    }
  }
  std::vector<float> mean(sum.size());
  for (size_t i = 0; i < sum.size(); ++i) mean[i] = static_cast<float>(sum[i] / static_cast<double>(tokens.size()));
  return mean;
}

void Session::reset() {
  truncate(0);
}

void Session::truncate(size_t n_tokens) {
  if (n_tokens >= state_->history.size()) return;
  state_->history.resize(n_tokens);
  state_->cache.length = static_cast<uint32_t>(n_tokens);
}

std::span<const Token> Session::history() const {
  return state_->history;
}
uint32_t Session::context_length() const {
  return state_->options.context_length;
}
size_t Session::kv_bytes() const {
  return state_->cache.bytes();
}
const Model& Session::model() const {
  return *state_->model;
}

}  // namespace sain::engine
