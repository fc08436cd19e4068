#ifdef __ARM_FEATURE_DOTPROD
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/quantize/quantize.h"
#include "kernels/quantize/versions.h"

namespace sain::kernels {
namespace {

/// One block of one of `n_tokens` tokens; `out` is where its first step goes, `tail` its first float.
inline void quantize_block(const float* y, size_t n_tokens, uint8_t* out, uint8_t* tail) {
  float32x4_t v[8];
  for (size_t i = 0; i < 8; ++i) v[i] = vld1q_f32(y + 4 * i);
  float32x4_t lows = v[0], highs = v[0];
  for (size_t i = 1; i < 8; ++i) {
    lows = vminq_f32(lows, v[i]);
    highs = vmaxq_f32(highs, v[i]);
  }
  const float low = vminvq_f32(lows), high = vmaxvq_f32(highs);
  const float zero = 0.5f * low + 0.5f * high;
  const float scale = (0.5f * high - 0.5f * low) / 127;
  const float inverse = scale > 0 ? 1 / scale : 0;

  int32x4_t q[8];
  float32x4_t taint = vdupq_n_f32(0);  // 0, or NaN where an element is not finite
  for (size_t i = 0; i < 8; ++i) {
    const float32x4_t centred = vmulq_n_f32(vsubq_f32(v[i], vdupq_n_f32(zero)), inverse);
    q[i] = vminq_s32(vmaxq_s32(vcvtnq_s32_f32(centred), vdupq_n_s32(-127)), vdupq_n_s32(127));
    taint = vaddq_f32(taint, vmulq_n_f32(v[i], 0));
  }
  int32_t sums[2];
  for (size_t h = 0; h < 2; ++h) {
    const int16x8_t words[2] = {vcombine_s16(vmovn_s32(q[4 * h]), vmovn_s32(q[4 * h + 1])),
                                vcombine_s16(vmovn_s32(q[4 * h + 2]), vmovn_s32(q[4 * h + 3]))};
    uint8_t steps[16];
    vst1q_u8(steps, vreinterpretq_u8_s8(vcombine_s8(vmovn_s16(words[0]), vmovn_s16(words[1]))));
    for (size_t i = 0; i < 4; ++i) __builtin_memcpy(out + 4 * (4 * h + i) * n_tokens, steps + 4 * i, 4);
    sums[h] = vaddvq_s16(vaddq_s16(words[0], words[1]));
  }

  const int32_t sum = sums[0] + sums[1];
  const float floats[3] = {scale, zero + vaddvq_f32(taint), -scale * static_cast<float>(sum)};
  const int32_t negated[3] = {-sum, -sums[0], -sums[1]};
  for (size_t i = 0; i < 3; ++i) {
    __builtin_memcpy(tail + 4 * i * n_tokens, &floats[i], 4);
    __builtin_memcpy(tail + 4 * (i + 3) * n_tokens, &negated[i], 4);
  }
}

}  // namespace

void quantize_panel_neon(const float* x, size_t stride, size_t n_tokens, size_t n, void* panel) {
  uint8_t* record = static_cast<uint8_t*>(panel);
  for (size_t k = 0; k < n; k += kQ8Block, record += q8_record_bytes(n_tokens)) {
    for (size_t c = 0; c < n_tokens; ++c) {
      quantize_block(x + c * stride + k, n_tokens, record + 4 * c, record + kQ8Block * n_tokens + 4 * c);
    }
  }
}

}  // namespace sain::kernels
#endif
