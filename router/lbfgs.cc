#include "router/lbfgs.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <deque>

namespace sain::router {
namespace {

struct Pair {
  Eigen::VectorXd step;             // x' - x
  Eigen::VectorXd gradient_change;  // g' - g
  double rho;                       // 1 / (step . gradient_change)
};

/// The quasi-Newton direction -H g.
Eigen::VectorXd direction(const std::deque<Pair>& pairs, const Eigen::VectorXd& gradient) {
  Eigen::VectorXd q = -gradient;
  if (pairs.empty()) return q / std::max(1.0, gradient.norm());
  std::vector<double> alpha(pairs.size());
  for (size_t i = pairs.size(); i-- > 0;) {
    alpha[i] = pairs[i].rho * pairs[i].step.dot(q);
    q -= alpha[i] * pairs[i].gradient_change;
  }
  q /= pairs.back().rho * pairs.back().gradient_change.squaredNorm();
  for (size_t i = 0; i < pairs.size(); ++i) {
    const double beta = pairs[i].rho * pairs[i].gradient_change.dot(q);
    q += (alpha[i] - beta) * pairs[i].step;
  }
  return q;
}

}  // namespace

double minimize(const Objective& objective, std::vector<double>& start, const LbfgsOptions& options) {
  constexpr double kSufficientDecrease = 1e-4;
  constexpr int kMaxHalvings = 40;
  const auto evaluate = [&objective](const Eigen::VectorXd& at, Eigen::VectorXd& gradient) {
    return objective({at.data(), static_cast<size_t>(at.size())}, {gradient.data(), static_cast<size_t>(at.size())});
  };
  Eigen::VectorXd x = Eigen::Map<const Eigen::VectorXd>(start.data(), static_cast<Eigen::Index>(start.size()));
  Eigen::VectorXd gradient(x.size()), next_gradient(x.size());
  double value = evaluate(x, gradient);
  std::deque<Pair> pairs;
  for (unsigned iteration = 0; iteration < options.max_iterations; ++iteration) {
    if (gradient.lpNorm<Eigen::Infinity>() <= options.tolerance) break;
    Eigen::VectorXd d = direction(pairs, gradient);
    double slope = d.dot(gradient);
    if (!(slope < 0)) {  // the memory has gone bad: start again downhill
      pairs.clear();
      d = direction(pairs, gradient);
      slope = d.dot(gradient);
    }
    double length = 1;
    Eigen::VectorXd next = x + d;
    double next_value = evaluate(next, next_gradient);
    int halvings = 0;
    while (!(next_value <= value + kSufficientDecrease * length * slope) && halvings++ < kMaxHalvings) {
      length /= 2;
      next = x + length * d;
      next_value = evaluate(next, next_gradient);
    }
    if (!(next_value < value)) break;  // as low as the arithmetic goes
    Pair pair{next - x, next_gradient - gradient, 0};
    const double curvature = pair.step.dot(pair.gradient_change);
    if (curvature > 1e-12 * pair.gradient_change.squaredNorm()) {
      pair.rho = 1 / curvature;
      pairs.push_back(std::move(pair));
      if (pairs.size() > options.memory) pairs.pop_front();
    }
    x = next;
    value = next_value;
    gradient.swap(next_gradient);
  }
  std::copy(x.begin(), x.end(), start.begin());
  return value;
}

}  // namespace sain::router
