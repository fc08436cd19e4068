// Which tokens a grammar allows next.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/token_trie.h"
#include "formats/grammar.h"
#include "formats/result.h"

namespace sain::engine {

/// A grammar for the tokens of one vocabulary, shared by any number of generations and threads. What one of them has
/// found out (which tokens are allowed after what) serves all others.
class CompiledGrammar {
 public:
  /// `tokens`: of the model's tokenizer.
  CompiledGrammar(formats::Grammar grammar, std::shared_ptr<const TokenTrie> tokens);
  ~CompiledGrammar();

  const TokenTrie& tokens() const { return *tokens_; }

  /// kInvalidArgument where it is not for a vocabulary of this size.
  Status check(const formats::Tokenizer& tokenizer) const;

 private:
  friend class GrammarMatcher;
  struct Cache;

  /// What is known; begun anew when it has grown large or met a limit.
  std::shared_ptr<Cache> cache() const;

  formats::Grammar grammar_;
  std::shared_ptr<const TokenTrie> tokens_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<Cache> cache_;
};

/// One text that follows a grammar, as it grows. A token is allowed if its bytes, which may be parts of characters, can
/// follow; tokens that end a generation are allowed where the text is complete, control tokens never. What is allowed
/// after a text is found by one walk over the vocabulary, and remembered for all texts that the grammar cannot tell
/// apart. A space before the first word counts, though SentencePiece's decoder takes it off. Used by one thread at a
/// time.
class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<const CompiledGrammar> grammar);
  ~GrammarMatcher();
  GrammarMatcher(GrammarMatcher&&) noexcept;

  /// Sets the logits of forbidden tokens, and what is beyond the vocabulary, to -inf. Errors: kInternal (nothing is
  /// allowed: the vocabulary cannot spell the grammar's texts), kResourceExhausted (the automaton's limit).
  Status mask(std::span<float> logits);

  /// Appends a token. Errors: kInvalidArgument (it is not allowed; the text stays as it was).
  Status accept(Token token);

  /// Whether the text is complete, and nothing but an end can follow.
  bool is_complete() const;

 private:
  std::span<const uint64_t> allowed();

  std::shared_ptr<const CompiledGrammar> grammar_;
  std::shared_ptr<CompiledGrammar::Cache> cache_;
  uint32_t reading_;
  std::vector<uint64_t> scratch_;  // a mask that is not kept
};

}  // namespace sain::engine
