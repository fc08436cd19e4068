// The compiled shaders, as they are in the program.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sain::shaders {

struct Spirv {
  std::string_view name;  // of its .comp, then of the weights' type where it has one, then what it needs where it needs
                          // something: "subgroup" (operations), "int8" (Capabilities::int8()) or "matrix" (cooperative
                          // matrices), as in product_q4_0_subgroup
  std::span<const uint32_t> words;
};

/// All of them, in no order.
std::span<const Spirv> all_spirv();

}  // namespace sain::shaders
