// Every version of the operator; contracts in dequantize.h. Only select.cc and tests look in here.
#pragma once

#include "kernels/dequantize/dequantize.h"

namespace sain::kernels {

extern const DequantizeTable kDequantizeScalar;
extern const DequantizeTable kDequantizeAvx2;

}  // namespace sain::kernels
