#ifdef __ARM_FEATURE_DOTPROD
#include <stddef.h>

#include "kernels/hadamard/vector.h"
#include "kernels/hadamard/versions.h"
#include "kernels/simd/neon.h"

namespace sain::kernels {

void hadamard_neon(float* x, size_t n, size_t block) {
  hadamard<Neon>(x, n, block);
}

}  // namespace sain::kernels
#endif
