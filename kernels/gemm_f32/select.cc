#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_f32/versions.h"

namespace sain::kernels {

GemmF32 select_gemm_f32(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa >= Isa::kAvx2) {
    return {gemm_f32_dot_avx2, gemm_f32_pack_scalar, gemm_f32_tile_avx2};
  }
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) return {gemm_f32_dot_neon, gemm_f32_pack_scalar, gemm_f32_tile_neon};
#endif
  (void)isa;
  return {gemm_f32_dot_scalar, gemm_f32_pack_scalar, gemm_f32_tile_scalar};
}

}  // namespace sain::kernels
