#ifdef __ARM_FEATURE_DOTPROD
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/flash.h"
#include "kernels/attention/versions.h"
#include "kernels/simd/neon.h"

namespace sain::kernels {
namespace {

// 6 rows x 16 columns: 24 sums, 4 loads of a panel and a broadcast fill 29 of the 32 registers.
template <class KeyRow, class ValueRow = KeyRow>
using FlashNeon = Flash<Neon, KeyRow, ValueRow, 6, 1, 4>;

}  // namespace

void attention_f32_neon(const AttentionArgs& args) {
  FlashNeon<RowF32>::run(args);
}
void attention_f16_neon(const AttentionArgs& args) {
  FlashNeon<RowF16>::run(args);
}
void attention_q8_0_neon(const AttentionArgs& args) {
  FlashNeon<RowQ8_0>::run(args);
}
void attention_q8_0_q4_0_neon(const AttentionArgs& args) {
  FlashNeon<RowQ8_0, RowQ4_0>::run(args);
}

void attention_store_f16_neon(const float* x, void* out, size_t n) {
  uint16_t* halves = static_cast<uint16_t*>(out);
  const float32x4_t most = vdupq_n_f32(65504.0f), least = vdupq_n_f32(-65504.0f);
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const float16x4_t rounded = vcvt_f16_f32(Neon::min(most, Neon::max(least, vld1q_f32(x + i))));
    vst1_u16(halves + i, vreinterpret_u16_f16(rounded));
  }
  attention_store_f16_scalar(x + i, halves + i, n - i);
}

}  // namespace sain::kernels
#endif
