#include "router/route_head.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

namespace sain::router {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::RowVectorXf;
using Index = Eigen::Index;

constexpr size_t kNeighbours = 3;
constexpr size_t kMostQuantiles = 1000;
constexpr double kBackgroundWeight = 0.5;  // of how much a request is like what belongs to nobody
constexpr double kNeighbourWeight = 0.5;
constexpr double kBackgroundQuantile = 0.05;  // background that is more familiar than this is no background

/// Each row becomes a distribution.
void softmax_rows(Matrix& logits) {
  for (Index i = 0; i < logits.rows(); ++i) {
    auto row = logits.row(i);
    row.array() -= row.maxCoeff();
    row = row.array().exp().matrix();
    row /= row.sum();
  }
}

/// How much a view of weight w counts in the product of two rows.
std::vector<float> shares(const std::vector<FeatureView>& views) {
  float sum = 0;
  for (const FeatureView& view : views) sum += view.weight;
  std::vector<float> out;
  for (const FeatureView& view : views) out.push_back(view.weight / sum);
  return out;
}

/// Rows less the mean; each view has the square root of its share for length, so that products are at most 1.
void scale(Matrix& rows, const Row& mean, const std::vector<FeatureView>& views) {
  rows.rowwise() -= mean;
  const std::vector<float> view_shares = shares(views);
  for (Index i = 0; i < rows.rows(); ++i) {
    Index begin = 0;
    for (size_t v = 0; v < views.size(); ++v) {
      auto part = rows.row(i).segment(begin, views[v].size);
      if (const float norm = part.norm(); norm > 0) part *= std::sqrt(view_shares[v]) / norm;
      begin += views[v].size;
    }
  }
}

/// Of products of rows: 1 for the same direction in every view, exp(-4) for the opposite one.
Matrix to_kernel(const Matrix& products) {
  constexpr float kSharpness = 2;
  return ((products.array() - 1) * kSharpness).exp();
}

/// The mean of the few greatest.
float nearest(Row cosines) {
  const auto n = std::min<Index>(kNeighbours, cosines.size());
  std::partial_sort(cosines.begin(), cosines.begin() + n, cosines.end(), std::greater<>());
  return cosines.head(n).mean();
}

/// How much more a request is like an intent than like the background. `scores`: (n_intents + 1).
double lead(const Row& scores) {
  const Index n_intents = scores.size() - 1;
  return double{scores.head(n_intents).maxCoeff()} - kBackgroundWeight * double{scores[n_intents]};
}

double deviation(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / n);
}

/// Mean -log of the probability of the right group, at a temperature.
double group_loss(const Matrix& scores, const std::vector<uint32_t>& labels, const std::vector<uint32_t>& intent_group,
                  float temperature) {
  Matrix p = scores.leftCols(scores.cols() - 1) / temperature;
  softmax_rows(p);
  double loss = 0;
  for (Index i = 0; i < p.rows(); ++i) {
    const uint32_t group = intent_group[labels[static_cast<size_t>(i)]];
    double sum = 0;
    for (Index k = 0; k < p.cols(); ++k)
      if (intent_group[static_cast<size_t>(k)] == group) sum += double{p(i, k)};
    loss -= std::log(std::max(sum, 1e-30));
  }
  return loss / static_cast<double>(p.rows());
}

/// The best temperature on a grid of 5 % steps; the loss has one valley, and this cannot miss it.
double fit_temperature(const Matrix& scores, const std::vector<uint32_t>& labels,
                       const std::vector<uint32_t>& intent_group) {
  double best = 1, best_loss = INFINITY;
  for (double t = 0.005; t < 2; t *= 1.05) {
    const double loss = group_loss(scores, labels, intent_group, static_cast<float>(t));
    if (loss < best_loss) best_loss = loss, best = t;
  }
  return best;
}

