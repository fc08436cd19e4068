// Byte-level BPE: the alphabet, the merge loop, texts that are long or not text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/formats/tiny_tokenizer.h"
#include "tests/support/linear_time.h"

namespace sain::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr SpecialTokens kText = SpecialTokens::kAsText;

TEST(ByteLevelTest, TheAlphabetHasEveryByteOnce) {
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  std::string text, back;
  append_byte_level_text(all, text);
  EXPECT_TRUE(append_byte_level_bytes(text, back));
  EXPECT_EQ(back, all);
  std::string space, newline, letter, soft_hyphen;
  append_byte_level_text(" ", space);
  append_byte_level_text("\n", newline);
  append_byte_level_text("a", letter);
  append_byte_level_text("\xAD", soft_hyphen);
  EXPECT_EQ(space, "\u0120");
  EXPECT_EQ(newline, "\u010A");
  EXPECT_EQ(letter, "a");
  EXPECT_EQ(soft_hyphen, "\u0143");
}

TEST(ByteLevelTest, OtherCharactersAreNotInTheAlphabet) {
  for (const char* text : {"a b", "\n", "\u0144", "\u2581", "\U0001F600", "\xC4", "\xC4x", "\xFF"}) {
    std::string bytes = "kept";
    EXPECT_FALSE(append_byte_level_bytes(text, bytes)) << text;
    EXPECT_EQ(bytes, "kept");
  }
}

TEST(ByteLevelTest, MergesInOrderOfRank) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  EXPECT_THAT(tokenizer.encode("hello", kText), ElementsAre(259));
  EXPECT_THAT(tokenizer.encode("helll", kText), ElementsAre(258, 'l'));
  EXPECT_THAT(tokenizer.encode("llllo", kText), ElementsAre(257, 257, 'o'));
  EXPECT_THAT(tokenizer.encode("lll", kText), ElementsAre(257, 'l'));  // the leftmost of equals
  EXPECT_THAT(tokenizer.encode("a w", kText), ElementsAre('a', 260));
  EXPECT_THAT(tokenizer.encode("", kText), IsEmpty());
}

TEST(ByteLevelTest, TheFirstOfEqualMergesCounts) {
  TinyByteLevel tiny;
  tiny.add("aa");
  tiny.add("ab");
  tiny.add_merge("a", "b");
  tiny.add_merge("a", "a");
  tiny.add_merge("a", "b");
  EXPECT_THAT(made(tiny.data).encode("aab", kText), ElementsAre('a', 267));
}

TEST(ByteLevelTest, IgnoringMergesTakesWholeWords) {
  TinyByteLevel tiny;
  tiny.add("xyz");  // no merge leads to it
  tiny.add("<|end");
  tiny.data.pre = "gpt-2";
  EXPECT_THAT(made(tiny.data).encode("xyz", kText), ElementsAre('x', 'y', 'z'));
  tiny.data.pre = "llama-bpe";
  EXPECT_THAT(made(tiny.data).encode("xyz", kText), ElementsAre(266));
  EXPECT_THAT(made(tiny.data).encode("hellohe", kText), ElementsAre(259, 256));
}

TEST(ByteLevelTest, AWholeWordIsNeverAControlToken) {
  TinyByteLevel tiny;
  tiny.add("stop", TokenType::kControl);
  tiny.data.pre = "llama-bpe";
  EXPECT_THAT(made(tiny.data).encode("stop", kText), ElementsAre('s', 't', 'o', 'p'));
}

TEST(ByteLevelTest, BytesWithoutTokensAreDropped) {
  TinyByteLevel tiny;
  tiny.data.types[0xF5] = static_cast<int64_t>(TokenType::kUnused);
  const Tokenizer tokenizer = made(tiny.data);
  EXPECT_THAT(tokenizer.encode("he\xF5llo\xF5", kText), ElementsAre(256, 257, 'o'));
  EXPECT_THAT(tokenizer.encode("\xF5", kText), IsEmpty());
}

TEST(ByteLevelTest, TokensOutsideTheAlphabetReadAsWritten) {
  TinyByteLevel tiny;
  tiny.add("\u4E2D x");
  EXPECT_EQ(made(tiny.data).piece(266), "\u4E2D x");
}

TEST(ByteLevelTest, AnyBytesSurvive) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) {
      constexpr std::string_view kPieces[] = {"hello", " w", "\xE4\xB8\xAD", "l", "\n", "<s", ">", "  "};
      text += random() % 2 ? std::string(kPieces[random() % 8]) : std::string(1, static_cast<char>(random()));
    }
    for (const SpecialTokens special : {kText, SpecialTokens::kParse}) {
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, special), SpecialTokens::kParse), text) << "seed " << seed;
    }
  }
}

/// Merges the textbook's way: look at every pair, join the best, start again.
std::vector<Token> merge_slowly(const TokenizerData& data, std::string_view word) {
  std::vector<std::string> parts;
  for (const char c : word) parts.emplace_back(1, c);
  while (true) {
    size_t best_rank = data.merges.size(), best = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto at = std::find(data.merges.begin(), data.merges.end(), parts[i] + " " + parts[i + 1]);
      const size_t rank = static_cast<size_t>(at - data.merges.begin());
      if (rank < best_rank) best_rank = rank, best = i;
    }
    if (best_rank == data.merges.size()) break;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
  std::vector<Token> tokens;
  for (const std::string& part : parts) {
    tokens.push_back(static_cast<Token>(std::find(data.tokens.begin(), data.tokens.end(), part) - data.tokens.begin()));
  }
  return tokens;
}

TEST(ByteLevelTest, AgreesWithTheTextbookOnRandomMerges) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    TinyByteLevel tiny;
    std::vector<std::string> made_so_far = {"a", "b", "c"};
    for (int i = 0; i < 25; ++i) {
      const std::string left = made_so_far[random() % made_so_far.size()];
      const std::string right = made_so_far[random() % made_so_far.size()];
      if (std::find(made_so_far.begin(), made_so_far.end(), left + right) == made_so_far.end()) {
        tiny.add(left + right);
        made_so_far.push_back(left + right);
      }
      tiny.add_merge(left, right);
    }
    const Tokenizer tokenizer = made(tiny.data);
    for (int i = 0; i < 20; ++i) {
      std::string word;
      for (size_t n = random() % 60; n > 0; --n) word += static_cast<char>('a' + random() % 3);
      EXPECT_EQ(tokenizer.encode(word, kText), merge_slowly(tiny.data, word)) << word << ", seed " << seed;
    }
  }
}

// Reported elsewhere to overflow the stack (at 26,000) or to take minutes.
TEST(ByteLevelTest, ALongRunOfOneCharacter) {
  TinyByteLevel tiny;
  std::string run = "a";
  for (int i = 0; i < 6; ++i) {
    tiny.add_merge(run, run);
    run += run;
    tiny.add(run);
  }
  const Tokenizer tokenizer = made(tiny.data);
  std::string text;
  std::vector<Token> tokens;
  const auto encode_run = [&](size_t n) {
    text.assign(n, 'a');
    tokens = tokenizer.encode(text, kText);
  };
  EXPECT_TRUE(testing::takes_linear_time(encode_run, 131072 / 8));
  EXPECT_EQ(tokens, std::vector<Token>(131072 / 64, 271));
  EXPECT_EQ(tokenizer.decode(tokens), text);
}

}  // namespace
}  // namespace sain::formats
