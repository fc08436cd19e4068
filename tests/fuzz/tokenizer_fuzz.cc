// Vocabularies and texts that nobody would write. Whatever they are: no crash, ids inside the vocabulary, text that
// survives the way there and back, and a stream that is UTF-8 at every step.
#include <utf8proc.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tokenizer/pre_tokenizer_patterns.h"
#include "tests/formats/tiny_tokenizer.h"

namespace sain::formats {
namespace {

/// Takes values off the fuzzer's bytes; zeros once they are used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(reinterpret_cast<const char*>(data), size) {}

  uint8_t byte() {
    if (bytes_.empty()) return 0;
    const char first = bytes_.front();
    bytes_.remove_prefix(1);
    return static_cast<uint8_t>(first);
  }
  std::string_view text(size_t max_bytes) {
    const std::string_view text = bytes_.substr(0, byte() % (max_bytes + 1));
    bytes_.remove_prefix(std::min(text.size(), bytes_.size()));
    return text;
  }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

void require(bool property) {
  if (!property) std::abort();
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t character;
    const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + i,
                                    static_cast<utf8proc_ssize_t>(text.size() - i), &character);
    if (n <= 0) return false;
    i += static_cast<size_t>(n);
  }
  return true;
}

/// Adds tokens, merges and ids to a sound vocabulary, or leaves it sound.
void vary(TinyVocabulary& tiny, Input& input) {
  for (size_t n = input.byte() % 16; n > 0; --n) {
    const auto type = static_cast<TokenType>(input.byte() % 8);  // 0 and 7 are no types
    const float score = static_cast<float>(input.byte()) - 128;
    tiny.add(input.text(12), type, score);
  }
  for (size_t n = input.byte() % 16; n > 0; --n) {
    const std::string_view left = tiny.data.tokens[input.byte() % tiny.data.tokens.size()];
    const std::string_view right = tiny.data.tokens[tiny.data.tokens.size() - 1 - input.byte() % 24];
    if (input.byte() % 4) tiny.add(std::string(left) + std::string(right));
    tiny.add_merge(left, right);
  }
  const uint8_t ids = input.byte();
  if (ids & 1) tiny.data.eos = input.byte() * 2u;
  if (ids & 2) tiny.data.unknown = input.byte() * 2u;
  if (ids & 4) tiny.data.eot = input.byte() * 2u;
  if (ids & 8) tiny.data.bos.reset();
  if (ids & 16) tiny.data.add_space_prefix = false;
  if (ids & 32) tiny.data.add_bos = true;
}

void check(const Tokenizer& tokenizer, std::string_view text, bool reversible) {
  for (const SpecialTokens special : {SpecialTokens::kAsText, SpecialTokens::kParse}) {
    const std::vector<Token> tokens = tokenizer.encode(text, special);
    for (const Token token : tokens) require(token >= 0 && static_cast<size_t>(token) < tokenizer.vocab_size());
    const std::string decoded = tokenizer.decode(tokens, SpecialTokens::kParse);
    if (reversible) require(decoded == text);
    if (special == SpecialTokens::kAsText) {
      const TextSegment segments[] = {{text.substr(0, text.size() / 2), special},
                                      {text.substr(text.size() / 2), special}};
      require(tokenizer.encode(segments) == tokens);
    }
    StreamDecoder decoder(tokenizer, SpecialTokens::kParse);
    std::string streamed;
    for (const Token token : tokens) {
      const std::string shown = decoder.push(token);
      require(is_utf8(shown));
      streamed += shown;
    }
    streamed += decoder.flush();
    require(is_utf8(streamed));
    if (is_utf8(decoded)) require(streamed == decoded);
  }
}

void fuzz(Input input) {
  constexpr std::string_view kSpaceMark = "\u2581";
  const uint8_t kind = input.byte();
  if (kind & 1) {
    TinyByteLevel tiny;
    tiny.data.pre = pre_tokenizers()[(kind >> 1) % pre_tokenizers().size()].name;
    vary(tiny, input);
    if (const auto tokenizer = Tokenizer::create(tiny.data)) check(*tokenizer, input.rest(), /*reversible=*/true);
  } else {
    TinySentencePiece tiny;
    vary(tiny, input);
    const bool reversible = input.rest().find(kSpaceMark) == std::string_view::npos;
    if (const auto tokenizer = Tokenizer::create(tiny.data)) check(*tokenizer, input.rest(), reversible);
  }
}

}  // namespace
}  // namespace sain::formats

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sain::formats::fuzz(sain::formats::Input(data, size));
  return 0;
}
