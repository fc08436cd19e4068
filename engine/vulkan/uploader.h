// Brings weights to a device's memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>

#include "engine/accelerator.h"
#include "engine/vulkan/staging_ring.h"

namespace sain::engine::vulkan {

/// Writes to memory of MemoryKind::kWeights, beside whatever the device computes: where the host reaches it directly,
/// else through a ring that is made then. Slices must live until finish() has returned. Used by one thread.
class Uploader {
 public:
  explicit Uploader(Device& device, UploadOptions options = {}, const StagingOptions& staging = {})
      : device_(&device), options_(std::move(options)), staging_(staging) {}

  /// Bytes that will be written in all, about: what progress is a fraction of.
  void expect(uint64_t bytes) { expected_bytes_ = bytes; }

  /// Makes the units `first` to `first + n - 1` at `out`, one after the other and front to back.
  using Fill = std::function<void(size_t first, size_t n, std::byte* out)>;

  /// Fills all of `to`, whose bytes are a multiple of unit_bytes, as many units at once as there is room for. Returns
  /// when they are made, and maybe not yet there. Errors: kCancelled, those of StagingRing.
  Status write(const Slice& to, uint64_t unit_bytes, const Fill& fill);
  Status write(const Slice& to, std::span<const std::byte> bytes);

  /// Returns when all is there, or nothing is under way after an error.
  Status finish();

 private:
  Status write_large(const Slice& to, uint64_t unit_bytes, const Fill& fill);
  Status advance(uint64_t bytes);

  Device* device_;
  UploadOptions options_;
  StagingOptions staging_;
  std::unique_ptr<StagingRing> ring_;  // once it is needed
  uint64_t expected_bytes_ = 0, written_bytes_ = 0;
};

}  // namespace sain::engine::vulkan
