#include "engine/token_mask.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <thread>

#include "engine/token_trie.h"
#include "tests/formats/tiny_tokenizer.h"

namespace sain::engine {
namespace {

using formats::Grammar;
using formats::TinyByteLevel;
using formats::TinySentencePiece;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Token kHe = 256, kLl = 257, kHell = 258, kHello = 259, kStart = 261, kEnd = 262;

std::shared_ptr<const TokenTrie> trie_of(const formats::TokenizerData& data) {
  return std::make_shared<TokenTrie>(formats::made(data));
}

GrammarMatcher matcher(std::string_view grammar, const formats::TokenizerData& data = TinyByteLevel().data) {
  auto parsed = Grammar::parse(grammar);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return GrammarMatcher(std::make_shared<CompiledGrammar>(*std::move(parsed), trie_of(data)));
}

/// The tokens of 270 that are not masked.
std::vector<Token> allowed(GrammarMatcher& m) {
  std::vector<float> logits(270, 1.0f);
  const Status status = m.mask(logits);
  EXPECT_TRUE(status) << status.error().message;
  std::vector<Token> tokens;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == 1.0f) tokens.push_back(static_cast<Token>(i));
    EXPECT_TRUE(logits[i] == 1.0f || logits[i] == -std::numeric_limits<float>::infinity());
  }
  return tokens;
}

TEST(TokenTrie, HoldsEveryTokenWithBytesOnce) {
  const TinyByteLevel tiny;
  const auto trie = trie_of(tiny.data);
  EXPECT_EQ(trie->vocab_size(), 266u);
  EXPECT_THAT(trie->ends(), ElementsAre(kEnd));
  EXPECT_EQ(trie->max_depth(), 7u);  // <tool>x
  std::vector<int> seen(trie->vocab_size());
  std::string path;
  for (size_t i = 0; i < trie->nodes().size(); ++i) {
    const TokenTrie::Node& node = trie->nodes()[i];
    path.resize(node.depth - 1);
    path += static_cast<char>(node.byte);
    for (const Token token : trie->tokens(i)) {
      ++seen[static_cast<size_t>(token)];
      EXPECT_EQ(trie->piece(token), path);
    }
    // What is below a node begins like it, and lies between it and its end.
    for (size_t j = i + 1; j < trie->nodes().size() && j < i + 20; ++j) {
      if (j > node.end) break;
      EXPECT_EQ(trie->nodes()[j].depth > node.depth, j < node.end);
    }
  }
  for (size_t token = 0; token < seen.size(); ++token) {
    const bool has_bytes = token < 261 || token == 263 || token == 264;  // not the control and unused tokens
    EXPECT_EQ(seen[token], has_bytes) << token;
  }
  EXPECT_EQ(trie->piece(kHello), "hello");
  EXPECT_EQ(trie->piece(kEnd), "");
  EXPECT_EQ(trie->piece(-1), "");
  EXPECT_EQ(trie->piece(1000), "");
}

TEST(TokenTrie, TokensThatAreSpelledAlikeShareANode) {
  TinyByteLevel tiny;
  const Token again = tiny.add("he");
  const auto trie = trie_of(tiny.data);
  for (size_t i = 0; i < trie->nodes().size(); ++i) {
    if (trie->tokens(i).size() < 2) continue;
    EXPECT_THAT(trie->tokens(i), ElementsAre(kHe, again));
  }
}

TEST(GrammarMatcher, AllowsWhatCanFollowAndNothingElse) {
  GrammarMatcher m = matcher(R"(root ::= "hello" " w"?)");
  EXPECT_THAT(allowed(m), ElementsAre('h', kHe, kHell, kHello));
  ASSERT_TRUE(m.accept(kHe));
  EXPECT_THAT(allowed(m), ElementsAre('l', kLl));
  EXPECT_FALSE(m.accept(kHello));  // and it goes on as if nothing had been
  ASSERT_TRUE(m.accept(kLl));
  ASSERT_TRUE(m.accept('o'));
  EXPECT_THAT(allowed(m), ElementsAre(' ', 260, kEnd));
  EXPECT_FALSE(m.is_complete());
  ASSERT_TRUE(m.accept(260));
  EXPECT_TRUE(m.is_complete());
  EXPECT_THAT(allowed(m), ElementsAre(kEnd));
  EXPECT_TRUE(m.accept(kEnd));
}

