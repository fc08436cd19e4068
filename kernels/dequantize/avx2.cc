// The same loops, compiled for AVX2: twice the width, and byte codes widen in one instruction.
#ifdef __AVX2__
#include "kernels/dequantize/rows.h"
#include "kernels/dequantize/versions.h"

namespace sain::kernels {

constexpr DequantizeTable kDequantizeAvx2 = make_dequantize_table();

}  // namespace sain::kernels
#endif
