#include "router/features.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "formats/utf8.h"

namespace sain::router {
namespace {

constexpr uint32_t kNgramSize = 512;
constexpr float kNgramWeight = 0.5F;

/// Lower case, each run of white space one space, a space at either end.
std::string normalised(std::string_view text) {
  std::string out = " ";
  for (const char c : text) {
    const bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
    if (is_space && out.back() == ' ') continue;
    out += is_space ? ' ' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (out.back() != ' ') out += ' ';
  return out;
}

/// A long text without its middle: an encoder's time grows with the tokens.
std::string both_ends(std::string_view text) {
  constexpr size_t kHead = 400, kTail = 200;  // bytes
  if (text.size() <= kHead + kTail) return std::string(text);
  const std::string_view head = formats::utf8_beginning(text, kHead);
  std::string_view tail = text.substr(text.size() - kTail);
  while (!tail.empty() && (tail.front() & 0xC0) == 0x80) tail.remove_prefix(1);  // inside a character
  return std::string(head) + "\n" + std::string(tail);
}

}  // namespace

std::vector<float> ngram_features(std::string_view text, uint32_t size) {
  constexpr size_t kShortest = 3, kLongest = 5;
  const std::string line = normalised(text);
  std::vector<uint64_t> hashes;
  for (size_t n = kShortest; n <= kLongest; ++n)
    for (size_t i = 0; i + n <= line.size(); ++i) hashes.push_back(XXH3_64bits(line.data() + i, n));
  std::ranges::sort(hashes);
  std::vector<float> features(size, 0.0F);
  for (size_t i = 0, end = 0; i < hashes.size(); i = end) {
    while (end < hashes.size() && hashes[end] == hashes[i]) ++end;
    const float value = 1 + std::log(static_cast<float>(end - i));
    features[hashes[i] % size] += hashes[i] >> 63 != 0 ? value : -value;
  }
  return features;
}

Result<HiddenState> hidden_state_of(const engine::Model& assistant, engine::ThreadPool& pool, uint32_t layer,
                                    const engine::SessionOptions& wanted) {
  if (layer > assistant.config().n_layers)
    return make_error(ErrorCode::kUnsupported, "routing.layer: expected at most {}, the layers of {}, found {}",
                      assistant.config().n_layers, assistant.file().path().string(), layer);
  static constexpr size_t kHead = 256, kTail = 128;
  engine::SessionOptions options = wanted;
  options.context_length = std::min<uint32_t>(kHead + kTail + 1, assistant.config().context_length);
  options.policy = engine::ContextPolicy::kStop;
  return HiddenState([&assistant, &pool, layer, options](std::string_view text) -> Result<std::vector<float>> {
    const formats::Tokenizer& tokenizer = assistant.tokenizer();
    std::vector<formats::Token> tokens = tokenizer.encode(text, formats::SpecialTokens::kAsText);
    if (tokens.empty()) return make_error(ErrorCode::kInvalidArgument, "the request is empty");
    SAIN_ASSIGN_OR_RETURN(engine::Session session, engine::Session::create(assistant, pool, options));
    const size_t limit = std::min<size_t>(kHead + kTail, session.context_length() - 1);
    if (tokens.size() > limit) {
      const size_t tail = std::min(kTail, limit / 2);
      tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(limit - tail),
                   tokens.end() - static_cast<std::ptrdiff_t>(tail));
    }
    if (tokenizer.add_bos() && tokenizer.bos()) tokens.insert(tokens.begin(), *tokenizer.bos());
    return session.hidden_state(tokens, layer);
  });
}

FeatureExtractor::FeatureExtractor(HiddenState hidden, uint32_t hidden_size, std::optional<engine::Encoder> encoder)
    : hidden_(std::move(hidden)), encoder_(std::move(encoder)) {
  // The first view is what nearest neighbours are looked for in.
  if (encoder_) {
    const uint32_t n = encoder_->n_layers();
    layers_ = {n - std::min(n, 2U), n - 1, n};
    views_.assign(layers_.size(), {encoder_->dimension(), 1});
  } else {
    views_.push_back({hidden_size, 1});
  }
  views_.push_back({kNgramSize, kNgramWeight});
}

uint32_t FeatureExtractor::n_features() const {
  uint32_t sum = 0;
  for (const FeatureView& view : views_) sum += view.size;
  return sum;
}

Result<std::vector<float>> FeatureExtractor::extract(std::string_view text) {
  std::vector<float> features;
  if (encoder_) {
    const std::lock_guard lock(mutex_);
    SAIN_ASSIGN_OR_RETURN(features, encoder_->embed(encoder_->tokens(both_ends(text)), layers_));
    // The last layer's comes first. Not of std::ranges, whose views clang 14 cannot compile.
    std::rotate(features.begin(), features.end() - encoder_->dimension(), features.end());
  } else {
    SAIN_ASSIGN_OR_RETURN(features, hidden_(text));
  }
  const std::vector<float> ngrams = ngram_features(text, kNgramSize);
  features.insert(features.end(), ngrams.begin(), ngrams.end());
  return features;
}

Result<Embedding> FeatureExtractor::embed(std::string_view text) {
  if (!encoder_) return make_error(ErrorCode::kUnsupported, "there is no encoder");
  return embed(encoder_->tokens(text));
}

Result<Embedding> FeatureExtractor::embed(std::span<const formats::Token> tokens) {
  if (!encoder_) return make_error(ErrorCode::kUnsupported, "there is no encoder");
  const std::lock_guard lock(mutex_);
  SAIN_ASSIGN_OR_RETURN(std::vector<float> values, encoder_->embed(tokens));
  return Embedding{std::move(values), tokens.size()};
}

}  // namespace sain::router
