// A request that asks for one thing after another, taken apart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sain::router {

/// The parts of "Write a function that sorts names, then explain it in Spanish." in order, without the words that join
/// them; the whole text alone where it is one request. At most four. What stands in quotes or code is not looked into.
std::vector<std::string> split_steps(std::string_view text);

}  // namespace sain::router
