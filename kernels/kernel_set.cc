#include "kernels/kernel_set.h"

namespace sain::kernels {

KernelSet select_kernels(Isa isa) {
  return {
      .isa = isa,
      .dequantize = select_dequantize(isa),
      .gemm_f32 = select_gemm_f32(isa),
      .quantize_panel = select_quantize(isa),
      .gemm_packed = select_gemm_packed(isa),
      .attention = select_attention(isa),
      .rms_norm = select_rms_norm(isa),
      .layer_norm = select_layer_norm(isa),
      .rope = select_rope(isa),
      .hadamard = select_hadamard(isa),
      .swiglu = select_swiglu(isa),
      .geglu = select_geglu(isa),
      .gelu = select_gelu(isa),
      .elementwise = select_elementwise(isa),
      .reduce = select_reduce(isa),
  };
}

}  // namespace sain::kernels
