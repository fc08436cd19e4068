// A LoRA adapter of random weights as a GGUF file, as programs that convert trained ones write them.
#pragma once

#include <cstdint>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "kernels/dtype.h"

namespace sain::tools {

/// A writer of an adapter for every matrix in the layers of `base`, which must live until write() is done. Of what a
/// matrix does to activations of size 1 it changes about a tenth where weights have deviation 1 / sqrt(cols). alpha is
/// the rank. `dtype` is F32, F16 or BF16. The bytes depend on the arguments and the shapes in `base` alone.
formats::GgufWriter synthetic_adapter(const formats::GgufFile& base, uint32_t rank, DType dtype, uint64_t seed);

}  // namespace sain::tools
