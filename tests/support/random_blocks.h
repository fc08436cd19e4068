// Random rows of quantized blocks whose values are sane: scales are small, everything else is any byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/blocks.h"
#include "kernels/dtype.h"
#include "kernels/half.h"

namespace sain::testing {

namespace internal {

template <class Block>
void set_scales(std::byte* bytes, size_t n, std::mt19937& random) {
  std::uniform_real_distribution<float> small(0.001f, 0.1f);
  for (size_t i = 0; i < n; ++i) {
    Block block;
    std::memcpy(&block, bytes + i * sizeof(Block), sizeof(Block));
    block.d = kernels::float_to_half(small(random));
    if constexpr (requires { block.m; }) block.m = kernels::float_to_half(-8 * small(random));
    if constexpr (requires { block.dmin; }) block.dmin = kernels::float_to_half(small(random));
    std::memcpy(bytes + i * sizeof(Block), &block, sizeof(Block));
  }
}

}  // namespace internal

/// `n_elements` of one of the types that have a packed form, a multiple of its block size.
inline std::vector<std::byte> random_blocks(DType dtype, size_t n_elements, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(row_bytes(dtype, n_elements));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  const size_t n = n_elements / dtype_info(dtype).block_size;
  switch (dtype) {
    case DType::kQ4_0:
      internal::set_scales<kernels::BlockQ4_0>(bytes.data(), n, random);
      break;
    case DType::kQ4_1:
      internal::set_scales<kernels::BlockQ4_1>(bytes.data(), n, random);
      break;
    case DType::kQ5_0:
      internal::set_scales<kernels::BlockQ5_0>(bytes.data(), n, random);
      break;
    case DType::kQ5_1:
      internal::set_scales<kernels::BlockQ5_1>(bytes.data(), n, random);
      break;
    case DType::kQ8_0:
      internal::set_scales<kernels::BlockQ8_0>(bytes.data(), n, random);
      break;
    case DType::kQ4_K:
      internal::set_scales<kernels::BlockQ4_K>(bytes.data(), n, random);
      break;
    case DType::kQ5_K:
      internal::set_scales<kernels::BlockQ5_K>(bytes.data(), n, random);
      break;
    default:
      internal::set_scales<kernels::BlockQ6_K>(bytes.data(), n, random);
      break;
  }
  return bytes;
}

}  // namespace sain::testing
