// What a request is classified by: several views of its text, each a vector of numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/encoder.h"
#include "engine/model.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "formats/result.h"

namespace sain::router {

/// A part of a vector of features that is centred and brought to unit length on its own.
struct FeatureView {
  uint32_t size = 0;
  float weight = 1;  // of its cosine in the mean of all views

  bool operator==(const FeatureView&) const = default;
};

/// Counts of the text's runs of 3 to 5 bytes, in lower case and with single spaces, 1 + ln(count) each: at a place and
/// with a sign that its hash says (Weinberger et al., arXiv 0902.2206), so that a few hundred numbers stand for any
/// number of runs. They know names and spelling, which the other views blur.
std::vector<float> ngram_features(std::string_view text, uint32_t size);

/// Features that a model which writes has of a text. Thread-safe.
using HiddenState = std::function<Result<std::vector<float>>(std::string_view text)>;

/// The mean hidden state of `assistant` over the text's tokens after `layer` layers: the way to classify where there is
/// no encoder, whose embeddings know more; beside them it adds nothing. Of a long text the first 256 and the last 128
/// tokens count: what is asked for stands at one end. Model and pool must outlive what is returned.
/// Errors: kUnsupported when the assistant has fewer layers; of the function: kInvalidArgument (no tokens), those of
/// Session::create.
Result<HiddenState> hidden_state_of(const engine::Model& assistant, engine::ThreadPool& pool, uint32_t layer,
                                    const engine::SessionOptions& options);

/// A text as a point, of unit length.
struct Embedding {
  std::vector<float> values;
  size_t n_tokens = 0;  // that were read
};

/// Thread-safe: those who share an encoder take turns.
class FeatureExtractor {
 public:
  /// `hidden_size` is the length of what `hidden` gives, which is asked only without an encoder.
  FeatureExtractor(HiddenState hidden, uint32_t hidden_size, std::optional<engine::Encoder> encoder);

  const std::vector<FeatureView>& views() const { return views_; }
  uint32_t n_features() const;
  bool has_encoder() const { return encoder_.has_value(); }

  /// What there is without an encoder. Errors: those of `hidden`.
  Result<std::vector<float>> hidden_state(std::string_view text) const { return hidden_(text); }

  /// All views, one after the other. Of a long text its beginning and its end count: what is asked for stands there.
  /// Errors: those of `hidden`; kInvalidArgument (no tokens).
  Result<std::vector<float>> extract(std::string_view text);

  /// The encoder's embedding, of as much of the text as it can read. Errors: kUnsupported (there is no encoder);
  /// kInvalidArgument (no tokens, too many, one that is none of its vocabulary).
  Result<Embedding> embed(std::string_view text);
  Result<Embedding> embed(std::span<const formats::Token> tokens);

  uint64_t bytes() const { return encoder_ ? encoder_->weights_bytes() : 0; }

 private:
  HiddenState hidden_;
  std::mutex mutex_;  // of the encoder
  std::optional<engine::Encoder> encoder_;
  std::vector<uint32_t> layers_;  // of the encoder, whose embeddings are views
  std::vector<FeatureView> views_;
};

}  // namespace sain::router