/// Examples and what a request gets from each of them.
struct Fit {
  Matrix rows;          // (n, n_features), scaled: the known ones, then the background
  Matrix coefficients;  // (n, n_intents + 1): of the intents and of the background
  Matrix left_out;      // (n_known, n_intents + 1): scores of each known one by a fit without it
  GateScale scale;
  std::vector<double> familiarity;  // of the known ones, each by a fit without it

  double gate(const Row& scores, float cosine) const { return scale.score(lead(scores), cosine); }
};

/// Kernel ridge regression on one-hot targets, in closed form, and with it the score that each example would get if it
/// had been left out: y - a / (A^-1)_ii (Rasmussen and Williams, Gaussian Processes, section 5.4.2).
Fit fit(Matrix rows, const std::vector<uint32_t>& labels, Index n_intents, Index n_near, float near_share) {
  constexpr float kRidge = 0.1F;
  const Index n = rows.rows();
  const auto n_known = static_cast<Index>(std::ranges::count_if(labels, [&](uint32_t l) { return l < n_intents; }));
  Matrix targets = Matrix::Zero(n, n_intents + 1);
  for (Index i = 0; i < n; ++i) targets(i, labels[static_cast<size_t>(i)]) = 1;
  Matrix kernel = to_kernel(rows * rows.transpose());
  kernel.diagonal().array() += kRidge;
  const Matrix inverse = kernel.llt().solve(Matrix::Identity(n, n));

  Fit out{.rows = std::move(rows), .coefficients = inverse * targets, .left_out = {}, .scale = {}, .familiarity = {}};
  out.left_out =
      targets.topRows(n_known) -
      (out.coefficients.topRows(n_known).array().colwise() / inverse.diagonal().head(n_known).array()).matrix();
  Matrix cosines = out.rows.topLeftCorner(n_known, n_near) * out.rows.topLeftCorner(n_known, n_near).transpose();
  cosines /= near_share;
  cosines.diagonal().array() = -1;
  std::vector<double> leads, closest;
  for (Index i = 0; i < n_known; ++i) {
    leads.push_back(lead(out.left_out.row(i)));
    closest.push_back(nearest(cosines.row(i)));
  }
  constexpr double kLeast = 1e-9;  // where all are alike
  out.scale = {1 / std::max(kLeast, deviation(leads)), kNeighbourWeight / std::max(kLeast, deviation(closest))};
  for (size_t i = 0; i < leads.size(); ++i) out.familiarity.push_back(out.scale.score(leads[i], closest[i]));
  std::ranges::sort(out.familiarity);
  return out;
}

