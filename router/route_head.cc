#include "router/route_head.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "router/lbfgs.h"

namespace sain::router {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kMinDeviation = 1e-6;  // a feature that never varies says nothing, and must not divide by zero

/// Each row becomes a distribution.
void softmax_rows(Matrix& logits) {
  for (Eigen::Index i = 0; i < logits.rows(); ++i) {
    auto row = logits.row(i);
    row.array() -= row.maxCoeff();
    row = row.array().exp().matrix();
    row /= row.sum();
  }
}

struct Scaling {
  Eigen::RowVectorXd mean, inverse_deviation;

  /// Standardised rows of unit length.
  Matrix apply(const Matrix& features) const {
    Matrix scaled = (features.rowwise() - mean).array().rowwise() * inverse_deviation.array();
    for (Eigen::Index i = 0; i < scaled.rows(); ++i) {
      const double norm = scaled.row(i).norm();
      if (norm > 0) scaled.row(i) /= norm;
    }
    return scaled;
  }
};

Scaling fit_scaling(const Matrix& features) {
  Scaling scaling;
  scaling.mean = features.colwise().mean();
  const Eigen::RowVectorXd variance = (features.rowwise() - scaling.mean).array().square().colwise().mean();
  scaling.inverse_deviation =
      variance.unaryExpr([](double v) { return std::sqrt(v) > kMinDeviation ? 1 / std::sqrt(v) : 0.0; });
  return scaling;
}

struct Linear {
  Matrix weights;           // (n_intents, n_features)
  Eigen::RowVectorXd bias;  // (n_intents)

  Matrix logits(const Matrix& x) const { return (x * weights.transpose()).rowwise() + bias; }
};

/// Weights that minimise the mean of -log p(label) plus l2 |W|^2 / 2; the bias is not regularised.
Linear fit_linear(const Matrix& x, const std::vector<uint32_t>& labels, uint32_t n_intents,
                  const HeadOptions& options) {
  const Eigen::Index n = x.rows(), d = x.cols(), k = n_intents;
  const auto objective = [&](std::span<const double> parameters, std::span<double> gradient) {
    const Eigen::Map<const Matrix> w(parameters.data(), k, d);
    const Eigen::Map<const Eigen::RowVectorXd> b(parameters.data() + k * d, k);
    Matrix p = (x * w.transpose()).rowwise() + b;
    softmax_rows(p);
    double loss = 0;
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto label = static_cast<Eigen::Index>(labels[static_cast<size_t>(i)]);
      loss -= std::log(std::max(p(i, label), 1e-300));
      p(i, label) -= 1;  // p becomes the gradient of the logits
    }
    p /= static_cast<double>(n);
    Eigen::Map<Matrix>(gradient.data(), k, d) = p.transpose() * x + options.l2 * w;
    Eigen::Map<Eigen::RowVectorXd>(gradient.data() + k * d, k) = p.colwise().sum();
    return loss / static_cast<double>(n) + options.l2 / 2 * w.squaredNorm();
  };
  std::vector<double> parameters(static_cast<size_t>(k * d + k), 0.0);
  minimize(objective, parameters, {.max_iterations = options.max_iterations, .tolerance = options.tolerance});
  return {Eigen::Map<const Matrix>(parameters.data(), k, d),
          Eigen::Map<const Eigen::RowVectorXd>(parameters.data() + k * d, k)};
}

/// Mean -log of the probability of the right group, at a temperature.
double group_loss(const Matrix& logits, const std::vector<uint32_t>& labels, const std::vector<uint32_t>& intent_group,
                  double temperature) {
  Matrix p = logits / temperature;
  softmax_rows(p);
  double loss = 0;
  for (Eigen::Index i = 0; i < p.rows(); ++i) {
    const uint32_t group = intent_group[labels[static_cast<size_t>(i)]];
    double sum = 0;
    for (Eigen::Index k = 0; k < p.cols(); ++k)
      if (intent_group[static_cast<size_t>(k)] == group) sum += p(i, k);
    loss -= std::log(std::max(sum, 1e-300));
  }
  return loss / static_cast<double>(std::max<Eigen::Index>(1, p.rows()));
}

/// The best temperature on a grid of 2 % steps from 0.05 to 10; the loss has one valley, and this cannot miss it.
double fit_temperature(const Matrix& logits, const std::vector<uint32_t>& labels,
                       const std::vector<uint32_t>& intent_group) {
  double best = 1, best_loss = group_loss(logits, labels, intent_group, 1);
  for (double t = 0.05; t < 10; t *= 1.02) {
    const double loss = group_loss(logits, labels, intent_group, t);
    if (loss < best_loss) best_loss = loss, best = t;
  }
  return best;
}

