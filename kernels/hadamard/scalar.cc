#include <math.h>
#include <string.h>

#include "kernels/hadamard/hadamard.h"
#include "kernels/hadamard/versions.h"

namespace sain::kernels {

/// Each step adds and subtracts neighbours, and sends the sums to the lower half and the differences to the upper one:
/// the lowest bit of an index becomes the highest. After all steps every bit is in its place again.
void hadamard_scalar(float* x, size_t n, size_t block) {
  const float scale = 1.0f / sqrtf(static_cast<float>(block));
  const size_t half = block / 2;
  float buffer[kMaxHadamardBlock];
  for (float* end = x + n; x != end; x += block) {
    for (size_t i = 0; i < block; ++i) x[i] *= scale;
    for (size_t step = 1; step < block; step *= 2) {
      for (size_t i = 0; i < half; ++i) {
        buffer[i] = x[2 * i] + x[2 * i + 1];
        buffer[i + half] = x[2 * i] - x[2 * i + 1];
      }
      memcpy(x, buffer, block * sizeof(float));
    }
  }
}

}  // namespace sain::kernels
