#ifdef __AVX2__
#include <stddef.h>

#include "kernels/hadamard/vector.h"
#include "kernels/hadamard/versions.h"
#include "kernels/simd/avx2.h"

namespace sain::kernels {

void hadamard_avx2(float* x, size_t n, size_t block) {
  hadamard<Avx2>(x, n, block);
}

}  // namespace sain::kernels
#endif
