// What the reader and the writer of GGUF must agree on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "formats/gguf.h"

namespace sain::formats {

inline constexpr uint32_t kGgufMagic = 0x46554747;   // "GGUF"
inline constexpr uint64_t kDefaultAlignment = 32;    // of tensors, where `general.alignment` is absent
inline constexpr uint64_t kMaxAlignment = 1 << 20;   // ours; files use 16 to 4096
inline constexpr uint64_t kMaxKeyBytes = 65535;      // the format's
inline constexpr uint64_t kMaxTensorNameBytes = 64;  // the format's
inline constexpr uint64_t kMaxParts = 65535;         // split.count is a u16

/// Bytes of one element; for strings and arrays the least that one can take.
constexpr size_t gguf_type_bytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kArray:
      return 4 + 8;  // element type and count
    case GgufType::kString:
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
  }
  return 1;
}

/// How the name of part `number` (from 0) of a split model ends: "-00001-of-00003.gguf".
std::string gguf_part_suffix(uint64_t number, uint64_t count);

}  // namespace sain::formats
