#ifdef __AVX512F__
#include <stddef.h>

#include "kernels/hadamard/vector.h"
#include "kernels/hadamard/versions.h"
#include "kernels/simd/avx512.h"

namespace sain::kernels {

void hadamard_avx512(float* x, size_t n, size_t block) {
  hadamard<Avx512>(x, n, block);
}

}  // namespace sain::kernels
#endif
