#ifdef __ARM_FEATURE_DOTPROD
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/probe/dot_chains.h"
#include "kernels/probe/probe.h"
#include "kernels/probe/versions.h"

namespace sain::kernels {

uint64_t probe_read_neon(const void* data, size_t bytes) {
  const uint8_t* begin = static_cast<const uint8_t*>(data);
  const size_t stream_bytes = bytes / kProbeStreams;
  constexpr size_t kStep = kProbeReadUnit / kProbeStreams;  // of one stream before the next: four cache lines
  uint64x2_t sum[4] = {vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0)};
  for (size_t i = 0; i < stream_bytes; i += kStep) {
    for (size_t s = 0; s < kProbeStreams; ++s) {
      const uint8_t* step = begin + s * stream_bytes + i;
      for (size_t b = 0; b < kStep; b += 64) {
        for (size_t c = 0; c < 4; ++c) {
          sum[c] = vaddq_u64(sum[c], vreinterpretq_u64_u8(vld1q_u8(step + b + 16 * c)));
        }
      }
    }
  }
  return vaddvq_u64(vaddq_u64(vaddq_u64(sum[0], sum[1]), vaddq_u64(sum[2], sum[3])));
}

namespace {

struct Neon {
  using Register = int32x4_t;
  static constexpr size_t kLanes = 4;

  static Register set(int8_t byte) { return vreinterpretq_s32_s8(vdupq_n_s8(byte)); }
  static Register zero() { return vdupq_n_s32(0); }
  /// In assembly, so that compilers neither reorder the chains nor copy their registers.
  static void add_products(Register& sum, Register weights, Register activations) {
    asm volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(weights), "w"(activations));
  }
  static Register sum(Register a, Register b) { return vaddq_s32(a, b); }
  static void store(uint32_t* lanes, Register v) { vst1q_u32(lanes, vreinterpretq_u32_s32(v)); }
};

}  // namespace

uint32_t probe_multiply_int8_neon(size_t n_rounds) {
  static_assert(kProbeMacsNeon == kDotChains * 16);
  return multiply_in_chains<Neon>(n_rounds);
}

}  // namespace sain::kernels
#endif
