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

Result<std::vector<float>> FeatureExtractor::extract(std::string_view text) {
  std::vector<float> features;
  if (encoder_) {
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

}  // namespace sain::router
