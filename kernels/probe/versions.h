// Every version of the operator; contracts in probe.h. Only select.cc and tests look in here.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sain::kernels {

inline constexpr size_t kProbeMacsScalar = 8;
inline constexpr size_t kProbeMacsAvx2 = 4 * 8 * 32;
inline constexpr size_t kProbeMacsAvxVnni = 10 * 32;
inline constexpr size_t kProbeMacsAvx512 = 10 * 64;
inline constexpr size_t kProbeMacsNeon = 10 * 16;

uint64_t probe_read_scalar(const void* data, size_t bytes);
uint64_t probe_read_avx2(const void* data, size_t bytes);
uint64_t probe_read_neon(const void* data, size_t bytes);
uint32_t probe_multiply_int8_scalar(size_t n_rounds);
uint32_t probe_multiply_int8_avx2(size_t n_rounds);
uint32_t probe_multiply_int8_avx_vnni(size_t n_rounds);
uint32_t probe_multiply_int8_avx512(size_t n_rounds);
uint32_t probe_multiply_int8_neon(size_t n_rounds);

}  // namespace sain::kernels
