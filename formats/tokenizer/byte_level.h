// The printable alphabet of byte-level BPE: each of the 256 bytes is written as one Unicode character, so that a
// vocabulary of byte strings is a list of texts (Radford et al. 2019, "Language Models are Unsupervised Multitask
// Learners", and its published encoder).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sain::formats {

/// Appends `bytes`, written in the alphabet, to `text`: a space becomes U+0120, and so on.
void append_byte_level_text(std::string_view bytes, std::string& text);

/// Appends the bytes that `text` stands for. False, with `bytes` as it was, where a character is not in the alphabet.
bool append_byte_level_bytes(std::string_view text, std::string& bytes);

}  // namespace sain::formats
