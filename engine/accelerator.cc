#include "engine/accelerator.h"

#include <charconv>
#include <utility>
#include <vector>

#ifdef SAIN_HAVE_VULKAN
#include "engine/vulkan/accelerator.h"
#endif

namespace sain::engine {

namespace {

/// The numbers of "vulkan", "vulkan:1" or "vulkan:0,1"; none where it is something else.
std::vector<size_t> parse_devices(std::string_view id) {
  constexpr std::string_view kVulkan = "vulkan";
  if (id == kVulkan) return {0};
  if (!id.starts_with(kVulkan) || !id.substr(kVulkan.size()).starts_with(':')) return {};
  std::vector<size_t> devices;
  const char* at = id.data() + kVulkan.size();
  const char* const all_end = id.data() + id.size();
  while (at != all_end) {  // at a colon or a comma
    const auto [end, error] = std::from_chars(at + 1, all_end, devices.emplace_back());
    if (error != std::errc() || (end != all_end && *end != ',')) return {};
    at = end;
  }
  return devices;
}

}  // namespace

Result<std::shared_ptr<Accelerator>> Accelerator::open(std::string_view id, AcceleratorOptions options) {
  const std::vector<size_t> devices = parse_devices(id);
  if (devices.empty()) {
    return make_error(ErrorCode::kInvalidArgument, "device: expected cpu, vulkan, vulkan:N or vulkan:N,M, found {}",
                      id);
  }
#ifdef SAIN_HAVE_VULKAN
  return vulkan::open_accelerator(devices, std::move(options));
#else
  return make_error(ErrorCode::kUnsupported, "{}: this program was built without it (SAIN_VULKAN)", id);
#endif
}

}  // namespace sain::engine
