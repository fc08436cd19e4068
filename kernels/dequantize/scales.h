// The 6-bit scales of the K types, which all versions unpack alike.
#pragma once

#include <stdint.h>

namespace sain::kernels {

/// The scales and mins of Q4_K and Q5_K, four bytes at a time. The masks stop bits from crossing between bytes.
static inline void unpack_scales_mins(const uint8_t packed[12], uint8_t scales[8], uint8_t mins[8]) {
  uint32_t words[3];
  __builtin_memcpy(words, packed, sizeof(words));
  const uint32_t scale_words[2] = {words[0] & 0x3f3f3f3fu, (words[2] & 0x0f0f0f0fu) | (words[0] >> 2 & 0x30303030u)};
  const uint32_t min_words[2] = {words[1] & 0x3f3f3f3fu, (words[2] >> 4 & 0x0f0f0f0fu) | (words[1] >> 2 & 0x30303030u)};
  __builtin_memcpy(scales, scale_words, sizeof(scale_words));
  __builtin_memcpy(mins, min_words, sizeof(min_words));
}

/// The scales of Q3_K, offset taken off: -32 to 31.
static inline void unpack_q3_scales(const uint8_t packed[12], int8_t scales[16]) {
  for (int s = 0; s < 16; ++s) {
    const int low = packed[s % 8] >> 4 * (s / 8) & 15;
    const int high = packed[8 + s % 4] >> 2 * (s / 4) & 3;
    scales[s] = static_cast<int8_t>((low | high << 4) - 32);
  }
}

/// The scales of IQ4_XS, offset taken off: -32 to 31.
static inline void unpack_iq4_xs_scales(const uint8_t low[4], uint16_t high, int8_t scales[8]) {
  for (int s = 0; s < 8; ++s) {
    scales[s] = static_cast<int8_t>(((low[s / 2] >> 4 * (s % 2) & 15) | (high >> 2 * s & 3) << 4) - 32);
  }
}

}  // namespace sain::kernels
