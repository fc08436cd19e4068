#include "engine/encoder.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/aligned_buffer.h"
#include "engine/cpu/matmul.h"
#include "engine/tensor_loader.h"
#include "formats/gguf.h"
#include "kernels/kernel_set.h"
#include "kernels/matrix_view.h"

namespace sain::engine {
namespace {

using formats::GgufFile;
using formats::Token;

struct Config {
  uint32_t n_layers = 0, d_model = 0, d_ff = 0, n_heads = 0, max_tokens = 0;
  float epsilon = 0;
  bool takes_first = false;  // the first token's state, in place of the mean of all

  uint32_t head_dim() const { return d_model / n_heads; }
};

struct Norm {
  WeightVector weight, bias;  // (d_model)
};

struct Layer {
  WeightMatrix q, k, v, attention_output;  // (d_model, d_model)
  WeightVector q_bias, k_bias, v_bias, attention_output_bias;
  Norm attention_norm;
  WeightMatrix up, down;  // (d_ff, d_model), (d_model, d_ff)
  WeightVector up_bias, down_bias;
  Norm ffn_norm;
};

Result<Config> read_config(const formats::Metadata& m) {
  SAIN_ASSIGN_OR_RETURN(const std::string_view architecture, m.string("general.architecture"));
  if (architecture != "bert") {
    return make_error(ErrorCode::kUnsupported, "{}: general.architecture: expected bert, found {}", m.file(),
                      architecture);
  }
  Config config;
  const struct {
    const char* key;
    uint32_t most;
    uint32_t* value;
  } fields[] = {{"bert.block_count", 1024, &config.n_layers},
                {"bert.embedding_length", 1u << 16, &config.d_model},
                {"bert.feed_forward_length", 1u << 18, &config.d_ff},
                {"bert.attention.head_count", 1u << 10, &config.n_heads},
                {"bert.context_length", 1u << 16, &config.max_tokens}};
  for (const auto& field : fields) {
    SAIN_ASSIGN_OR_RETURN(*field.value, m.u32(field.key));
    if (*field.value == 0 || *field.value > field.most) {
      return make_error(ErrorCode::kCorrupt, "{}: {}: expected 1 to {}, found {}", m.file(), field.key, field.most,
                        *field.value);
    }
  }
  if (config.d_model % config.n_heads != 0) {
    return make_error(ErrorCode::kCorrupt, "{}: bert.attention.head_count: expected a divisor of {}, found {}",
                      m.file(), config.d_model, config.n_heads);
  }
  SAIN_ASSIGN_OR_RETURN(config.epsilon, m.f32("bert.attention.layer_norm_epsilon"));
  enum : uint32_t { kMean = 1, kFirst = 2 };
  SAIN_ASSIGN_OR_RETURN(const uint32_t pooling,
                        formats::Metadata::value_or<uint32_t>(m.u32("bert.pooling_type"), kMean));
  if (pooling != kMean && pooling != kFirst) {
    return make_error(ErrorCode::kUnsupported, "{}: bert.pooling_type: expected 1 (mean) or 2 (first token), found {}",
                      m.file(), pooling);
  }
  config.takes_first = pooling == kFirst;
  return config;
}

Status load_norm(TensorLoader& loader, const std::string& name, size_t n, Norm& norm) {
  SAIN_RETURN_IF_ERROR(loader.vector(name + ".weight", n, norm.weight));
  return loader.vector(name + ".bias", n, norm.bias);
}

Status load_layer(TensorLoader& loader, const Config& config, uint32_t index, Layer& layer) {
  const auto linear = [&](const char* tensor, size_t rows, size_t cols, WeightMatrix& w, WeightVector& bias) -> Status {
    const std::string name = fmt::format("blk.{}.{}", index, tensor);
    SAIN_RETURN_IF_ERROR(loader.matrix(name + ".weight", rows, cols, w));
    return loader.vector(name + ".bias", rows, bias);
  };
  const size_t d_model = config.d_model, d_ff = config.d_ff;
  SAIN_RETURN_IF_ERROR(linear("attn_q", d_model, d_model, layer.q, layer.q_bias));
  SAIN_RETURN_IF_ERROR(linear("attn_k", d_model, d_model, layer.k, layer.k_bias));
  SAIN_RETURN_IF_ERROR(linear("attn_v", d_model, d_model, layer.v, layer.v_bias));
  SAIN_RETURN_IF_ERROR(linear("attn_output", d_model, d_model, layer.attention_output, layer.attention_output_bias));
  SAIN_RETURN_IF_ERROR(linear("ffn_up", d_ff, d_model, layer.up, layer.up_bias));
  SAIN_RETURN_IF_ERROR(linear("ffn_down", d_model, d_ff, layer.down, layer.down_bias));
  SAIN_RETURN_IF_ERROR(load_norm(loader, fmt::format("blk.{}.attn_output_norm", index), d_model, layer.attention_norm));
  return load_norm(loader, fmt::format("blk.{}.layer_output_norm", index), d_model, layer.ffn_norm);
}

}  // namespace

struct Encoder::State {
  State(GgufFile gguf, formats::Tokenizer words, Config dimensions, kernels::KernelSet functions, ThreadPool& threads)
      : file(std::move(gguf)), tokenizer(std::move(words)), config(dimensions), kernels(functions), pool(&threads) {}

