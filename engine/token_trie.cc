#include "engine/token_trie.h"

#include <algorithm>

namespace sain::engine {

TokenTrie::TokenTrie(const formats::Tokenizer& tokenizer) {
  first_byte_.push_back(0);
  for (size_t i = 0; i < tokenizer.vocab_size(); ++i) {
    const Token token = static_cast<Token>(i);
    if (tokenizer.is_end_of_generation(token)) {
      ends_.push_back(token);
    } else {
      bytes_ += tokenizer.piece(token);
    }
    if (bytes_.size() > first_byte_.back()) tokens_.push_back(token);
    first_byte_.push_back(bytes_.size());
  }
  std::ranges::sort(tokens_, [this](Token a, Token b) {
    const int order = piece(a).compare(piece(b));
    return order != 0 ? order < 0 : a < b;
  });

  std::vector<size_t> path;  // nodes down to the last token's
  const auto leave = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) {
      Node& node = nodes_[path.back()];
      node.end = static_cast<uint32_t>(nodes_.size());
      if (path.size() < 2) continue;
      uint8_t& above = nodes_[path[path.size() - 2]].plain_height;
      const bool is_plain_below = is_plain(node.byte) && node.plain_height < kNotPlain - 1;
      above = is_plain_below ? std::max<uint8_t>(above, node.plain_height + 1) : kNotPlain;
    }
  };
  std::string_view before;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view bytes = piece(tokens_[i]);
    leave(static_cast<size_t>(std::ranges::mismatch(before, bytes).in1 - before.begin()));
    while (path.size() < bytes.size()) {
      const uint8_t byte = static_cast<uint8_t>(bytes[path.size()]);
      path.push_back(nodes_.size());
      nodes_.push_back({0, static_cast<uint32_t>(i), static_cast<uint32_t>(path.size()), byte, 0});
    }
    max_depth_ = std::max(max_depth_, bytes.size());
    before = bytes;
  }
  leave(0);
  nodes_.push_back({static_cast<uint32_t>(nodes_.size()) + 1, static_cast<uint32_t>(tokens_.size()), 0, 0, 0});
}

std::string_view TokenTrie::piece(Token token) const {
  if (token < 0 || static_cast<size_t>(token) >= vocab_size()) return {};
  const size_t begin = first_byte_[static_cast<size_t>(token)];
  return std::string_view(bytes_).substr(begin, first_byte_[static_cast<size_t>(token) + 1] - begin);
}

}  // namespace sain::engine
