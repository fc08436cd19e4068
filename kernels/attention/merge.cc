#include <math.h>
#include <string.h>

#include "kernels/attention/attention.h"
#include "kernels/attention/layout.h"
#include "kernels/blocks.h"
#include "kernels/simd/exp.h"

namespace sain::kernels {

size_t kv_row_bytes(KvType type, size_t head_dim) {
  const size_t n_blocks = (head_dim + 31) / 32;
  switch (type) {
    case KvType::kF32:
      return head_dim * 4;
    case KvType::kF16:
      return head_dim * 2;
    case KvType::kQ8_0:
      return n_blocks * sizeof(BlockQ8_0);
    case KvType::kQ4_0:
      return n_blocks * sizeof(BlockQ4_0);
  }
  return 0;
}

size_t attention_scratch_floats(size_t n_rows, size_t head_dim) {
  return attention_padded(n_rows * head_dim) + n_rows * (kAttentionBlock + attention_padded(head_dim)) +
         kAttentionBlock * (head_dim + attention_padded(head_dim)) + 4 * attention_padded(n_rows);
}

void merge_attention(size_t n_parts, size_t n_rows, size_t head_dim, const float* max, const float* sum,
                     const float* parts, float* out) {
  for (size_t r = 0; r < n_rows; ++r) {
    float* row = out + r * head_dim;
    memset(row, 0, head_dim * sizeof(float));
    float greatest = -INFINITY;
    for (size_t i = 0; i < n_parts; ++i) {
      if (max[i * n_rows + r] > greatest) greatest = max[i * n_rows + r];
    }
    float total = 0;
    for (size_t i = 0; i < n_parts; ++i) {
      // A part whose scores are all NaN has no max, but a sum.
      const float part_max = max[i * n_rows + r];
      const float weight = part_max == greatest ? 1.0f : exp_f32(part_max - greatest);
      total += weight * sum[i * n_rows + r];
      for (size_t c = 0; c < head_dim; ++c) row[c] += weight * parts[(i * n_rows + r) * head_dim + c];
    }
    const float inverse = total == 0 ? 0.0f : 1.0f / total;
    for (size_t c = 0; c < head_dim; ++c) row[c] *= inverse;
  }
}

}  // namespace sain::kernels