  Status load();
  Status allocate();
  void embed_tokens(std::span<const Token> tokens);
  void attend(size_t n);
  void add_and_norm(size_t n, const Norm& norm);
  std::vector<float> pooled(size_t n) const;

  const GgufFile file;
  const formats::Tokenizer tokenizer;
  const Config config;
  const kernels::KernelSet kernels;
  ThreadPool* const pool;

  WeightMatrix token_embedding, position_embedding, type_embedding;
  Norm embedding_norm;
  std::vector<Layer> layers;
  size_t weights_bytes = 0;

  cpu::Matmul matmul;
  AlignedBuffer memory;                    // backs the views below
  MatrixView<float> x, q, k, v, attended;  // (max_tokens, d_model)
  MatrixView<float> delta;                 // (max_tokens, d_model): what a block adds to x
  MatrixView<float> up;                    // (max_tokens, d_ff)
  MatrixView<float> scratch;               // (n_threads, scratch of a head's attention)
};

Status Encoder::State::load() {
  TensorLoader loader(file, weights_bytes);
  const size_t d_model = config.d_model;
  SAIN_RETURN_IF_ERROR(loader.matrix("token_embd.weight", tokenizer.vocab_size(), d_model, token_embedding));
  SAIN_RETURN_IF_ERROR(loader.matrix("position_embd.weight", config.max_tokens, d_model, position_embedding));
  // The first of its rows counts: all tokens belong to one text.
  const formats::TensorInfo* types = file.find_tensor("token_types.weight");
  SAIN_RETURN_IF_ERROR(
      loader.matrix("token_types.weight", types != nullptr ? types->shape[1] : 1, d_model, type_embedding));
  SAIN_RETURN_IF_ERROR(load_norm(loader, "token_embd_norm", d_model, embedding_norm));
  layers.resize(config.n_layers);
  for (uint32_t l = 0; l < config.n_layers; ++l) SAIN_RETURN_IF_ERROR(load_layer(loader, config, l, layers[l]));
  return {};
}

Status Encoder::State::allocate() {
  SAIN_ASSIGN_OR_RETURN(matmul, cpu::Matmul::create(kernels, *pool, cpu::Arithmetic::kF32,
                                                    std::max(config.d_model, config.d_ff), config.max_tokens, {}));
  struct Part {
    MatrixView<float>* view;
    size_t rows, cols;
  };
  const size_t scratch_floats =
      (kernels::attention_scratch_floats(config.max_tokens, config.head_dim()) + 15) / 16 * 16;
  const std::array<Part, 8> parts = {{{&scratch, pool->n_threads(), scratch_floats},
                                      {&x, config.max_tokens, config.d_model},
                                      {&q, config.max_tokens, config.d_model},
                                      {&k, config.max_tokens, config.d_model},
                                      {&v, config.max_tokens, config.d_model},
                                      {&attended, config.max_tokens, config.d_model},
                                      {&delta, config.max_tokens, config.d_model},
                                      {&up, config.max_tokens, config.d_ff}}};
  size_t n_floats = 0;
  for (const Part& part : parts) n_floats += part.rows * part.cols;
  SAIN_ASSIGN_OR_RETURN(memory, AlignedBuffer::allocate(n_floats * sizeof(float), "an encoder's activations"));
  float* next = memory.as<float>();
  for (const Part& part : parts) {
    *part.view = {next, part.rows, part.cols};
    next += part.rows * part.cols;
  }
  return {};
}

void Encoder::State::embed_tokens(std::span<const Token> tokens) {
  const size_t d_model = config.d_model;
  const auto row = [&](const WeightMatrix& w, size_t r, float* out) {
    kernels.dequantize[w.dtype](w.row(r), out, d_model);
  };
  for (size_t t = 0; t < tokens.size(); ++t) {
    row(token_embedding, static_cast<size_t>(tokens[t]), x.row(t));
    row(position_embedding, t, delta.row(t));
    kernels.elementwise.add(delta.row(t), x.row(t), d_model);
    row(type_embedding, 0, delta.row(t));
  }
  add_and_norm(tokens.size(), embedding_norm);
}

/// Every token attends to all of them.
void Encoder::State::attend(size_t n) {
  const size_t head_dim = config.head_dim();
  pool->parallel_for(config.n_heads, 1, [&](unsigned thread, size_t head, size_t) {
    const size_t column = head * head_dim;
    // As if they came after all that they see.
    const kernels::AttentionRange all = {
        q.row(0) + column, k.row(0) + column, v.row(0) + column, 0, n, kernels::AttentionMask::kCausal};
    kernels.attention.for_type(kernels::KvType::kF32)({.ranges = &all,
                                                       .n_ranges = 1,
                                                       .n_tokens = n,
                                                       .group = 1,
                                                       .head_dim = head_dim,
                                                       .query_stride = q.stride,
                                                       .key_stride = k.stride * sizeof(float),
                                                       .value_stride = v.stride * sizeof(float),
                                                       .position = n,
                                                       .window = 0,
                                                       .scale = 1.0f / std::sqrt(static_cast<float>(head_dim)),
                                                       .soft_cap = 0,
                                                       .scratch = scratch.row(thread),
                                                       .out = attended.row(0) + column,
                                                       .out_stride = attended.stride,
                                                       .partial = {}});
  });
}

/// x = norm(x + delta).
void Encoder::State::add_and_norm(size_t n, const Norm& norm) {
  for (size_t t = 0; t < n; ++t) {
    kernels.elementwise.add(delta.row(t), x.row(t), x.cols);
    kernels.layer_norm(x.row(t), norm.weight.data(), norm.bias.data(), config.epsilon, x.row(t), x.cols);
  }
}

std::vector<float> Encoder::State::pooled(size_t n) const {
  std::vector<double> sum(x.cols);
  for (size_t t = 0; t < (config.takes_first ? 1 : n); ++t) {
    for (size_t i = 0; i < x.cols; ++i) sum[i] += static_cast<double>(x.row(t)[i]);
  }
  double squares = 0;
  for (const double value : sum) squares += value * value;
  std::vector<float> out(x.cols);
  for (size_t i = 0; i < x.cols; ++i) out[i] = static_cast<float>(sum[i] / std::sqrt(squares));
  return out;
}

Encoder::Encoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

Result<Encoder> Encoder::load(const std::filesystem::path& path, ThreadPool& pool, kernels::Isa isa) {
  SAIN_ASSIGN_OR_RETURN(GgufFile file, GgufFile::open(path));
  SAIN_ASSIGN_OR_RETURN(const Config config, read_config(file.metadata()));
  SAIN_ASSIGN_OR_RETURN(formats::Tokenizer tokenizer, formats::Tokenizer::from_metadata(file.metadata()));
  auto state = std::make_unique<State>(std::move(file), std::move(tokenizer), config,
                                       kernels::select_kernels(kernels::detect_isa(isa)), pool);
  const Status loaded = state->load();
  SAIN_RETURN_IF_ERROR(state->file.status());
  SAIN_RETURN_IF_ERROR(loaded);
  SAIN_RETURN_IF_ERROR(state->allocate());
  return Encoder(std::move(state));
}

uint32_t Encoder::dimension() const {
  return state_->config.d_model;
}
size_t Encoder::weights_bytes() const {
  return state_->weights_bytes;
}

std::vector<Token> Encoder::tokens(std::string_view text) const {
  const formats::Tokenizer& tokenizer = state_->tokenizer;
  std::vector<Token> tokens = tokenizer.encode(text, formats::SpecialTokens::kAsText);
  const size_t n_framing = (tokenizer.add_bos() ? 1 : 0) + (tokenizer.add_eos() ? 1 : 0);
  if (const size_t most = state_->config.max_tokens; tokens.size() + n_framing > most) tokens.resize(most - n_framing);
  if (tokenizer.add_bos()) tokens.insert(tokens.begin(), *tokenizer.bos());
  if (tokenizer.add_eos()) tokens.push_back(*tokenizer.eos());
  return tokens;
}

uint32_t Encoder::n_layers() const {
  return state_->config.n_layers;
}

Result<std::vector<float>> Encoder::embed(std::span<const Token> tokens) {
  const uint32_t all = n_layers();
  return embed(tokens, {&all, 1});
}

Result<std::vector<float>> Encoder::embed(std::span<const Token> tokens, std::span<const uint32_t> layers) {
  State& s = *state_;
  const size_t n = tokens.size();
  if (n == 0 || n > s.config.max_tokens) {
    return make_error(ErrorCode::kInvalidArgument, "expected 1 to {} tokens, found {}", s.config.max_tokens, n);
  }
  for (size_t i = 0; i < n; ++i) {
    if (tokens[i] < 0 || static_cast<size_t>(tokens[i]) >= s.tokenizer.vocab_size()) {
      return make_error(ErrorCode::kInvalidArgument, "token {}: expected an id from 0 to {}, found {}", i,
                        s.tokenizer.vocab_size() - 1, tokens[i]);
    }
  }
  if (!std::ranges::is_sorted(layers) || (!layers.empty() && layers.back() > s.config.n_layers))
    return make_error(ErrorCode::kInvalidArgument, "expected ascending numbers of layers up to {}", s.config.n_layers);
  ThreadPool::Turn turn(*s.pool);
  std::vector<float> embeddings;
  const auto keep = [&](size_t n_done) {
    for (const uint32_t layer : layers) {
      if (layer != n_done) continue;
      const std::vector<float> embedding = s.pooled(n);
      embeddings.insert(embeddings.end(), embedding.begin(), embedding.end());
    }
  };
  const auto rows = [n](const MatrixView<float>& whole) {
    return MatrixView<float>(whole.data, n, whole.cols, whole.stride);
  };
  s.embed_tokens(tokens);
  keep(0);
  for (size_t layer = 0; layer < s.layers.size(); ++layer) {
    const Layer& w = s.layers[layer];
    s.matmul({{{&w.q, &w.q_bias, rows(s.q)}, {&w.k, &w.k_bias, rows(s.k)}, {&w.v, &w.v_bias, rows(s.v)}}}, rows(s.x));
    s.attend(n);
    s.matmul({{{&w.attention_output, &w.attention_output_bias, rows(s.delta)}}}, rows(s.attended));
    s.add_and_norm(n, w.attention_norm);
    s.matmul({{{&w.up, &w.up_bias, rows(s.up)}}}, rows(s.x));
    s.pool->parallel_for(n, 1, [&](unsigned, size_t begin, size_t end) {
      for (size_t t = begin; t < end; ++t) s.kernels.gelu(s.up.row(t), s.up.row(t), s.up.cols);
    });
    s.matmul({{{&w.down, &w.down_bias, rows(s.delta)}}}, rows(s.up));
    s.add_and_norm(n, w.ffn_norm);
    keep(layer + 1);
    turn.yield();
  }
  SAIN_RETURN_IF_ERROR(s.file.status());
  return embeddings;
}

}  // namespace sain::engine
