#include "engine/machine_probe.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "engine/aligned_buffer.h"
#include "kernels/probe/probe.h"

namespace sain::engine {
namespace {

constexpr size_t kReadBytes = size_t{512} << 20;  // beyond the caches of any processor that SAIN meets
constexpr size_t kReadPiece = size_t{4} << 20;    // a task; small against the whole, so that threads end together
constexpr int kReadPasses = 10;
constexpr size_t kMacsPerTask = size_t{64} << 20;  // about a millisecond
constexpr size_t kTasksPerThread = 64;
constexpr int kMultiplyPasses = 5;

static_assert(kReadPiece % kernels::kProbeReadUnit == 0);

/// The seconds of the fastest of `n_passes` passes, or an error if stopped.
template <class F>
Result<double> best_seconds(int n_passes, const std::stop_token& stop, F&& pass) {
  double best = 0;
  for (int i = 0; i < n_passes; ++i) {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "measuring the machine was cancelled");
    const auto start = std::chrono::steady_clock::now();
    pass();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = i == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

}  // namespace

Result<MachineSpeed> measure_machine(ThreadPool& pool, kernels::Isa isa, std::stop_token stop) {
  const kernels::Probe probe = kernels::select_probe(isa);
  MachineSpeed speed;
  std::atomic<uint64_t> checksum = 0;  // a use for what the loops return

  {
    SAIN_ASSIGN_OR_RETURN(const AlignedBuffer buffer,
                          AlignedBuffer::allocate(kReadBytes, "measuring bandwidth", Pages::kHuge));
    auto* memory = buffer.as<std::byte>();
    // Pages that nobody has written are all the same one.
    pool.parallel_for(kReadBytes, kReadPiece,
                      [&](unsigned, size_t begin, size_t end) { std::memset(memory + begin, 1, end - begin); });
    SAIN_ASSIGN_OR_RETURN(const double seconds, best_seconds(kReadPasses, stop, [&] {
                            pool.parallel_for(kReadBytes, kReadPiece, [&](unsigned, size_t begin, size_t end) {
                              checksum += probe.read(memory + begin, end - begin);
                            });
                          }));
    speed.read_gbs = static_cast<double>(kReadBytes) / seconds / 1e9;
  }

  const size_t n_tasks = pool.n_threads() * kTasksPerThread;
  const size_t n_rounds = kMacsPerTask / probe.macs_per_round;
  SAIN_ASSIGN_OR_RETURN(const double seconds, best_seconds(kMultiplyPasses, stop, [&] {
                          pool.parallel_for(n_tasks, 1, [&](unsigned, size_t begin, size_t end) {
                            checksum += probe.multiply_int8((end - begin) * n_rounds);
                          });
                        }));
  speed.int8_gops = 2 * static_cast<double>(n_tasks * n_rounds * probe.macs_per_round) / seconds / 1e9;
  return speed;
}

}  // namespace sain::engine
