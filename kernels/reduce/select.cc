#include "kernels/reduce/reduce.h"
#include "kernels/reduce/versions.h"

namespace sain::kernels {

Reduce select_reduce(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512)
    return {reduce_argmax_f32_avx512, reduce_max_f32_avx512, reduce_find_above_f32_avx512, reduce_exp_sum_f32_avx512};
  if (isa >= Isa::kAvx2)
    return {reduce_argmax_f32_avx2, reduce_max_f32_avx2, reduce_find_above_f32_avx2, reduce_exp_sum_f32_avx2};
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon)
    return {reduce_argmax_f32_neon, reduce_max_f32_neon, reduce_find_above_f32_neon, reduce_exp_sum_f32_neon};
#endif
  (void)isa;
  return {reduce_argmax_f32_scalar, reduce_max_f32_scalar, reduce_find_above_f32_scalar, reduce_exp_sum_f32_scalar};
}

}  // namespace sain::kernels
