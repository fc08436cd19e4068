#include "router/route_head.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "router/lbfgs.h"

namespace sain::router {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::RowVectorXf;

constexpr float kMinDeviation = 1e-6F;  // a feature that never varies says nothing, and must not divide by zero
constexpr size_t kNeighbours = 3;

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
  Row mean, inverse_deviation;

  static Scaling fit(const Matrix& features) {
    Scaling scaling;
    scaling.mean = features.colwise().mean();
    const Row variance = (features.rowwise() - scaling.mean).array().square().colwise().mean();
    scaling.inverse_deviation =
        variance.unaryExpr([](float v) { return std::sqrt(v) > kMinDeviation ? 1 / std::sqrt(v) : 0.0F; });
    return scaling;
  }

  /// Standardised rows; each view of a row has its weight for length.
  Matrix apply(const Matrix& features, const std::vector<FeatureView>& views) const {
    Matrix scaled = (features.rowwise() - mean).array().rowwise() * inverse_deviation.array();
    for (Eigen::Index i = 0; i < scaled.rows(); ++i) {
      Eigen::Index begin = 0;
      for (const FeatureView& view : views) {
        auto part = scaled.row(i).segment(begin, view.size);
        const float norm = part.norm();
        if (norm > 0) part *= view.weight / norm;
        begin += view.size;
      }
    }
    return scaled;
  }
};

struct Linear {
  Matrix weights;  // (n_intents, n_features)
  Row bias;        // (n_intents)

  Matrix logits(const Matrix& x) const { return (x * weights.transpose()).rowwise() + bias; }
};

/// Weights that minimise the mean of -log p(label) plus l2 |W|^2 / 2; the bias is not regularised. Begins at `start`.
Linear fit_linear(const Matrix& x, const std::vector<uint32_t>& labels, const Linear& start,
                  const HeadOptions& options) {
  const Eigen::Index n = x.rows(), d = x.cols(), k = start.bias.size();
  const auto l2 = options.l2;
  Matrix w(k, d), gradient_w(k, d);
  const auto objective = [&](std::span<const double> parameters, std::span<double> gradient) {
    const Eigen::Map<const Eigen::VectorXd> all(parameters.data(), k * d + k);
    Eigen::Map<Eigen::VectorXd>(gradient.data(), k * d + k) = all;
    w = Eigen::Map<const Eigen::VectorXd>(parameters.data(), k * d).cast<float>().reshaped<Eigen::RowMajor>(k, d);
    const Row b = all.tail(k).cast<float>().transpose();
    Matrix p = (x * w.transpose()).rowwise() + b;
    softmax_rows(p);
    double loss = 0;
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto label = static_cast<Eigen::Index>(labels[static_cast<size_t>(i)]);
      loss -= std::log(std::max(double{p(i, label)}, 1e-30));
      p(i, label) -= 1;  // p becomes the gradient of the logits
    }
    p /= static_cast<float>(n);
    gradient_w.noalias() = p.transpose() * x;
    Eigen::Map<Eigen::VectorXd> out(gradient.data(), k * d + k);
    out.head(k * d) *= l2;
    out.head(k * d) += gradient_w.reshaped<Eigen::RowMajor>().cast<double>();
    out.tail(k) = p.colwise().sum().transpose().cast<double>();
    return loss / static_cast<double>(n) + l2 / 2 * all.head(k * d).squaredNorm();
  };
  std::vector<double> parameters(static_cast<size_t>(k * d + k));
  Eigen::Map<Eigen::VectorXd> all(parameters.data(), k * d + k);
  all << start.weights.reshaped<Eigen::RowMajor>().cast<double>(), start.bias.transpose().cast<double>();
  minimize(objective, parameters, {.max_iterations = options.max_iterations, .tolerance = options.tolerance});
  return {all.head(k * d).cast<float>().reshaped<Eigen::RowMajor>(k, d), all.tail(k).cast<float>().transpose()};
}

/// Mean -log of the probability of the right group, at a temperature.
double group_loss(const Matrix& logits, const std::vector<uint32_t>& labels, const std::vector<uint32_t>& intent_group,
                  float temperature) {
  Matrix p = logits / temperature;
  softmax_rows(p);
  double loss = 0;
  for (Eigen::Index i = 0; i < p.rows(); ++i) {
    const uint32_t group = intent_group[labels[static_cast<size_t>(i)]];
    double sum = 0;
    for (Eigen::Index k = 0; k < p.cols(); ++k)
      if (intent_group[static_cast<size_t>(k)] == group) sum += double{p(i, k)};
    loss -= std::log(std::max(sum, 1e-30));
  }
  return loss / static_cast<double>(std::max<Eigen::Index>(1, p.rows()));
}

