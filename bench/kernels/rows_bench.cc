// Rows in and out of quantized types, and products of f32 rows, on one core: elements a second, and mac/s of products.
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "bench/kernels/bench_isas.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/pack/pack.h"
#include "kernels/quantize/quantize.h"
#include "tests/support/random_blocks.h"

namespace sain::bench {
namespace {

using namespace sain::kernels;

constexpr size_t kCols = 2048;
constexpr DType kTypes[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                            DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

void quantize(benchmark::State& state, Isa isa, size_t n_tokens) {
  const std::vector<float> x = normal_floats(n_tokens * kCols);
  std::vector<std::byte> panel(kCols / kQ8Block * q8_record_bytes(n_tokens));
  const QuantizePanel quantize_panel = select_quantize(isa);
  for (auto _ : state) {
    quantize_panel(x.data(), kCols, n_tokens, kCols, panel.data());
    benchmark::ClobberMemory();
  }
  state.counters["elements/s"] = per_second(static_cast<double>(n_tokens * kCols));
}

void dequantize(benchmark::State& state, Isa isa, DType dtype) {
  const std::vector<std::byte> row = testing::random_blocks(dtype, kCols, 1);
  std::vector<float> out(kCols);
  const DequantizeRow dequantize_row = select_dequantize(isa)[dtype];
  for (auto _ : state) {
    dequantize_row(row.data(), out.data(), kCols);
    benchmark::ClobberMemory();
  }
  state.counters["elements/s"] = per_second(kCols);
}

/// One version for all instruction sets.
void pack(benchmark::State& state, DType dtype) {
  const std::vector<std::byte> rows = testing::random_blocks(dtype, kPackedRows * kCols, 1);
  std::vector<std::byte> group(packed_group_bytes(dtype, kCols));
  const PackGroup pack_group = select_pack(dtype).group;
  for (auto _ : state) {
    pack_group(rows.data(), kPackedRows, kCols, group.data());
    benchmark::ClobberMemory();
  }
  state.counters["elements/s"] = per_second(kPackedRows * kCols);
}

void dot(benchmark::State& state, Isa isa) {
  const std::vector<float> a = normal_floats(kCols), b = normal_floats(kCols);
  const auto dot_f32 = select_gemm_f32(isa).dot;
  for (auto _ : state) benchmark::DoNotOptimize(dot_f32(a.data(), b.data(), kCols));
  state.counters["mac/s"] = per_second(kCols);
}

void tile(benchmark::State& state, Isa isa) {
  constexpr size_t kDepth = 512, kTokens = 128;  // as the engine divides its products
  const GemmF32 gemm = select_gemm_f32(isa);
  const std::vector<float> rows = normal_floats(kGemmF32Rows * kDepth), x = normal_floats(kTokens * kDepth);
  std::vector<float> panel(rows.size()), y(kTokens * kGemmF32Rows);
  gemm.pack(rows.data(), kDepth, kGemmF32Rows, kDepth, panel.data());
  for (auto _ : state) {
    gemm.tile(panel.data(), kDepth, x.data(), kDepth, kTokens, y.data(), kGemmF32Rows, kGemmF32Rows);
    benchmark::ClobberMemory();
  }
  state.counters["mac/s"] = per_second(kGemmF32Rows * kDepth * kTokens);
}

const bool kRegistered = [] {
  for (const size_t n_tokens : {1, 4}) {
    register_for_isas("quantize/tokens:" + std::to_string(n_tokens),
                      [=](benchmark::State& state, Isa isa) { quantize(state, isa, n_tokens); });
  }
  for (const DType dtype : kTypes) {
    const std::string type_name(dtype_info(dtype).name);
    register_for_isas("dequantize_" + type_name,
                      [=](benchmark::State& state, Isa isa) { dequantize(state, isa, dtype); });
    benchmark::RegisterBenchmark(("pack_" + type_name).c_str(), [=](benchmark::State& state) { pack(state, dtype); });
  }
  register_for_isas("gemm_f32_dot", dot);
  register_for_isas("gemm_f32_tile", tile);
  return true;
}();

}  // namespace
}  // namespace sain::bench
