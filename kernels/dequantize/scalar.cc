// For any machine: what the compiler makes of the loops for the base instruction set.
#include "kernels/dequantize/rows.h"
#include "kernels/dequantize/versions.h"

namespace sain::kernels {

constexpr DequantizeTable kDequantizeScalar = make_dequantize_table();

}  // namespace sain::kernels
