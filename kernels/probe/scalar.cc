#include <string.h>

#include "kernels/probe/probe.h"
#include "kernels/probe/versions.h"

namespace sain::kernels {

uint64_t probe_read_scalar(const void* data, size_t bytes) {
  const char* begin = static_cast<const char*>(data);
  const size_t stream_bytes = bytes / kProbeStreams;
  uint64_t sum = 0;
  for (size_t i = 0; i < stream_bytes; i += sizeof(uint64_t)) {
    for (size_t s = 0; s < kProbeStreams; ++s) {
      uint64_t word;
      memcpy(&word, begin + s * stream_bytes + i, sizeof(word));
      sum += word;
    }
  }
  return sum;
}

uint32_t probe_multiply_int8_scalar(size_t n_rounds) {
  uint8_t weight = 3;
  int8_t activation = 5;
  uint32_t sum[kProbeMacsScalar] = {};
  for (size_t i = 0; i < n_rounds; ++i) {
    for (size_t c = 0; c < kProbeMacsScalar; ++c) {
      asm("" : "+r"(weight), "+r"(activation));  // as if they were new each time, or one product would do for all
      sum[c] += static_cast<uint32_t>(weight * activation);
    }
  }
  uint32_t total = 0;
  for (const uint32_t x : sum) total += x;
  return total;
}

}  // namespace sain::kernels
