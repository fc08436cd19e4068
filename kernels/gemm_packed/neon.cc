#ifdef __ARM_FEATURE_DOTPROD
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/gemm_packed/body.h"
#include "kernels/gemm_packed/versions.h"

namespace sain::kernels {
namespace {

/// A group is four registers of four rows, and sdot sums four products of a row into 32 bits.
struct Neon {
  using Codes = uint8x16_t;
  using Ints = int32x4_t;
  using Floats = float32x4_t;
  static constexpr int kRows = 4;
  // 12 sums of products and 12 of floats, with three tokens: 12 of 239 instructions for 96 sdot in a tile's loop are
  // spills. With four tokens there are a fifth more instructions for each sdot.
  static constexpr int kPanel = 3;
  static constexpr int kTileGroups = 1;
  static constexpr size_t kDirectTokens = 12;  // four panels, as with AVX-VNNI

  /// Both factors are signed. Codes of 8 bits get there by their offset, the narrower ones are small enough.
  template <class F>
  static constexpr int offset_shift() {
    return F::kBits == 8 ? 0 : F::kOffsetShift;
  }
  template <class F>
  static constexpr bool offset_as_min() {
    return false;
  }

  template <int kBits>
  struct Dot {
    int32x4_t sum;
    SAIN_INLINE void start(Ints init) { sum = init; }
    template <int>
    SAIN_INLINE void add(Codes w, int8x8_t y) {
      const Codes signed_w = kBits == 8 ? veorq_u8(w, vdupq_n_u8(0x80)) : w;
      sum = vdotq_lane_s32(sum, vreinterpretq_s8_u8(signed_w), y, 0);
    }
    SAIN_INLINE Ints ints() const { return sum; }
  };

  template <class F>
  static SAIN_INLINE void prepare_scales(Tile& tile, size_t) {
    for (float& scale : tile.row_scale) scale = 1;
  }
  template <class F>
  struct TileDot : Dot<F::kBits> {
    template <int i>
    SAIN_INLINE void add(Codes w, int8x8_t y, const float*) {
      Dot<F::kBits>::template add<i>(w, y);
    }
    SAIN_INLINE Floats scaled(const float* scale) const {
      return vmulq_f32(vld1q_f32(scale), vcvtq_f32_s32(this->sum));
    }
  };

  static SAIN_INLINE Codes load_codes(const uint8_t* p) { return vld1q_u8(p); }
  static SAIN_INLINE void store_codes(uint8_t* p, Codes v) { vst1q_u8(p, v); }
  static SAIN_INLINE Codes low_nibbles(Codes v) { return vandq_u8(v, vdupq_n_u8(15)); }
  static SAIN_INLINE Codes high_nibbles(Codes v) { return vshrq_n_u8(v, 4); }
  template <int kShift, int kMask>
  static SAIN_INLINE Codes or_bits(Codes low, Codes plane) {
    if constexpr (kShift > 0) plane = vshlq_n_u8(plane, kShift);
    if constexpr (kShift < 0) plane = vshrq_n_u8(plane, -kShift);
    return vorrq_u8(low, vandq_u8(plane, vdupq_n_u8(kMask)));
  }
  /// In the first half of a register that loads four bytes more: each step of a record has something after it.
  static SAIN_INLINE int8x8_t four_bytes(const uint8_t* p) { return vreinterpret_s8_u8(vld1_u8(p)); }
  static SAIN_INLINE int8x8_t ones() { return vdup_n_s8(1); }

  static SAIN_INLINE Ints zero_ints() { return vdupq_n_s32(0); }
  static SAIN_INLINE Ints set_ints(int32_t v) { return vdupq_n_s32(v); }
  template <int kShift>
  static SAIN_INLINE Ints shifted(const uint8_t* p) {
    return vshlq_n_s32(set_ints(load_int(p)), kShift);
  }
  static SAIN_INLINE Ints ints_of_bytes(const uint8_t* p) {
    const uint8x8_t bytes = vcreate_u8(static_cast<uint32_t>(load_int(p)));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
  }
  static SAIN_INLINE Ints ints_of_signed_bytes(const int8_t* p) {
    return vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(static_cast<uint32_t>(load_int(p))))));
  }
  /// (v >> kShift) & kMask; a negative shift is one to the left.
  template <int kShift, int kMask>
  static SAIN_INLINE Ints bits(Ints v) {
    if constexpr (kShift > 0) v = vshrq_n_s32(v, kShift);
    if constexpr (kShift < 0) v = vshlq_n_s32(v, -kShift);
    return vandq_s32(v, set_ints(kMask));
  }
  static SAIN_INLINE Ints or_ints(Ints a, Ints b) { return vorrq_s32(a, b); }
  static SAIN_INLINE Floats to_floats(Ints v) { return vcvtq_f32_s32(v); }

  static SAIN_INLINE Floats zero_floats() { return vdupq_n_f32(0); }
  static SAIN_INLINE Floats set_floats(float v) { return vdupq_n_f32(v); }
  static SAIN_INLINE Floats one_float(const uint8_t* p) {
    float v;
    __builtin_memcpy(&v, p, 4);
    return vdupq_n_f32(v);
  }
  static SAIN_INLINE Floats floats_of_halves(const uint16_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static SAIN_INLINE Floats mul(Floats a, Floats b) { return vmulq_f32(a, b); }
  static SAIN_INLINE Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
  static SAIN_INLINE Floats fnma(Floats a, Floats b, Floats c) { return vfmsq_f32(c, a, b); }
  static SAIN_INLINE Floats negate(Floats v) { return vnegq_f32(v); }
  static SAIN_INLINE Floats load(const float* p, size_t rows) {
    if (rows == kRows) return vld1q_f32(p);
    float padded[kRows] = {};
    for (size_t r = 0; r < rows; ++r) padded[r] = p[r];
    return vld1q_f32(padded);
  }
  static SAIN_INLINE void store(float* p, Floats v, size_t rows) {
    if (rows == kRows) return vst1q_f32(p, v);
    float padded[kRows];
    vst1q_f32(padded, v);
    for (size_t r = 0; r < rows; ++r) p[r] = padded[r];
  }

 private:
  static SAIN_INLINE int32_t load_int(const void* p) {
    int32_t v;
    __builtin_memcpy(&v, p, 4);
    return v;
  }
};

}  // namespace

const GemmPacked kGemmPackedNeon = gemm_packed_table<Neon>();

}  // namespace sain::kernels
#endif
