// Texts as points: the embedding of a BERT-like encoder (arXiv 1810.04805), as sentence transformers take it (arXiv
// 1908.10084). Texts that mean the same lie near each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/thread_pool.h"
#include "formats/result.h"
#include "formats/tokenizer.h"
#include "kernels/isa.h"

namespace sain::engine {

/// Computes in fp32. Used by one thread at a time, which takes turns with others that use the pool.
class Encoder {
 public:
  /// Maps and checks a GGUF of the architecture `bert`, whose file stays mapped. `pool` must outlive the encoder.
  /// Errors: those of GgufFile::open and Tokenizer; kUnsupported (architecture, pooling), kCorrupt (dimensions,
  /// shapes), kNotFound (a key or a tensor), kResourceExhausted.
  static Result<Encoder> load(const std::filesystem::path& path, ThreadPool& pool,
                              kernels::Isa isa = kernels::Isa::kAuto);
  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;
  ~Encoder();

  uint32_t dimension() const;
  uint32_t n_layers() const;
  size_t weights_bytes() const;

  /// The text's tokens between the two that frame it; of a text that is too long for the model, its beginning.
  std::vector<formats::Token> tokens(std::string_view text) const;

  /// The embedding of tokens() (dimension() floats), of unit length. Errors: kInvalidArgument (no tokens, too many, an
  /// id outside the vocabulary), kIo (the file is not what it was, see MappedFile::status()).
  Result<std::vector<float>> embed(std::span<const formats::Token> tokens);

  /// The same from the states after as many of the layers as each of `layers` says (ascending, at most n_layers()), one
  /// after the other: earlier layers know more of the words, later ones more of what they mean. Errors also:
  /// kInvalidArgument (`layers`).
  Result<std::vector<float>> embed(std::span<const formats::Token> tokens, std::span<const uint32_t> layers);

 private:
  struct State;
  explicit Encoder(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

}  // namespace sain::engine
