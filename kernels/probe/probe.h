// Loops that do a known amount of work and nothing else: what a machine could do, to measure the other kernels by.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/isa.h"

namespace sain::kernels {

/// Streams that Probe::read goes along at once: one stream leaves most of a core's bandwidth unused, 4 to 8 reach it.
inline constexpr size_t kProbeStreams = 8;
inline constexpr size_t kProbeReadUnit = kProbeStreams * 256;  // bytes; what Probe::read takes is a multiple of it

struct Probe {
  /// The sum, modulo 2^64, of the 64-bit words at `data`: every byte is read once, in kProbeStreams streams of
  /// bytes / kProbeStreams each, and hardly anything is computed. `bytes` is a multiple of kProbeReadUnit.
  uint64_t (*read)(const void* data, size_t bytes);

  /// n_rounds * macs_per_round products of 3 (unsigned 8-bit) and 5 (signed 8-bit), summed modulo 2^32, out of
  /// registers alone: the fastest instructions for the weights of 4 bits that this instruction set has.
  uint32_t (*multiply_int8)(size_t n_rounds);
  size_t macs_per_round;
};

Probe select_probe(Isa isa);

}  // namespace sain::kernels
