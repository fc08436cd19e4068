#include "kernels/attention/attention.h"
#include "kernels/attention/versions.h"

namespace sain::kernels {

Attention select_attention(Isa isa) {
#ifdef SAIN_HAVE_AVX2
  if (isa == Isa::kAvx512) {
    return {
        {attention_f32_avx512, attention_f16_avx512, attention_q8_0_avx512, attention_q8_0_q4_0_avx512},
        {attention_store_f32_scalar, attention_store_f16_avx2, attention_store_q8_0_avx2, attention_store_q4_0_avx2}};
  }
  if (isa >= Isa::kAvx2) {
    return {
        {attention_f32_avx2, attention_f16_avx2, attention_q8_0_avx2, attention_q8_0_q4_0_avx2},
        {attention_store_f32_scalar, attention_store_f16_avx2, attention_store_q8_0_avx2, attention_store_q4_0_avx2}};
  }
#endif
#ifdef SAIN_HAVE_NEON
  if (isa == Isa::kNeon) {
    return {{attention_f32_neon, attention_f16_neon, attention_q8_0_neon, attention_q8_0_q4_0_neon},
            {attention_store_f32_scalar, attention_store_f16_neon, attention_store_q8_0_scalar,
             attention_store_q4_0_scalar}};
  }
#endif
  (void)isa;
  return {{attention_f32_scalar, attention_f16_scalar, attention_q8_0_scalar, attention_q8_0_q4_0_scalar},
          {attention_store_f32_scalar, attention_store_f16_scalar, attention_store_q8_0_scalar,
           attention_store_q4_0_scalar}};
}

}  // namespace sain::kernels
