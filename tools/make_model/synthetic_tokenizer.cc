#include "tools/make_model/synthetic_tokenizer.h"

#include <string>
#include <vector>

#include "formats/tokenizer/byte_level.h"

namespace sain::tools {

void set_synthetic_tokenizer(uint32_t vocab_size, formats::GgufWriter& writer) {
  constexpr int32_t kNormal = 1, kControl = 3;  // of tokenizer.ggml.token_type
  std::vector<std::string> tokens = {"<|endoftext|>"};
  std::vector<std::string> merges;
  for (uint32_t t = 1; t < vocab_size; ++t) {
    const char byte = static_cast<char>((t - 1) % 256);
    std::string text;
    formats::append_byte_level_text({&byte, 1}, text);
    if (t < kMinSyntheticVocab) {
      tokens.push_back(text);
      continue;
    }
    const std::string& left = tokens[1 + (t - kMinSyntheticVocab) / 256];
    merges.push_back(left + " " + text);
    tokens.push_back(left + text);
  }
  std::vector<int32_t> types(tokens.size(), kNormal);
  types[0] = kControl;
  writer.set("tokenizer.ggml.model", "gpt2");
  writer.set("tokenizer.ggml.pre", "gpt-2");
  writer.set("tokenizer.ggml.tokens", tokens);
  writer.set("tokenizer.ggml.token_type", types);
  writer.set("tokenizer.ggml.merges", merges);
  writer.set("tokenizer.ggml.bos_token_id", uint32_t{0});
  writer.set("tokenizer.ggml.eos_token_id", uint32_t{0});
  writer.set("tokenizer.ggml.add_bos_token", false);
}

}  // namespace sain::tools
