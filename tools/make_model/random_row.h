// Rows of random weights in any tensor type, made as the bytes of a file: nothing is quantized.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/dtype.h"

namespace sain::tools {

/// The seed of one row: a hash of the model's seed, the tensor and the row, so that rows can be made in any order and
/// by any number of threads.
uint64_t row_seed(uint64_t seed, uint64_t tensor, uint64_t row);

/// Fills `row`, whole blocks of `dtype`, from `seed`. Decoded values have mean 0 and standard deviation `deviation`
/// within a few per cent: codes are uniform, scales vary from block to block, and where a type has no offset of its
/// own the sign of the scale is random. No value or scale is one that a quantizer could not write.
void fill_random_row(DType dtype, float deviation, uint64_t seed, std::span<std::byte> row);

}  // namespace sain::tools