Status check(const HeadExamples& examples) {
  const size_t n = examples.labels.size();
  if (n == 0 || examples.n_features() == 0 || examples.n_intents == 0)
    return make_error(ErrorCode::kInvalidArgument, "training the router: there are no examples");
  if (examples.features.size() != n * examples.n_features() || examples.intent_group.size() != examples.n_intents)
    return make_error(ErrorCode::kInvalidArgument, "training the router: {} features do not make {} examples of {}",
                      examples.features.size(), n, examples.n_features());
  for (const uint32_t label : examples.labels)
    if (label > examples.n_intents)
      return make_error(ErrorCode::kInvalidArgument, "training the router: label {} is not at most {}", label,
                        examples.n_intents);
  if (!std::ranges::is_sorted(examples.labels) || examples.labels.front() == examples.n_intents)
    return make_error(ErrorCode::kInvalidArgument, "training the router: labels are not in order");
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

Result<RouteHead> RouteHead::train(const HeadExamples& examples) {
  SAIN_RETURN_IF_ERROR(check(examples));
  const Index d = examples.n_features(), n = static_cast<Index>(examples.labels.size()), k = examples.n_intents;
  const Index n_near = examples.views.front().size;
  const float near_share = shares(examples.views).front();
  const auto n_known = std::ranges::lower_bound(examples.labels, examples.n_intents) - examples.labels.begin();

  Matrix rows = Eigen::Map<const Matrix>(examples.features.data(), n, d);
  const Row mean = rows.topRows(n_known).colwise().mean();
  scale(rows, mean, examples.views);
  std::vector<uint32_t> labels(examples.labels.begin(), examples.labels.begin() + n_known);
  Fit best = fit(rows.topRows(n_known), labels, k, n_near, near_share);
  if (n > n_known) {
    // What of the background is like the examples does not belong there.
    const double limit = best.familiarity[static_cast<size_t>(kBackgroundQuantile * static_cast<double>(n_known))];
    const Matrix strays = rows.bottomRows(n - n_known);
    const Matrix scores = to_kernel(strays * best.rows.transpose()) * best.coefficients;
    const Matrix cosines = strays.leftCols(n_near) * best.rows.leftCols(n_near).transpose() / near_share;
    std::vector<Index> kept(static_cast<size_t>(n_known));
    std::iota(kept.begin(), kept.end(), Index{0});
    for (Index i = 0; i < strays.rows(); ++i) {
      if (best.gate(scores.row(i), nearest(cosines.row(i))) >= limit) continue;
      kept.push_back(n_known + i);
      labels.push_back(examples.n_intents);
    }
    best = fit(rows(kept, Eigen::all), labels, k, n_near, near_share);
  }

  RouteHead head;
  head.views_ = examples.views;
  head.n_intents_ = examples.n_intents;
  head.n_known_ = static_cast<uint32_t>(n_known);
  head.mean_ = to_vector(mean);
  head.rows_ = to_vector(best.rows);
  head.coefficients_ = to_vector(best.coefficients);
  labels.resize(static_cast<size_t>(n_known));
  head.temperature_ = fit_temperature(best.left_out, labels, examples.intent_group);
  head.gate_ = best.scale;
  const size_t n_quantiles = std::min(kMostQuantiles, best.familiarity.size());
  for (size_t i = 0; i < n_quantiles; ++i)
    head.quantiles_.push_back(best.familiarity[i * best.familiarity.size() / n_quantiles]);
  return head;
}

Result<Classification> RouteHead::classify(std::span<const float> features) const {
  const auto d = static_cast<Index>(mean_.size());
  if (features.size() != mean_.size())
    return make_error(ErrorCode::kInvalidArgument, "router: expected {} features, found {}", d, features.size());
  Matrix x = Eigen::Map<const Matrix>(features.data(), 1, d);
  scale(x, Eigen::Map<const Row>(mean_.data(), d), views_);
  if (!x.allFinite()) return make_error(ErrorCode::kInvalidArgument, "router: a feature is not finite");

  const Index n = static_cast<Index>(rows_.size()) / d, n_near = views_.front().size;
  const Eigen::Map<const Matrix> rows(rows_.data(), n, d);
  const Row near = x.leftCols(n_near) * rows.leftCols(n_near).transpose();
  const Row far = x.rightCols(d - n_near) * rows.rightCols(d - n_near).transpose();
  const Matrix scores = to_kernel(near + far) * Eigen::Map<const Matrix>(coefficients_.data(), n, n_intents_ + 1);

  Classification out;
  const double score = gate_.score(lead(scores.row(0)), nearest(near.head(n_known_) / shares(views_).front()));
  out.familiarity = static_cast<double>(std::ranges::lower_bound(quantiles_, score) - quantiles_.begin()) /
                    static_cast<double>(quantiles_.size());
  Matrix p = scores.leftCols(n_intents_) / static_cast<float>(temperature_);
  softmax_rows(p);
  out.probabilities.assign(p.data(), p.data() + n_intents_);
  // In floats they sum to 1 but for some 1e-7.
  const double sum = std::accumulate(out.probabilities.begin(), out.probabilities.end(), 0.0);
  for (double& value : out.probabilities) value /= sum;
  return out;
}

uint32_t RouteHead::n_background() const {
  return n_rows() - n_known_;
}

uint64_t RouteHead::bytes() const {
  return sizeof(float) * (mean_.size() + rows_.size() + coefficients_.size()) + sizeof(double) * quantiles_.size();
}

}  // namespace sain::router
