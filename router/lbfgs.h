// Minimisation of a smooth function by L-BFGS.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace sain::router {

struct LbfgsOptions {
  unsigned max_iterations = 200;
  double tolerance = 1e-4;  // stop when no component of the gradient is larger
  unsigned memory = 10;     // pairs of steps and gradient changes that are kept
};

/// Returns the value at x and writes the gradient (same size as x).
using Objective = std::function<double(std::span<const double> x, std::span<double> gradient)>;

/// Improves x by the two-loop recursion (Nocedal and Wright, algorithms 7.4 and 7.5) with a line search that halves
/// the step until it decreases the value enough (Armijo). Deterministic. Returns the value reached.
double minimize(const Objective& objective, std::vector<double>& x, const LbfgsOptions& options = {});

}  // namespace sain::router
