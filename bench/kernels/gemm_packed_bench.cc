// Packed weights times 8-bit activations on one core: products a second (mac/s), and bytes of weights a second for few
// tokens, where 64 MiB of weights are gone through so that they come from memory as in a decode. With many tokens they
// stay in the caches as a thread's share of a prefill does.
#include "kernels/gemm_packed/gemm_packed.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/kernels/bench_isas.h"
#include "kernels/gemm_packed/versions.h"
#include "kernels/pack/pack.h"
#include "tests/support/random_blocks.h"

namespace sain::bench {
namespace {

using namespace sain::kernels;

constexpr size_t kCols = 2048;

/// n_groups copies of one group of random weights: speed does not depend on what they are.
std::vector<std::byte> weights(DType dtype, size_t n_groups) {
  const std::vector<std::byte> rows = testing::random_blocks(dtype, kPackedRows * kCols, 1);
  std::vector<std::byte> group(packed_group_bytes(dtype, kCols)), out;
  select_pack(dtype).group(rows.data(), kPackedRows, kCols, group.data());
  out.reserve(n_groups * group.size());
  for (size_t g = 0; g < n_groups; ++g) out.insert(out.end(), group.begin(), group.end());
  return out;
}

std::vector<std::byte> panels(size_t n_tokens, size_t panel_tokens) {
  const std::vector<float> x = normal_floats(n_tokens * kCols);
  std::vector<std::byte> out(n_tokens * kCols / kQ8Block * q8_record_bytes(1));
  for (size_t t = 0; t < n_tokens; t += panel_tokens) {
    select_quantize(Isa::kScalar)(&x[t * kCols], kCols, std::min(panel_tokens, n_tokens - t), kCols,
                                  &out[t * kCols / kQ8Block * q8_record_bytes(1)]);
  }
  return out;
}

void multiply(benchmark::State& state, const GemmPacked& gemm, DType dtype, size_t n_tokens) {
  constexpr size_t kManyTokens = 64, kStep = 32;  // groups a call
  const size_t group_bytes = packed_group_bytes(dtype, kCols);
  const size_t n_groups = n_tokens >= kManyTokens ? kStep : (size_t{64} << 20) / group_bytes / kStep * kStep;
  const std::vector<std::byte> w = weights(dtype, n_groups), x = panels(n_tokens, gemm.panel_tokens);
  std::vector<float> y(n_tokens * kStep * kPackedRows);
  std::vector<std::byte> scratch(gemm.scratch_bytes + 64);
  std::byte* aligned = scratch.data() + 64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64;
  size_t group = 0;
  for (auto _ : state) {
    gemm[dtype]({
        .weights = &w[group * group_bytes],
        .n_groups = kStep,
        .n_rows = kStep * kPackedRows,
        .n_cols = kCols,
        .panels = x.data(),
        .n_tokens = n_tokens,
        .y = y.data(),
        .y_stride = kStep * kPackedRows,
        .scratch = aligned,
        .read_ahead = default_read_ahead(),
    });
    benchmark::ClobberMemory();
    group = (group + kStep) % n_groups;
  }
  state.counters["mac/s"] = per_second(static_cast<double>(n_tokens * kStep * kPackedRows * kCols));
  if (n_tokens < kManyTokens) state.counters["bytes/s"] = per_second(static_cast<double>(kStep * group_bytes));
}

const bool kRegistered = [] {
  for (const DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ4_K,
                            DType::kQ5_K, DType::kQ6_K}) {
    for (const size_t n_tokens : {1, 2, 4, 8, 12, 16, 18, 24, 30, 36, 48, 480}) {
      for (const GemmPackedVersion& version : gemm_packed_versions()) {
        if (detect_isa(version.isa) != version.isa) continue;
        const std::string name = "gemm_packed_" + std::string(dtype_info(dtype).name) +
                                 "/tokens:" + std::to_string(n_tokens) + "/" + version.name;
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { multiply(state, version.kernels, dtype, n_tokens); });
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace sain::bench
