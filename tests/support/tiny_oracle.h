// What a TinyModel (llama, qwen2, gemma3) answers, by its equations: slow, in double, with nothing cached or shared
// with the engine. Streaming is taken at its word (arXiv 2309.17453, section 3.2): a token sees sinks and a window of
// the whole text, and a position is the place among what is seen.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/support/tiny_model.h"

namespace sain::testing {

class TinyOracle {
 public:
  using Row = std::vector<double>;

  struct Options {
    size_t n_sinks = 0;
    size_t window = SIZE_MAX;                                             // of layers that have none of their own
    std::function<bool(size_t)> is_local = [](size_t) { return false; };  // sees kLocalWindow tokens and no sinks
    double rope_base = 10000, local_rope_base = 10000;
    /// What becomes of a head's row, turned to its position in the text, when it is stored. Empty: nothing.
    std::function<Row(const Row&)> store_key = {}, store_value = {};
  };
  static constexpr size_t kLocalWindow = 16;

  TinyOracle(const TinyModel& model, Options options)
      : model_(model),
        options_(std::move(options)),
        is_gemma_(model.prefix.starts_with("gemma")),
        turns_neighbours_(model.prefix.starts_with("llama")) {}

  /// The logits after each token.
  std::vector<Row> logits(std::span<const int32_t> tokens) {
    std::vector<Row> all;
    for (size_t p = 0; p < tokens.size(); ++p) {
      Row x = row_of("token_embd.weight", static_cast<size_t>(tokens[p]), kModel);
      if (is_gemma_) scale(x, std::sqrt(double{kModel}));
      for (size_t layer = 0; layer < TinyModel::kLayers; ++layer) {
        const std::string name = "blk." + std::to_string(layer) + ".";
        add(x, post_norm(name + "post_attention_norm.weight",
                         attention(layer, name, p, norm(name + "attn_norm.weight", x))));
        add(x, post_norm(name + "post_ffw_norm.weight", feed_forward(name, norm(name + "ffn_norm.weight", x))));
      }
      all.push_back(product("output.weight", norm("output_norm.weight", x)));
    }
    return all;
  }

 private:
  static constexpr size_t kModel = TinyModel::kModel, kHeadDim = TinyModel::kHeadDim;

  struct Layer {
    std::vector<std::vector<Row>> keys, values;  // of each KV head and position; keys turned back
  };

  Row attention(size_t layer, const std::string& name, size_t p, const Row& x) {
    const bool is_local = options_.is_local(layer);
    const double base = is_local ? options_.local_rope_base : options_.rope_base;
    const std::vector<size_t> seen = seen_from(p, is_local);
    std::vector<Row> queries = heads(name + "attn_q", x), keys = heads(name + "attn_k", x);
    const std::vector<Row> values = heads(name + "attn_v", x);
    Layer& cache = layers_[layer];
    cache.keys.resize(keys.size());
    cache.values.resize(keys.size());
    for (size_t h = 0; h < keys.size(); ++h) {
      const double here = static_cast<double>(p);
      Row key = turned(keys[h], here, base);
      if (options_.store_key) key = options_.store_key(key);
      cache.keys[h].push_back(turned(key, -here, base));
      cache.values[h].push_back(options_.store_value ? options_.store_value(values[h]) : values[h]);
    }
    Row out;
    for (size_t h = 0; h < queries.size(); ++h) {
      const size_t kv_head = h * keys.size() / queries.size();
      Row weights;
      double sum = 0;
      for (size_t place = 0; place < seen.size(); ++place) {
        const Row query = turned(queries[h], static_cast<double>(seen.size() - 1 - place), base);
        weights.push_back(std::exp(dot(query, cache.keys[kv_head][seen[place]]) / std::sqrt(double{kHeadDim})));
        sum += weights.back();
      }
      Row mean(kHeadDim);
      for (size_t place = 0; place < seen.size(); ++place) {
        Row value = cache.values[kv_head][seen[place]];
        scale(value, weights[place] / sum);
        add(mean, value);
      }
      out.insert(out.end(), mean.begin(), mean.end());
    }
    return product(name + "attn_output.weight", out);
  }

