// Any bytes as a snapshot of a prefix: an Error that names the file, or rows of which all can be read.
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/prefix_file.h"
#include "formats/gguf.h"

namespace {

using namespace sain;
using namespace sain::engine;

/// Two layers of two heads, the second layer with a window of 16; rows of 4 floats, as in corpus/prefix/valid.gguf.
const KvLayout kLayout = {.type = KvType::kF32,
                          .n_kv_heads = 2,
                          .head_dim = 4,
                          .key_bytes = 16,
                          .value_bytes = 16,
                          .groups = {{.rule = {}, .n_layers = 1}, {.rule = {.window = 16}, .n_layers = 1}},
                          .layers = {{0, 0}, {1, 0}}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = formats::GgufFile::parse(std::as_bytes(std::span(data, size)), "fuzz.gguf");
  if (!file) return 0;
  const auto prefix = read_prefix(*file, kLayout);
  if (!prefix) {
    SAIN_CHECK(prefix.error().message.starts_with("fuzz.gguf: "));
    return 0;
  }
  SAIN_CHECK(read_prefix_header(*file)->tokens.size() == prefix->length());
  SAIN_CHECK(prefix->keeps(prefix->length()));
  const auto copy = prefix->compacted();
  SAIN_CHECK(copy && copy->length() == prefix->length());
  return 0;
}