// Not even where its text would fit: a control token is no text.
TEST(GrammarMatcher, ControlTokensAreNeverAllowed) {
  GrammarMatcher m = matcher("root ::= .*");
  const std::vector<Token> tokens = allowed(m);
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), kStart), 0);
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), kEnd), 1);
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 263), 1);  // <tool> is text
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 265), 0);  // unused
  EXPECT_FALSE(m.accept(kStart));
  EXPECT_FALSE(m.accept(-1));
  EXPECT_FALSE(m.accept(100'000));
}

TEST(GrammarMatcher, CharactersMayComeInPieces) {
  GrammarMatcher m = matcher(R"(root ::= [\u00e0-\u00ff\u20ac] "!")");
  EXPECT_THAT(allowed(m), ElementsAre(0xC3, 0xE2));
  ASSERT_TRUE(m.accept(0xE2));
  EXPECT_THAT(allowed(m), ElementsAre(0x82));
  ASSERT_TRUE(m.accept(0x82));
  ASSERT_TRUE(m.accept(0xAC));
  EXPECT_THAT(allowed(m), ElementsAre('!'));
}

TEST(GrammarMatcher, SentencePieceSpacesAreSpaces) {
  const TinySentencePiece tiny;
  GrammarMatcher m = matcher(R"(root ::= "a" " ab")", tiny.data);
  ASSERT_TRUE(m.accept(TinySentencePiece::kA));
  EXPECT_THAT(allowed(m),
              ElementsAre(3 + ' ', TinySentencePiece::kSpace, TinySentencePiece::kSpaceA, TinySentencePiece::kSpaceAB));
}

TEST(GrammarMatcher, AVocabularyThatCannotSpellItIsAnError) {
  TinySentencePiece tiny;
  for (size_t i = 0; i < tiny.data.types.size(); ++i) {
    if (tiny.data.types[i] == static_cast<int64_t>(formats::TokenType::kByte)) {
      tiny.data.types[i] = static_cast<int64_t>(formats::TokenType::kUnused);
    }
  }
  GrammarMatcher m = matcher(R"(root ::= "ax")", tiny.data);
  ASSERT_TRUE(m.accept(TinySentencePiece::kA));
  std::vector<float> logits(300, 1.0f);
  const Status status = m.mask(logits);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInternal);
  EXPECT_THAT(status.error().message, HasSubstr("no token that may follow"));
}

TEST(GrammarMatcher, HostileAmbiguityEnds) {
  GrammarMatcher m = matcher(R"(root ::= "h" root "e" | "h" root "l" | "he" root "o" | "x")");
  for (int i = 0; i < 30; ++i) {
    std::vector<float> logits(266, 1.0f);
    if (!m.mask(logits) || !m.accept('h')) return;
  }
}

TEST(GrammarMatcher, ManyShareAGrammar) {
  auto grammar = std::make_shared<CompiledGrammar>(*Grammar::parse(R"(root ::= "[" ([a-z]+ | root)* "]")"),
                                                   trie_of(TinyByteLevel().data));
  std::vector<std::jthread> threads;
  std::vector<std::vector<Token>> found(4);
  for (std::vector<Token>& tokens : found) {
    threads.emplace_back([&tokens, grammar] {
      GrammarMatcher m(grammar);
      for (int i = 0; i < 20; ++i) {
        if (!m.accept('[') || !m.accept(kHello)) return;
        tokens = allowed(m);
      }
    });
  }
  threads.clear();
  for (const std::vector<Token>& tokens : found) EXPECT_EQ(tokens, found[0]);
  EXPECT_EQ(found[0].size(), 26u + 4 + 2);  // a to z, he to hello, [ and ]
}

TEST(CompiledGrammar, IsForItsVocabularyOnly) {
  TinyByteLevel tiny;
  const CompiledGrammar grammar(*Grammar::parse("root ::= \"a\""), trie_of(tiny.data));
  EXPECT_TRUE(grammar.check(formats::made(tiny.data)));
  tiny.add("more");
  const Status status = grammar.check(formats::made(tiny.data));
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("expected one for the model's 267 tokens, found one for 266"));
}

}  // namespace
}  // namespace sain::engine
