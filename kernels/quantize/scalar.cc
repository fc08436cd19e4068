#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/quantize/quantize.h"
#include "kernels/quantize/versions.h"

namespace sain::kernels {

void quantize_panel_scalar(const float* x, size_t stride, size_t n_tokens, size_t n, void* panel) {
  uint8_t* record = static_cast<uint8_t*>(panel);
  for (size_t k = 0; k < n; k += kQ8Block, record += q8_record_bytes(n_tokens)) {
    for (size_t c = 0; c < n_tokens; ++c) {
      const float* y = x + c * stride + k;
      float low = y[0], high = y[0];
      for (size_t i = 1; i < kQ8Block; ++i) {
        low = y[i] < low ? y[i] : low;
        high = y[i] > high ? y[i] : high;
      }
      const float zero = 0.5f * low + 0.5f * high;
      const float scale = (0.5f * high - 0.5f * low) / 127;
      const float inverse = scale > 0 ? 1 / scale : 0;
      int32_t halves[2] = {0, 0};
      float check = zero;  // NaN as soon as one element is: comparisons pass over it
      for (size_t i = 0; i < kQ8Block; ++i) {
        const float q = nearbyintf((y[i] - zero) * inverse);
        const int32_t code = q >= 127 ? 127 : q > -127 ? static_cast<int32_t>(q) : -127;
        record[4 * (i / 4 * n_tokens + c) + i % 4] = static_cast<uint8_t>(code);
        halves[i / 16] += code;
        check += y[i] * 0;
      }
      const float floats[3] = {scale, check, -scale * static_cast<float>(halves[0] + halves[1])};
      const int32_t sums[3] = {-(halves[0] + halves[1]), -halves[0], -halves[1]};
      uint8_t* tail = record + kQ8Block * n_tokens + 4 * c;
      for (size_t i = 0; i < 3; ++i) {
        memcpy(tail + 4 * i * n_tokens, &floats[i], 4);
        memcpy(tail + 4 * (i + 3) * n_tokens, &sums[i], 4);
      }
    }
  }
}

}  // namespace sain::kernels
