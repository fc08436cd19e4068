// All tokens of a vocabulary by their bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer.h"

namespace sain::engine {

using formats::Token;

/// A trie of the tokens' bytes (Tokenizer::piece()), laid out for one walk from front to back: after a node come those
/// below it. Tokens that end a generation are kept apart; those without bytes (control tokens) are not there. Building
/// it takes some tens of milliseconds, so it is built once for a tokenizer and shared. Immutable; keeps no reference to
/// the tokenizer.
class TokenTrie {
 public:
  struct Node {
    uint32_t end;          // the next node that is not below this one
    uint32_t first_token;  // in tokens(), of those that end here; the next node's first_token is behind the last
    uint32_t depth;        // bytes; 1 for those at the top
    uint8_t byte;
    uint8_t plain_height;  // levels below this one, where all of their bytes are plain; else kNotPlain
  };
  static constexpr uint8_t kNotPlain = 255;  // or too high

  /// Bytes that most tokens consist of and many grammars do not tell apart: ASCII as it stands in a JSON string. A walk
  /// that takes such branches at once is six times as fast there (0.1 ms instead of 0.65 over SmolLM2's 49k tokens).
  static constexpr bool is_plain(uint8_t byte) { return byte >= ' ' && byte < 0x7F && byte != '"' && byte != '\\'; }

  explicit TokenTrie(const formats::Tokenizer& tokenizer);

  /// In order of bytes.
  std::span<const Node> nodes() const { return {nodes_.data(), nodes_.size() - 1}; }
  /// Those that end at nodes()[i] and below it.
  std::span<const Token> tokens_from(size_t i) const {
    return std::span(tokens_).subspan(nodes_[i].first_token, nodes_[nodes_[i].end].first_token - nodes_[i].first_token);
  }
  /// Those that end at nodes()[i].
  std::span<const Token> tokens(size_t i) const {
    return std::span(tokens_).subspan(nodes_[i].first_token, nodes_[i + 1].first_token - nodes_[i].first_token);
  }
  size_t max_depth() const { return max_depth_; }
  std::span<const Token> ends() const { return ends_; }
  size_t vocab_size() const { return first_byte_.size() - 1; }

  /// The token's bytes; none for tokens that are not in the trie, or of no vocabulary.
  std::string_view piece(Token token) const;

 private:
  std::vector<Node> nodes_;  // and one behind the last
  std::vector<Token> tokens_;
  std::vector<Token> ends_;
  std::string bytes_;
  std::vector<size_t> first_byte_;  // (vocab + 1)
  size_t max_depth_ = 0;
};

}  // namespace sain::engine
