#ifdef __AVX512F__
#include <immintrin.h>
#include <stddef.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/flash.h"
#include "kernels/attention/versions.h"
#include "kernels/simd/avx512.h"

namespace sain::kernels {
namespace {

// 8 rows x 32 columns: 16 sums, more than two fused multiply-adds a cycle of latency 4 keep busy; 64 rows are 8 tiles.
template <class KeyRow, class ValueRow>
using FlashAvx512 = Flash<Avx512, KeyRow, ValueRow, 8, 2, 8>;

}  // namespace

void attention_f32_avx512(const AttentionArgs& args) {
  FlashAvx512<RowF32, RowF32>::run(args);
}
void attention_f16_avx512(const AttentionArgs& args) {
  FlashAvx512<RowF16, RowF16>::run(args);
}
void attention_q8_0_avx512(const AttentionArgs& args) {
  FlashAvx512<RowQ8_0, RowQ8_0>::run(args);
}
void attention_q8_0_q4_0_avx512(const AttentionArgs& args) {
  FlashAvx512<RowQ8_0, RowQ4_0>::run(args);
}

}  // namespace sain::kernels
#endif
