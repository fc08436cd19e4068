#include "router/evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "router/toml_reader.h"

namespace sain::router {
namespace {

/// The probability of the most probable specialist: what the threshold is compared with.
double specialist_score(const RouteDecision& decision) {
  const auto& p = decision.probabilities;
  return p.size() > 1 ? *std::max_element(p.begin() + 1, p.end()) : 0;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))];
}

double share(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

/// The chance that a positive scores above a negative; ties count half.
double area_under_roc(const std::vector<double>& positives, const std::vector<double>& negatives) {
  double wins = 0;
  for (const double p : positives)
    for (const double n : negatives) wins += p > n ? 1 : p == n ? 0.5 : 0;
  const size_t n_pairs = positives.size() * negatives.size();
  return n_pairs == 0 ? 0 : wins / static_cast<double>(n_pairs);
}

GateReport gate_report(const std::vector<double>& positives, const std::vector<double>& negatives) {
  GateReport report{.auroc = area_under_roc(positives, negatives), .curve = {}};
  for (const double kept : {0.99, 0.975, 0.95, 0.9, 0.8}) {
    const double threshold = quantile(positives, 1 - kept);
    const auto n_below = std::ranges::count_if(negatives, [&](double score) { return score < threshold; });
    report.curve.push_back({kept, threshold, share(static_cast<size_t>(n_below), negatives.size())});
  }
  return report;
}

double calibration_error(const std::vector<RoutedRequest>& routed) {
  struct Bin {
    double confidence = 0;
    double correct = 0;
  };
  std::array<Bin, 10> bins;
  size_t n = 0;
  for (const RoutedRequest& item : routed) {
    if (!item.request.label) continue;
    ++n;
    const auto& p = item.decision.probabilities;
    const auto best = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
    Bin& bin = bins[std::min<size_t>(9, static_cast<size_t>(p[best] * 10))];
    bin.confidence += p[best];
    bin.correct += best == index(*item.request.label) ? 1 : 0;
  }
  double error = 0;
  for (const Bin& bin : bins) error += std::abs(bin.confidence - bin.correct);
  return n == 0 ? 0 : error / static_cast<double>(n);
}

}  // namespace

Result<std::vector<LabelledRequest>> parse_labelled_requests(std::string_view text, const std::string& file,
                                                             const RegistrySnapshot& registry) {
  SAIN_ASSIGN_OR_RETURN(const toml::table table, parse_toml(text, file));
  TomlReader reader(table, file, "");
  std::vector<LabelledRequest> requests;
  for (const auto& [key, value] : table) {
    const std::string_view name = key.str();
    const auto label = registry.find(name);
    std::vector<std::string> texts;
    reader.strings(name, texts);
    if (!label && name != "out_of_scope")
      reader.fail(value, name, "is neither a specialist, nor \"assistant\", nor \"out_of_scope\"");
    for (std::string& request : texts) requests.push_back({std::move(request), label});
  }
  SAIN_RETURN_IF_ERROR(reader.finish());
  return requests;
}

RouteReport report(const std::vector<RoutedRequest>& routed, const RegistrySnapshot& registry) {
  const size_t n_members = registry.names.size();
  RouteReport report;
  report.confusion.assign(n_members + 1, std::vector<uint32_t>(n_members, 0));
  std::vector<double> confidences, familiarities, times;       // of those that should pass
  std::vector<double> stray_confidences, stray_familiarities;  // of those out of scope
  uint32_t n_correct = 0, n_most_probable = 0, n_rejected = 0;
  for (const RoutedRequest& item : routed) {
    SAIN_CHECK(item.decision.probabilities.size() == n_members);
    const auto& label = item.request.label;
    const SpecialistId target = item.decision.target;
    ++report.confusion[label ? index(*label) : n_members][index(target)];
    times.push_back(item.ms);
    if (label) {
      ++report.n_in_scope;
      n_correct += target == *label;
      const auto& p = item.decision.probabilities;
      n_most_probable += std::max_element(p.begin(), p.end()) - p.begin() == static_cast<ptrdiff_t>(index(*label));
      familiarities.push_back(item.decision.familiarity);
      if (*label != kAssistant) confidences.push_back(specialist_score(item.decision));
    } else {
      ++report.n_out_of_scope;
      n_rejected += target == kAssistant;
      stray_familiarities.push_back(item.decision.familiarity);
      stray_confidences.push_back(specialist_score(item.decision));
    }
  }
  report.accuracy = share(n_correct, report.n_in_scope);
  report.rejected = share(n_rejected, report.n_out_of_scope);
  report.most_probable = share(n_most_probable, report.n_in_scope);
  report.confidence = gate_report(confidences, stray_confidences);
  report.familiarity = gate_report(familiarities, stray_familiarities);
  report.calibration_error = calibration_error(routed);
  report.median_ms = quantile(times, 0.5);
  report.p95_ms = quantile(times, 0.95);
  return report;
}

DraftReport report_drafts(const std::vector<DraftedRequest>& drafted) {
  const auto is_own = [](const DraftedRequest& item) {
    return item.routed.request.label.value_or(kAssistant) == kAssistant;
  };
  const auto is_unsure = [](const DraftedRequest& item) {
    return item.routed.decision.cause == RouteCause::kBelowThreshold;
  };
  const auto confidence = [](const DraftedRequest& item, DraftMeasure measure, size_t n_tokens) {
    return draft_confidence(std::span(item.logprobs).first(std::min(n_tokens, item.logprobs.size())), measure);
  };
  DraftReport report;
  for (const DraftedRequest& item : drafted) {
    ++(is_own(item) ? report.n_own : report.n_others);
    if (is_unsure(item)) ++(is_own(item) ? report.n_unsure_own : report.n_unsure_others);
  }
  for (const DraftMeasure measure : {DraftMeasure::kMean, DraftMeasure::kLeast, DraftMeasure::kShare}) {
    for (const size_t n_tokens : {size_t{4}, size_t{8}, DraftGate::kTokens}) {
      std::vector<double> own, others, unsure_own, unsure_others;
      for (const DraftedRequest& item : drafted) {
        const double score = confidence(item, measure, n_tokens);
        (is_own(item) ? own : others).push_back(score);
        if (is_unsure(item)) (is_own(item) ? unsure_own : unsure_others).push_back(score);
      }
      report.measures.push_back(
          {measure, n_tokens, area_under_roc(own, others), area_under_roc(unsure_own, unsure_others)});
    }
  }
  for (const double threshold : {0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0}) {
    DraftReport::Point point{.threshold = threshold};
    for (const DraftedRequest& item : drafted) {
      if (!is_unsure(item)) continue;
      const bool is_escalated = confidence(item, DraftMeasure::kMean, DraftGate::kTokens) < threshold;
      const auto& p = item.routed.decision.probabilities;
      const auto specialist = static_cast<size_t>(std::max_element(p.begin(), p.end()) - p.begin());
      const size_t answers = is_escalated ? specialist : index(kAssistant);
      point.n_escalated += is_escalated;
      point.n_right += answers == index(item.routed.request.label.value_or(kAssistant));
    }
    report.points.push_back(point);
  }
  return report;
}

}  // namespace sain::router
