// The element types of tensors, with GGUF's numbering. A quantized type stores a row as blocks of `block_size`
// elements, each `block_bytes` long; kernels/blocks.h has their layouts.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sain {

enum class DType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
  kMXFP4 = 39,
};

struct DTypeInfo {
  DType dtype;
  const char* name;      // as GGUF tools spell it, e.g. "Q4_K"
  uint32_t block_size;   // elements a block
  uint32_t block_bytes;  // bytes a block
};

inline constexpr DTypeInfo kDTypes[] = {
    {DType::kF32, "F32", 1, 4},         {DType::kF16, "F16", 1, 2},           {DType::kQ4_0, "Q4_0", 32, 18},
    {DType::kQ4_1, "Q4_1", 32, 20},     {DType::kQ5_0, "Q5_0", 32, 22},       {DType::kQ5_1, "Q5_1", 32, 24},
    {DType::kQ8_0, "Q8_0", 32, 34},     {DType::kQ2_K, "Q2_K", 256, 84},      {DType::kQ3_K, "Q3_K", 256, 110},
    {DType::kQ4_K, "Q4_K", 256, 144},   {DType::kQ5_K, "Q5_K", 256, 176},     {DType::kQ6_K, "Q6_K", 256, 210},
    {DType::kIQ4_NL, "IQ4_NL", 32, 18}, {DType::kIQ4_XS, "IQ4_XS", 256, 136}, {DType::kBF16, "BF16", 1, 2},
    {DType::kMXFP4, "MXFP4", 32, 17},
};

/// The properties of `dtype`, or nullptr when the number names no type that SAIN reads.
constexpr const DTypeInfo* find_dtype(uint32_t number) {
  for (const DTypeInfo& info : kDTypes) {
    if (static_cast<uint32_t>(info.dtype) == number) return &info;
  }
  return nullptr;
}

constexpr const DTypeInfo& dtype_info(DType dtype) {
  return *find_dtype(static_cast<uint32_t>(dtype));
}

/// Bytes of one row of `n` elements; `n` must be a multiple of the block size.
constexpr size_t row_bytes(DType dtype, size_t n) {
  const DTypeInfo& info = dtype_info(dtype);
  return n / info.block_size * info.block_bytes;
}

}  // namespace sain