struct Fold {
  std::vector<Eigen::Index> train, held_out;
};

/// Every n-th example of each intent is held out, counted in the order of the examples; never an intent's only one.
Fold split(const HeadExamples& examples, unsigned every) {
  Fold fold;
  std::vector<unsigned> seen(examples.n_intents, 0);
  for (size_t i = 0; i < examples.labels.size(); ++i) {
    const bool hold = ++seen[examples.labels[i]] % every == 0;
    (hold ? fold.held_out : fold.train).push_back(static_cast<Eigen::Index>(i));
  }
  return fold;
}

std::vector<uint32_t> pick(const std::vector<uint32_t>& labels, const std::vector<Eigen::Index>& rows) {
  std::vector<uint32_t> picked;
  for (const Eigen::Index row : rows) picked.push_back(labels[static_cast<size_t>(row)]);
  return picked;
}

double calibrate(const Matrix& features, const HeadExamples& examples, const HeadOptions& options) {
  if (options.calibration_fold < 2) return 1;
  const Fold fold = split(examples, options.calibration_fold);
  if (fold.held_out.empty()) return 1;
  const Matrix train = features(fold.train, Eigen::all);
  const Scaling scaling = fit_scaling(train);
  const Linear linear =
      fit_linear(scaling.apply(train), pick(examples.labels, fold.train), examples.n_intents, options);
  const Matrix logits = linear.logits(scaling.apply(features(fold.held_out, Eigen::all)));
  return fit_temperature(logits, pick(examples.labels, fold.held_out), examples.intent_group);
}

Status check(const HeadExamples& examples) {
  const size_t n = examples.labels.size();
  if (n == 0 || examples.n_features == 0 || examples.n_intents == 0)
    return make_error(ErrorCode::kInvalidArgument, "training the router: there are no examples");
  if (examples.features.size() != n * examples.n_features || examples.intent_group.size() != examples.n_intents)
    return make_error(ErrorCode::kInvalidArgument, "training the router: {} features do not make {} examples of {}",
                      examples.features.size(), n, examples.n_features);
  for (const uint32_t label : examples.labels)
    if (label >= examples.n_intents)
      return make_error(ErrorCode::kInvalidArgument, "training the router: label {} is not below {}", label,
                        examples.n_intents);
  for (const float value : examples.features)
    if (!std::isfinite(value))
      return make_error(ErrorCode::kInvalidArgument, "training the router: a feature is not finite");
  return {};
}

}  // namespace

Result<RouteHead> RouteHead::train(const HeadExamples& examples, const HeadOptions& options) {
  SAIN_RETURN_IF_ERROR(check(examples));
  const Matrix features =
      Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
          examples.features.data(), static_cast<Eigen::Index>(examples.labels.size()), examples.n_features)
          .cast<double>();
  const Scaling scaling = fit_scaling(features);
  const Linear linear = fit_linear(scaling.apply(features), examples.labels, examples.n_intents, options);

  RouteHead head;
  head.temperature_ = calibrate(features, examples, options);
  const auto to_floats = [](const double* data, Eigen::Index size) { return std::vector<float>(data, data + size); };
  head.mean_ = to_floats(scaling.mean.data(), scaling.mean.size());
  head.inverse_deviation_ = to_floats(scaling.inverse_deviation.data(), scaling.inverse_deviation.size());
  head.weights_ = to_floats(linear.weights.data(), linear.weights.size());
  head.bias_ = to_floats(linear.bias.data(), linear.bias.size());
  return head;
}

Result<std::vector<double>> RouteHead::probabilities(std::span<const float> features) const {
  const size_t d = mean_.size();
  if (features.size() != d)
    return make_error(ErrorCode::kInvalidArgument, "router: expected {} features, found {}", d, features.size());
  std::vector<double> x(d);
  double squares = 0;
  for (size_t i = 0; i < d; ++i) {
    x[i] = (double{features[i]} - mean_[i]) * inverse_deviation_[i];
    squares += x[i] * x[i];
  }
  if (!std::isfinite(squares)) return make_error(ErrorCode::kInvalidArgument, "router: a feature is not finite");
  const double scale = squares > 0 ? 1 / (std::sqrt(squares) * temperature_) : 0;
  std::vector<double> p(bias_.size());
  for (size_t k = 0; k < p.size(); ++k) {
    double dot = 0;
    for (size_t i = 0; i < d; ++i) dot += weights_[k * d + i] * x[i];
    p[k] = dot * scale + bias_[k] / temperature_;
  }
  const double max = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (double& value : p) sum += value = std::exp(value - max);
  for (double& value : p) value /= sum;
  return p;
}

}  // namespace sain::router