  std::vector<size_t> seen_from(size_t p, bool is_local) const {
    const size_t n_sinks = is_local ? 0 : options_.n_sinks, window = is_local ? kLocalWindow : options_.window;
    std::vector<size_t> seen;
    for (size_t j = 0; j <= p; ++j) {
      if (j < n_sinks || p - j < window) seen.push_back(j);
    }
    return seen;
  }

  Row feed_forward(const std::string& name, const Row& x) {
    Row gate = product(name + "ffn_gate.weight", x);
    const Row up = product(name + "ffn_up.weight", x);
    for (size_t i = 0; i < gate.size(); ++i) {
      const double g = gate[i], inner = std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g);
      gate[i] = (is_gemma_ ? g / 2 * (1 + std::tanh(inner)) : g / (1 + std::exp(-g))) * up[i];
    }
    return product(name + "ffn_down.weight", gate);
  }

  /// q, k or v of each head, normalised where the model does that.
  std::vector<Row> heads(const std::string& name, const Row& x) {
    Row all = product(name + ".weight", x);
    if (model_.tensors.contains(name + ".bias")) add(all, row_of(name + ".bias", 0, all.size()));
    std::vector<Row> result;
    for (auto at = all.begin(); at != all.end(); at += kHeadDim) {
      const Row head(at, at + kHeadDim);
      const bool has_norm = model_.tensors.contains(name + "_norm.weight");
      result.push_back(has_norm ? norm(name + "_norm.weight", head) : head);
    }
    return result;
  }

  /// A head turned to `position`: pairs are neighbours in llama, and half a head apart elsewhere.
  Row turned(const Row& head, double position, double base) const {
    Row result = head;
    for (size_t i = 0; i < kHeadDim / 2; ++i) {
      const double angle = position * std::pow(base, -2.0 * static_cast<double>(i) / kHeadDim);
      const size_t a = turns_neighbours_ ? 2 * i : i, b = turns_neighbours_ ? a + 1 : i + kHeadDim / 2;
      result[a] = head[a] * std::cos(angle) - head[b] * std::sin(angle);
      result[b] = head[a] * std::sin(angle) + head[b] * std::cos(angle);
    }
    return result;
  }

  Row post_norm(const std::string& weight, const Row& x) {
    return model_.tensors.contains(weight) ? norm(weight, x) : x;
  }
  Row norm(const std::string& weight, Row x) {
    const double factor = 1 / std::sqrt(dot(x, x) / static_cast<double>(x.size()) + double{1e-5f});
    const Row w = row_of(weight, 0, x.size());
    for (size_t i = 0; i < x.size(); ++i) x[i] *= factor * w[i];
    return x;
  }
  Row product(const std::string& weight, const Row& x) {
    Row y;
    const size_t rows = model_.tensors.at(weight).shape[1];
    for (size_t r = 0; r < rows; ++r) y.push_back(dot(row_of(weight, r, x.size()), x));
    return y;
  }
  const Row& row_of(const std::string& name, size_t row, size_t cols) {
    std::vector<Row>& rows = rows_[name];
    while (rows.size() <= row) {
      const size_t first = rows.size() * cols;
      rows.emplace_back();
      for (size_t i = 0; i < cols; ++i) rows.back().push_back(double{model_.at(name, first + i)});
    }
    return rows[row];
  }

  static double dot(const Row& a, const Row& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  }
  static void add(Row& x, const Row& y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  static void scale(Row& x, double factor) {
    for (double& element : x) element *= factor;
  }

  TinyModel model_;
  Options options_;
  bool is_gemma_, turns_neighbours_;
  std::map<size_t, Layer> layers_;
  std::map<std::string, std::vector<Row>> rows_;  // of the weights, in double
};

}  // namespace sain::testing
