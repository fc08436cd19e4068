// All operators of a forward pass as one table of functions, chosen once for an instruction set.
//
// Kernels neither allocate nor fail, hold no state, and take memory of any alignment. Each operator's header has its
// formula and contract; kernels/README.md has the naming grammar.
#pragma once

#include "kernels/activation/activation.h"
#include "kernels/attention/attention.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm_f32/gemm_f32.h"
#include "kernels/gemm_packed/gemm_packed.h"
#include "kernels/hadamard/hadamard.h"
#include "kernels/isa.h"
#include "kernels/layer_norm/layer_norm.h"
#include "kernels/quantize/quantize.h"
#include "kernels/reduce/reduce.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope/rope.h"

namespace sain::kernels {

struct KernelSet {
  Isa isa = Isa::kScalar;
  DequantizeTable dequantize;
  GemmF32 gemm_f32;
  QuantizePanel quantize_panel = nullptr;
  GemmPacked gemm_packed;
  Attention attention;
  RmsNorm rms_norm;
  LayerNorm layer_norm;
  Rope rope;
  Hadamard hadamard = nullptr;
  GatedActivation swiglu;
  GatedActivation geglu;
  PlainActivation gelu;
  Elementwise elementwise;
  Reduce reduce;
};

/// The best kernels that `isa` allows; operators without a version of their own fall back to a lower one.
KernelSet select_kernels(Isa isa);

}  // namespace sain::kernels
