// Kernels that go once over an array: bytes read and written a second, from the first-level cache where they fit.
#include <vector>

#include "bench/kernels/bench_isas.h"
#include "kernels/kernel_set.h"

namespace sain::bench {
namespace {

using namespace sain::kernels;

double bytes(size_t n_arrays, size_t n) {
  return static_cast<double>(n_arrays * n * sizeof(float));
}

void rms_norm(benchmark::State& state, Isa isa) {
  constexpr size_t kN = 2048;
  const auto x = normal_floats(kN), weight = normal_floats(kN);
  std::vector<float> y(kN);
  const RmsNorm normalise = select_rms_norm(isa);
  for (auto _ : state) {
    normalise(x.data(), weight.data(), 1e-5f, y.data(), kN);
    benchmark::ClobberMemory();
  }
  state.counters["bytes/s"] = per_second(bytes(3, kN));
}

void rope(benchmark::State& state, Isa isa, RopeFn Rope::*layout) {
  constexpr size_t kHeads = 16, kHeadDim = 128;
  std::vector<float> heads = normal_floats(kHeads * kHeadDim), angles(kHeadDim);
  for (size_t i = 0; i < kHeadDim; ++i) angles[i] = i % 2 == 0 ? 0.6f : 0.8f;
  const RopeFn rotate = select_rope(isa).*layout;
  for (auto _ : state) {
    rotate(heads.data(), kHeads, kHeadDim, angles.data(), kHeadDim);
    benchmark::ClobberMemory();
  }
  state.counters["bytes/s"] = per_second(bytes(2, kHeads * kHeadDim));
}

void gated(benchmark::State& state, Isa isa, GatedActivation (*select)(Isa)) {
  constexpr size_t kN = 4096;
  const auto gate = normal_floats(kN), up = normal_floats(kN);
  std::vector<float> out(kN);
  const GatedActivation activate = select(isa);
  for (auto _ : state) {
    activate(gate.data(), up.data(), out.data(), kN);
    benchmark::ClobberMemory();
  }
  state.counters["bytes/s"] = per_second(bytes(3, kN));
}

void add(benchmark::State& state, Isa isa) {
  constexpr size_t kN = 2048;
  const auto x = normal_floats(kN);
  std::vector<float> y(kN);
  const Elementwise elementwise = select_elementwise(isa);
  for (auto _ : state) {
    elementwise.add(x.data(), y.data(), kN);
    benchmark::ClobberMemory();
  }
  state.counters["bytes/s"] = per_second(bytes(3, kN));
}

constexpr size_t kVocabulary = 151936;

void argmax(benchmark::State& state, Isa isa) {
  const auto x = normal_floats(kVocabulary);
  const Reduce reduce = select_reduce(isa);
  for (auto _ : state) benchmark::DoNotOptimize(reduce.argmax(x.data(), x.size()));
  state.counters["bytes/s"] = per_second(bytes(1, kVocabulary));
}

void exp_sum(benchmark::State& state, Isa isa) {
  const auto x = normal_floats(kVocabulary);
  const Reduce reduce = select_reduce(isa);
  for (auto _ : state) benchmark::DoNotOptimize(reduce.exp_sum(x.data(), 10, x.size()));
  state.counters["bytes/s"] = per_second(bytes(1, kVocabulary));
}

const bool kRegistered = [] {
  register_for_isas("rms_norm/n:2048", rms_norm);
  register_for_isas("rope_adjacent/heads:16/head_dim:128",
                    [](benchmark::State& state, Isa isa) { rope(state, isa, &Rope::adjacent); });
  register_for_isas("rope_halves/heads:16/head_dim:128",
                    [](benchmark::State& state, Isa isa) { rope(state, isa, &Rope::halves); });
  register_for_isas("swiglu/n:4096", [](benchmark::State& state, Isa isa) { gated(state, isa, select_swiglu); });
  register_for_isas("geglu/n:4096", [](benchmark::State& state, Isa isa) { gated(state, isa, select_geglu); });
  register_for_isas("elementwise_add/n:2048", add);
  register_for_isas("reduce_argmax/n:151936", argmax);
  register_for_isas("reduce_exp_sum/n:151936", exp_sum);
  return true;
}();

}  // namespace
}  // namespace sain::bench
