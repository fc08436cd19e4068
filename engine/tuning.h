// What the engine may do differently from one machine to the next.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/result.h"
#include "kernels/gemm_packed/gemm_packed.h"
#include "kernels/isa.h"

namespace sain::engine {

/// Any values within the bounds of tuning_fields() give right results: sums are taken in another order at most. The
/// defaults suit most machines; `sain tune` finds better ones and keeps them in a file (engine/tuning_file.h).
struct Tuning {
  kernels::Isa isa = kernels::Isa::kAuto;  // caps the instruction set; SAIN_ISA may cap it further
  uint32_t n_threads = 0;                  // that compute, the caller included; 0: as many as physical cores

  // Microseconds that a thread without work spins before it sleeps. The serial stretches between two loops of a forward
  // pass take a few, waking a sleeping thread takes about 50: spinning for as long as a wake-up costs is never worse
  // than twice the best choice. Longer is faster where nobody else wants the core.
  uint32_t spin_us = 50;

  // Ranges of rows that a thread gets of a matrix product on average: enough to even out threads that other programs
  // slow down; each costs an atomic operation and the start of a stream of memory.
  uint32_t ranges_per_thread = 4;

  // Activations of a batch of prefill, in MiB: they pass through the caches while the weights pass once a batch. The
  // length of a batch in tokens follows from it and the model, see cpu::prefill_batch().
  uint32_t activation_mib = 32;

  // Sub-blocks of 32 columns that a product of many tokens unpacks at once, 0.8 KB for 16 rows: they should stay in the
  // first level cache, and the longer they are the less often results are loaded and stored.
  uint32_t tile_blocks = 16;

  // Bytes by which decode asks memory for weights ahead of their use; 0: the machine's own prefetching alone.
  uint32_t read_ahead_bytes = static_cast<uint32_t>(kernels::default_read_ahead());

  bool operator==(const Tuning&) const = default;
};

/// A number in Tuning: its name, and the values that it may have, multiples of `step` from `least` to `most`.
struct TuningField {
  std::string_view name;
  uint32_t Tuning::*value;
  uint32_t least, most, step;

  bool allows(uint64_t number) const { return number >= least && number <= most && number % step == 0; }
  std::string bounds() const;  // "a multiple of 8 from 8 to 32", for messages
};

/// All but `isa`.
std::span<const TuningField> tuning_fields();

/// "isa avx2, spin_us 200": the fields that are not the default's; empty where all are.
std::string tuning_changes(const Tuning& tuning);

/// Errors: kInvalidArgument naming a field that is out of its bounds, and its value.
Status check_tuning(const Tuning& tuning);

}  // namespace sain::engine
