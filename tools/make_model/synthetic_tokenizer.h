// A byte-level BPE vocabulary of any size that every loader takes: all byte strings, shortest first.
#pragma once

#include <cstdint>

#include "formats/gguf_writer.h"

namespace sain::tools {

inline constexpr uint32_t kMinSyntheticVocab = 257;  // an end token and the 256 bytes

/// Sets the keys `tokenizer.*`. Token 0 is the control token <|endoftext|>, both first and last of a text; 1 to 256
/// are the bytes; then come strings of two bytes in order, of three, and so on. Token t from 257 on is token
/// 1 + (t - 257) / 256 followed by byte (t - 257) % 256, and that is its merge. Text becomes pairs of bytes mostly.
/// `vocab_size` >= kMinSyntheticVocab.
void set_synthetic_tokenizer(uint32_t vocab_size, formats::GgufWriter& writer);

}  // namespace sain::tools
