// Activations to 8 bits, in the order in which gemm_packed reads them.
//
// Each block of 32 elements has a scale and a zero point of its own: y = scale * q + zero, q in -127..127, zero the
// middle of the block's range and scale 1/254 of its length. A middle in place of 0 more than halves the error where
// one element stands out, as they do in transformers (kernels/README.md has the measurements).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// Elements of a block of activations.
inline constexpr size_t kQ8Block = 32;

/// Tokens go side by side into a panel. A panel of n tokens is a run of records, one for each block: 32 * n codes in
/// steps of four (byte 4 * (i * n + c) + t is element 4 * i + t of token c), then n of each Q8Field.
enum class Q8Field : size_t {
  kScale,           // float
  kZero,            // float
  kMinusScaledSum,  // float: -scale * (sum of the q)
  kMinusSum,        // int32: -(sum of the q)
  kMinusFirstSum,   // int32: of the first 16
  kMinusLastSum,    // int32: of the last 16
};
constexpr size_t q8_record_bytes(size_t n_tokens) {
  return (kQ8Block + 6 * 4) * n_tokens;
}
/// Where the field of token c of n is in a record.
constexpr size_t q8_offset(Q8Field field, size_t n_tokens, size_t token) {
  return (kQ8Block + 4 * static_cast<size_t>(field)) * n_tokens + 4 * token;
}

/// Quantizes `n_tokens` rows of `n` elements, a multiple of 32; token c begins at x + c * stride. Writes a panel of
/// n / 32 records at `panel`. Not finite elements make all of their block's zero not finite.
using QuantizePanel = void (*)(const float* x, size_t stride, size_t n_tokens, size_t n, void* panel);

QuantizePanel select_quantize(Isa isa);

}  // namespace sain::kernels
