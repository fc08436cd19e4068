// One KV head on one core. Prefill counts the products of what each token sees (flop/s); decode counts the bytes of
// keys and values (bytes/s), and goes round several caches of 64 MiB in all, so that they come from memory as they do
// between the layers of a model.
#include "kernels/attention/attention.h"

#include <algorithm>
#include <vector>

#include "bench/kernels/bench_isas.h"

namespace sain::bench {
namespace {

using namespace sain::kernels;

constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kQ8_0, KvType::kQ4_0};
constexpr const char* kTypeNames[] = {"f32", "f16", "q8_0", "q4_0"};

struct Head {
  size_t head_dim, group;
};

/// Rows of the type, from floats.
std::vector<std::byte> rows(KvType type, size_t head_dim, size_t n) {
  const size_t row_bytes = kv_row_bytes(type, head_dim);
  const std::vector<float> row = normal_floats(head_dim);
  std::vector<std::byte> out(n * row_bytes);
  for (size_t i = 0; i < n; ++i)
    select_attention(Isa::kScalar).store_for_type(type)(row.data(), &out[i * row_bytes], head_dim);
  return out;
}

struct Block {
  std::vector<float> queries, scratch, out;
  AttentionRange range = {};
  AttentionArgs args = {};

  Block(KvType type, Head head, size_t n_tokens) {
    const size_t row_floats = head.group * head.head_dim;
    queries = normal_floats(n_tokens * row_floats);
    scratch.resize(attention_scratch_floats(n_tokens * head.group, head.head_dim) + 16);
    out.resize(n_tokens * row_floats);
    range.queries = queries.data();
    range.mask = AttentionMask::kWindow;
    args.ranges = &range;
    args.n_ranges = 1;
    args.group = head.group;
    args.head_dim = head.head_dim;
    args.query_stride = args.out_stride = row_floats;
    args.key_stride = kv_row_bytes(key_type(type), head.head_dim);
    args.value_stride = kv_row_bytes(type, head.head_dim);
    args.scale = 0.1f;
    args.scratch = reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64);
    args.out = out.data();
  }
};

void prefill(benchmark::State& state, Isa isa, KvType type, Head head, size_t n_tokens) {
  const auto keys = rows(key_type(type), head.head_dim, n_tokens), values = rows(type, head.head_dim, n_tokens);
  const size_t block_tokens = std::max<size_t>(1, 64 / head.group);
  Block block(type, head, block_tokens);
  block.range.keys = keys.data();
  block.range.values = values.data();
  const AttentionFn attention = select_attention(isa).for_type(type);
  for (auto _ : state) {
    for (size_t first = 0; first < n_tokens; first += block_tokens) {
      block.args.position = first;
      block.args.n_tokens = std::min(block_tokens, n_tokens - first);
      block.range.end = first + block.args.n_tokens;
      attention(block.args);
    }
    benchmark::ClobberMemory();
  }
  const double pairs = static_cast<double>(n_tokens * (n_tokens + 1) / 2 * head.group);
  state.counters["flop/s"] = per_second(pairs * static_cast<double>(head.head_dim) * 4);
}

void decode(benchmark::State& state, Isa isa, KvType type, Head head, size_t context) {
  const size_t keys_bytes = context * kv_row_bytes(key_type(type), head.head_dim);
  const size_t values_bytes = context * kv_row_bytes(type, head.head_dim);
  const size_t n_heads = std::max<size_t>(1, (size_t{64} << 20) / (keys_bytes + values_bytes));
  const auto keys = rows(key_type(type), head.head_dim, n_heads * context),
             values = rows(type, head.head_dim, n_heads * context);
  Block block(type, head, 1);
  block.args.n_tokens = 1;
  block.args.position = context - 1;
  block.range.end = context;
  const AttentionFn attention = select_attention(isa).for_type(type);
  size_t kv_head = 0;
  for (auto _ : state) {
    block.range.keys = &keys[kv_head * keys_bytes];
    block.range.values = &values[kv_head * values_bytes];
    attention(block.args);
    benchmark::ClobberMemory();
    kv_head = (kv_head + 1) % n_heads;
  }
  state.counters["bytes/s"] = per_second(static_cast<double>(keys_bytes + values_bytes));
}

void store(benchmark::State& state, Isa isa, KvType type) {
  constexpr size_t kHeadDim = 128;
  const auto x = normal_floats(kHeadDim);
  std::vector<std::byte> out(kv_row_bytes(type, kHeadDim));
  const StoreKvFn store_row = select_attention(isa).store_for_type(type);
  for (auto _ : state) {
    store_row(x.data(), out.data(), kHeadDim);
    benchmark::ClobberMemory();
  }
  state.counters["bytes/s"] = per_second(kHeadDim * sizeof(float));
}

const bool kRegistered = [] {
  for (const Head head : {Head{64, 3}, {128, 4}}) {
    const std::string shape = "/head_dim:" + std::to_string(head.head_dim) + "/group:" + std::to_string(head.group);
    for (const KvType type : kTypes) {
      const std::string type_name = kTypeNames[static_cast<size_t>(type)];
      register_for_isas("attention_prefill_" + type_name + shape + "/tokens:512",
                        [=](benchmark::State& state, Isa isa) { prefill(state, isa, type, head, 512); });
      for (const size_t context : {512, 4096, 32768}) {
        register_for_isas("attention_decode_" + type_name + shape + "/context:" + std::to_string(context),
                          [=](benchmark::State& state, Isa isa) { decode(state, isa, type, head, context); });
      }
    }
  }
  for (const KvType type : kTypes) {
    register_for_isas(std::string("attention_store_") + kTypeNames[static_cast<size_t>(type)] + "/head_dim:128",
                      [=](benchmark::State& state, Isa isa) { store(state, isa, type); });
  }
  return true;
}();

}  // namespace
}  // namespace sain::bench
