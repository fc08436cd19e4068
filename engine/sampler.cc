#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/sampling/dry.h"
#include "engine/sampling/penalties.h"

namespace sain::engine {
namespace {

/// `name` must be a number in [low, high]; NaN is not.
template <class T>
Status check_range(std::string_view name, T value, T low, T high) {
  if (value >= low && value <= high) return {};
  if (high == std::numeric_limits<T>::max()) {
    return make_error(ErrorCode::kInvalidArgument, "{} must be a finite number of at least {}, but is {}", name, low,
                      value);
  }
  return make_error(ErrorCode::kInvalidArgument, "{} must be between {} and {}, but is {}", name, low, high, value);
}

Status check_logit_bias(const std::vector<std::pair<Token, float>>& biases, size_t vocab_size) {
  for (const auto& [token, bias] : biases) {
    if (token < 0 || static_cast<size_t>(token) >= vocab_size) {
      return make_error(ErrorCode::kInvalidArgument, "logit_bias names the token {}, but the vocabulary ends at {}",
                        token, static_cast<int64_t>(vocab_size) - 1);
    }
    if (!(bias < std::numeric_limits<float>::infinity())) {
      return make_error(ErrorCode::kInvalidArgument, "logit_bias of token {} must be a number or -inf, but is {}",
                        token, bias);
    }
  }
  return {};
}

Penalties penalties_of(const SamplerOptions& options) {
  return {.last_n = options.penalty_last_n,
          .repetition = options.repetition_penalty,
          .frequency = options.frequency_penalty,
          .presence = options.presence_penalty};
}

bool is_breaker(const std::string& text, const std::vector<std::string>& breakers) {
  return text.empty() || std::any_of(breakers.begin(), breakers.end(), [&](const std::string& breaker) {
           return text.find(breaker) != std::string::npos;
         });
}

}  // namespace

Status Sampler::validate(const SamplerOptions& options, size_t vocab_size) {
  constexpr float kMax = std::numeric_limits<float>::max();
  constexpr int kMaxInt = std::numeric_limits<int>::max();
  if (vocab_size == 0) return make_error(ErrorCode::kInvalidArgument, "the vocabulary is empty");
  SAIN_RETURN_IF_ERROR(check_logit_bias(options.logit_bias, vocab_size));
  SAIN_RETURN_IF_ERROR(check_range("penalty_last_n", options.penalty_last_n, -1, kMaxInt));
  if (!(options.repetition_penalty > 0 && options.repetition_penalty <= kMax)) {
    return make_error(ErrorCode::kInvalidArgument, "repetition_penalty must be finite and above 0, but is {}",
                      options.repetition_penalty);
  }
  SAIN_RETURN_IF_ERROR(check_range("frequency_penalty", options.frequency_penalty, -2.0f, 2.0f));
  SAIN_RETURN_IF_ERROR(check_range("presence_penalty", options.presence_penalty, -2.0f, 2.0f));
  SAIN_RETURN_IF_ERROR(check_range("dry_multiplier", options.dry_multiplier, 0.0f, kMax));
  SAIN_RETURN_IF_ERROR(check_range("dry_base", options.dry_base, 1.0f, kMax));
  SAIN_RETURN_IF_ERROR(check_range("dry_allowed_length", options.dry_allowed_length, 1, kMaxInt));
  SAIN_RETURN_IF_ERROR(check_range("dry_last_n", options.dry_last_n, -1, kMaxInt));
  for (const std::string& breaker : options.dry_breakers) {
    if (breaker.empty()) return make_error(ErrorCode::kInvalidArgument, "dry_breakers holds an empty string");
  }
  SAIN_RETURN_IF_ERROR(check_range("top_k", options.top_k, 0, kMaxInt));
  SAIN_RETURN_IF_ERROR(check_range("typical_p", options.typical_p, 0.0f, 1.0f));
  SAIN_RETURN_IF_ERROR(check_range("top_p", options.top_p, 0.0f, 1.0f));
  SAIN_RETURN_IF_ERROR(check_range("min_p", options.min_p, 0.0f, 1.0f));
  return check_range("temperature", options.temperature, 0.0f, kMax);
}

Sampler::Sampler(const SamplerOptions& options, size_t vocab_size, const kernels::Reduce& reduce)
    : options_(options), reduce_(reduce), counts_(vocab_size), draws_(options.seed) {
  if (options_.temperature == 0) return;
  weights_ = VocabularyWeights(vocab_size);
  candidates_.reserve(vocab_size);
  scratch_.reserve(vocab_size);
}

Result<Sampler> Sampler::create(const SamplerOptions& options, const formats::Tokenizer& tokenizer,
                                const kernels::Reduce& reduce) {
  return create(
      options, tokenizer.vocab_size(), [&](Token token) { return tokenizer.piece(token); }, reduce);
}

Result<Sampler> Sampler::create(const SamplerOptions& options, size_t vocab_size,
                                const std::function<std::string(Token)>& piece, const kernels::Reduce& reduce) {
  SAIN_RETURN_IF_ERROR(validate(options, vocab_size));
  Sampler sampler(options, vocab_size, reduce);
  if (options.dry_multiplier > 0) {
    sampler.is_dry_breaker_.resize(vocab_size);
    for (size_t i = 0; i < vocab_size; ++i) {
      sampler.is_dry_breaker_[i] = is_breaker(piece(static_cast<Token>(i)), options.dry_breakers);
    }
  }
  return sampler;
}

Token Sampler::sample(std::span<float> logits, std::span<const Token> history) {
  logits = logits.first(std::min(logits.size(), counts_.size()));
  apply_logit_bias(logits, options_.logit_bias);
  apply_penalties(logits, history, penalties_of(options_), counts_);
  apply_dry(logits, history,
            {.multiplier = options_.dry_multiplier,
             .base = options_.dry_base,
             .allowed_length = options_.dry_allowed_length,
             .last_n = options_.dry_last_n},
            is_dry_breaker_, counts_, match_length_);
  if (options_.temperature == 0) return static_cast<Token>(reduce_.argmax(logits.data(), logits.size()));

  double left_out = 0;
  if (options_.top_k > 0) {
    collect_top_k(logits, static_cast<size_t>(options_.top_k), reduce_, candidates_);
  } else if (options_.typical_p < 1) {
    collect_finite(logits, candidates_);
  } else {
    const float greatest = logits[reduce_.argmax(logits.data(), logits.size())];
    if (!std::isfinite(greatest)) return draws_.take(), 0;
    if (options_.top_p == 1 && options_.min_p == 0) {
      weights_.set(logits, greatest, options_.temperature);
      return weights_.draw(draws_.take());
    }
    weights_.set(logits, greatest, 1);
    left_out = collect_nucleus(logits);
  }
  if (candidates_.empty()) return draws_.take(), 0;
  if (options_.typical_p < 1) keep_typical(candidates_, options_.typical_p, scratch_);
  if (options_.top_p < 1) keep_top_p(candidates_, options_.top_p, left_out, scratch_);
  if (options_.min_p > 0) keep_min_p(candidates_, options_.min_p);
  const double total = set_weights(candidates_, options_.temperature);
  return draw(candidates_, total, draws_.take());
}

std::optional<PlainSampling> Sampler::plain_sampling() const {
  const Penalties penalties = penalties_of(options_);
  if (options_.temperature == 0 || options_.typical_p < 1 || !options_.logit_bias.empty() || penalties.active() ||
      options_.dry_multiplier > 0) {
    return std::nullopt;
  }
  return PlainSampling{.top_k = static_cast<uint32_t>(options_.top_k),
                       .top_p = options_.top_p,
                       .min_p = options_.min_p,
                       .temperature = options_.temperature};
}

/// Into candidates_, out of a whole vocabulary's weights_, whatever top_p and min_p may keep. Returns the weight of the
/// others. Tokens of less than (1 - top_p) / vocab of the whole weight have less than 1 - top_p of it together, so
/// the nucleus is complete without them; half of that leaves room for rounding.
double Sampler::collect_nucleus(std::span<const float> logits) {
  const double rest = (1 - double{options_.top_p}) * weights_.total() / static_cast<double>(logits.size());
  collect_weighty(logits, weights_, options_.top_p < 1 ? static_cast<float>(rest / 2) : options_.min_p, candidates_);
  double collected = 0;
  for (const Candidate& candidate : candidates_) collected += double{candidate.weight};
  return weights_.total() - collected;
}

}  // namespace sain::engine