/// The best temperature on a grid of 2 % steps from 0.05 to 10; the loss has one valley, and this cannot miss it.
double fit_temperature(const Matrix& logits, const std::vector<uint32_t>& labels,
                       const std::vector<uint32_t>& intent_group) {
  double best = 1, best_loss = group_loss(logits, labels, intent_group, 1);
  for (double t = 0.05; t < 10; t *= 1.02) {
    const double loss = group_loss(logits, labels, intent_group, static_cast<float>(t));
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

/// The mean of the few greatest.
float nearest(Row cosines) {
  const auto n = std::min<Eigen::Index>(kNeighbours, cosines.size());
  std::partial_sort(cosines.begin(), cosines.begin() + n, cosines.end(), std::greater<>());
  return cosines.head(n).mean();
}

double deviation(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / n);
}

Status check(const HeadExamples& examples) {
  const size_t n = examples.labels.size();
  if (n == 0 || examples.n_features() == 0 || examples.n_intents == 0)
    return make_error(ErrorCode::kInvalidArgument, "training the router: there are no examples");
  if (examples.features.size() != n * examples.n_features() || examples.intent_group.size() != examples.n_intents)
    return make_error(ErrorCode::kInvalidArgument, "training the router: {} features do not make {} examples of {}",
                      examples.features.size(), n, examples.n_features());
  for (const uint32_t label : examples.labels)
    if (label >= examples.n_intents)
      return make_error(ErrorCode::kInvalidArgument, "training the router: label {} is not below {}", label,
                        examples.n_intents);
  for (const float value : examples.features)
    if (!std::isfinite(value))
      return make_error(ErrorCode::kInvalidArgument, "training the router: a feature is not finite");
  return {};
}

std::vector<float> to_vector(const Matrix& m) {
  return {m.data(), m.data() + m.size()};
}

}  // namespace

uint32_t HeadExamples::n_features() const {
  uint32_t sum = 0;
  for (const FeatureView& view : views) sum += view.size;
  return sum;
}

Result<RouteHead> RouteHead::train(const HeadExamples& examples, const HeadOptions& options) {
  SAIN_RETURN_IF_ERROR(check(examples));
  const Eigen::Index d = examples.n_features(), k = examples.n_intents, near = examples.views.front().size;
  const Matrix features =
      Eigen::Map<const Matrix>(examples.features.data(), static_cast<Eigen::Index>(examples.labels.size()), d);
  Linear linear{Matrix::Zero(k, d), Row::Zero(k)};
  RouteHead head;
  head.views_ = examples.views;

  const Fold fold = options.calibration_fold < 2 ? Fold{} : split(examples, options.calibration_fold);
  if (!fold.held_out.empty()) {
    const Matrix some = features(fold.train, Eigen::all);
    const Scaling scaling = Scaling::fit(some);
    const Matrix x = scaling.apply(some, head.views_);
    const Matrix others = scaling.apply(features(fold.held_out, Eigen::all), head.views_);
    linear = fit_linear(x, pick(examples.labels, fold.train), linear, options);
    const Matrix logits = linear.logits(others);
    head.temperature_ = fit_temperature(logits, pick(examples.labels, fold.held_out), examples.intent_group);

    const Matrix cosines = others.leftCols(near) * x.leftCols(near).transpose();
    std::vector<double> greatest, closest;
    for (Eigen::Index i = 0; i < logits.rows(); ++i) {
      greatest.push_back(logits.row(i).maxCoeff());
      closest.push_back(nearest(cosines.row(i)));
    }
    head.gate_weights_ = {1 / std::max(1e-9, deviation(greatest)), 1 / std::max(1e-9, deviation(closest))};
    for (size_t i = 0; i < greatest.size(); ++i)
      head.gate_quantiles_.push_back(greatest[i] * head.gate_weights_[0] + closest[i] * head.gate_weights_[1]);
    std::ranges::sort(head.gate_quantiles_);
  }

  const Scaling scaling = Scaling::fit(features);
  const Matrix x = scaling.apply(features, head.views_);
  linear = fit_linear(x, examples.labels, linear, options);
  head.mean_ = to_vector(scaling.mean);
  head.inverse_deviation_ = to_vector(scaling.inverse_deviation);
  head.weights_ = to_vector(linear.weights);
  head.bias_ = to_vector(linear.bias);
  head.neighbours_ = to_vector(x.leftCols(near));
  return head;
}

Result<Classification> RouteHead::classify(std::span<const float> features) const {
  const auto d = static_cast<Eigen::Index>(mean_.size()), k = static_cast<Eigen::Index>(bias_.size());
  if (features.size() != mean_.size())
    return make_error(ErrorCode::kInvalidArgument, "router: expected {} features, found {}", d, features.size());
  const Scaling scaling{Eigen::Map<const Row>(mean_.data(), d), Eigen::Map<const Row>(inverse_deviation_.data(), d)};
  const Matrix x = scaling.apply(Eigen::Map<const Matrix>(features.data(), 1, d), views_);
  if (!x.allFinite()) return make_error(ErrorCode::kInvalidArgument, "router: a feature is not finite");

  const Eigen::Map<const Matrix> weights(weights_.data(), k, d);
  Matrix logits = x * weights.transpose() + Eigen::Map<const Row>(bias_.data(), k);
  Classification out;
  if (!gate_quantiles_.empty()) {
    const Eigen::Index near = views_.front().size;
    const Eigen::Map<const Matrix> neighbours(neighbours_.data(), static_cast<Eigen::Index>(neighbours_.size()) / near,
                                              near);
    const Row cosines = x.leftCols(near) * neighbours.transpose();
    const double score = double{logits.maxCoeff()} * gate_weights_[0] + double{nearest(cosines)} * gate_weights_[1];
    const auto less = std::ranges::lower_bound(gate_quantiles_, score) - gate_quantiles_.begin();
    out.familiarity = static_cast<double>(less) / static_cast<double>(gate_quantiles_.size());
  }
  logits /= static_cast<float>(temperature_);
  softmax_rows(logits);
  out.probabilities.assign(logits.data(), logits.data() + k);
  // In floats they sum to 1 but for some 1e-7.
  const double sum = std::accumulate(out.probabilities.begin(), out.probabilities.end(), 0.0);
  for (double& p : out.probabilities) p /= sum;
  return out;
}

uint64_t RouteHead::bytes() const {
  return sizeof(float) * (mean_.size() * 2 + weights_.size() + bias_.size() + neighbours_.size());
}

}  // namespace sain::router
