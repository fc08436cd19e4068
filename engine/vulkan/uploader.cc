#include "engine/vulkan/uploader.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace sain::engine::vulkan {

Status Uploader::write(const Slice& to, uint64_t unit_bytes, const Fill& fill) {
  SAIN_CHECK(to.bytes % unit_bytes == 0);
  if (unit_bytes > staging_.slot_bytes) return write_large(to, unit_bytes, fill);
  if (to.mapped == nullptr && ring_ == nullptr) {
    SAIN_ASSIGN_OR_RETURN(ring_, StagingRing::create(*device_, staging_));
  }
  for (uint64_t at = 0, n = 0; at < to.bytes; at += n) {
    std::span<std::byte> out;
    if (to.mapped != nullptr) {
      out = {to.mapped + at, std::min(to.bytes - at, staging_.slot_bytes)};
    } else {
      SAIN_ASSIGN_OR_RETURN(out, ring_->room(unit_bytes));
    }
    n = std::min<uint64_t>(out.size(), to.bytes - at) / unit_bytes * unit_bytes;
    fill(at / unit_bytes, n / unit_bytes, out.data());
    if (to.mapped == nullptr) SAIN_RETURN_IF_ERROR(ring_->copy(to.part(at, n)));
    SAIN_RETURN_IF_ERROR(advance(n));
  }
  return {};
}

Status Uploader::write(const Slice& to, std::span<const std::byte> bytes) {
  SAIN_CHECK(bytes.size() <= to.bytes);
  return write(to.part(0, bytes.size()), 1,
               [&](size_t first, size_t n, std::byte* out) { std::memcpy(out, bytes.data() + first, n); });
}

/// Units that a slot is too small for are made one by one, and brought over in parts.
Status Uploader::write_large(const Slice& to, uint64_t unit_bytes, const Fill& fill) {
  std::vector<std::byte> unit(unit_bytes);
  for (uint64_t at = 0; at < to.bytes; at += unit_bytes) {
    fill(at / unit_bytes, 1, unit.data());
    SAIN_RETURN_IF_ERROR(write(to.part(at, unit_bytes), unit));
  }
  return {};
}

Status Uploader::advance(uint64_t bytes) {
  written_bytes_ += bytes;
  if (options_.on_progress && expected_bytes_ > 0) {
    options_.on_progress(std::min(1.0, static_cast<double>(written_bytes_) / static_cast<double>(expected_bytes_)));
  }
  if (options_.stop.stop_requested()) return make_error(ErrorCode::kCancelled, "loading was cancelled");
  return {};
}

Status Uploader::finish() {
  return ring_ != nullptr ? ring_->finish() : Status();
}

}  // namespace sain::engine::vulkan
