#include "engine/accelerator.h"

#include <charconv>

#ifdef SAIN_HAVE_VULKAN
#include "engine/vulkan/accelerator.h"
#endif

namespace sain::engine {

Result<std::shared_ptr<Accelerator>> Accelerator::open(std::string_view id,
                                                       std::function<void(const std::string& message)> warn) {
  constexpr std::string_view kVulkan = "vulkan";
  size_t index = 0;
  bool is_known = id == kVulkan;
  if (!is_known && id.starts_with("vulkan:")) {
    const std::string_view digits = id.substr(kVulkan.size() + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    is_known = error == std::errc() && end == digits.data() + digits.size();
  }
  if (!is_known)
    return make_error(ErrorCode::kInvalidArgument, "device: expected cpu, vulkan or vulkan:N, found {}", id);
#ifdef SAIN_HAVE_VULKAN
  return vulkan::open_accelerator(index, std::move(warn));
#else
  return make_error(ErrorCode::kUnsupported, "{}: this program was built without it (SAIN_VULKAN)", id);
#endif
}

}  // namespace sain::engine
