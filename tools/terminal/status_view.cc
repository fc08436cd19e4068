#include "tools/terminal/status_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>

#include "tools/progress_bar.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

using router::ModelReport;
using router::StatusReport;
using Text = std::back_insert_iterator<std::string>;

/// "2 h 5 min", "43 s".
std::string duration_text(int64_t seconds) {
  if (seconds >= 3600) return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
  if (seconds >= 60) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} s", std::max<int64_t>(seconds, 0));
}

/// Three figures: "0.42 ms", "12.3 ms", "1.25 s".
std::string milliseconds_text(double ms) {
  const bool in_seconds = ms >= 999.5;
  const double value = in_seconds ? ms / 1e3 : ms;
  const int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", value, decimals, in_seconds ? "s" : "ms");
}

void write_models(Text out, const StatusReport& report) {
  if (report.models.empty()) return;
  fmt::format_to(out, "  {:<44} {:<9} {:>9} {:>9} {:>6} {:>9}  {}\n", "MODEL", "STATE", "WEIGHTS", "KV", "LEASES",
                 "LOAD", "MEMBERS");
  for (const ModelReport& model : report.models) {
    const std::string load = model.state == "loading" ? fmt::format("{:.0f} %", 100 * model.fraction)
                             : model.load_ms > 0      ? milliseconds_text(model.load_ms)
                                                      : "-";
    fmt::format_to(out, "  {:<44} {:<9} {:>9} {:>9} {:>6} {:>9}  {}\n",
                   std::filesystem::path(model.file).filename().string(), model.state,
                   format_bytes(model.weights_bytes), format_bytes(model.kv_bytes), model.leases, load,
                   fmt::join(model.members, ", "));
  }
}

void write_memory(Text out, const StatusReport& report) {
  uint64_t total = 0;
  std::vector<std::string> owners;
  for (const auto& [owner, bytes] : report.memory) {
    total += bytes;
    owners.push_back(fmt::format("{} {}", owner, format_bytes(bytes)));
  }
  fmt::format_to(out, "  memory    {} counted, of {}; the kernel says {} ({} own, {} of files), at most {}\n",
                 format_bytes(total), format_bytes(report.budget_bytes), format_bytes(report.rss_bytes),
                 format_bytes(report.anonymous_bytes), format_bytes(report.file_bytes),
                 format_bytes(report.peak_rss_bytes));
  if (!owners.empty()) fmt::format_to(out, "            {}\n", fmt::join(owners, ", "));
}

void write_device(Text out, const router::DeviceReport& device) {
  if (device.name.empty()) return;
  uint64_t total = 0;
  std::vector<std::string> owners;
  for (const auto& [owner, bytes] : device.memory) {
    total += bytes;
    owners.push_back(fmt::format("{} {}", owner, format_bytes(bytes)));
  }
  fmt::format_to(out, "  device    {} counted, of {}; {} says {}\n", format_bytes(total),
                 format_bytes(device.budget_bytes), device.name, format_bytes(device.used_bytes));
  if (!owners.empty()) fmt::format_to(out, "            {}\n", fmt::join(owners, ", "));
}

void write_requests(Text out, const StatusReport& report) {
  std::vector<std::string> answers;
  for (const auto& [member, n] : report.answers) answers.push_back(fmt::format("{} {}", member, n));
  fmt::format_to(out, "  requests  {}, {} fallbacks, {} cancelled, {} errors; answers: {}\n", report.requests,
                 report.fallbacks, report.cancelled, report.errors, fmt::join(answers, ", "));
  fmt::format_to(out, "  prefetch  {} begun, {} used, {} dropped\n", report.prefetch.begun, report.prefetch.hits,
                 report.prefetch.dropped);
  if (report.requests == 0) return;
  fmt::format_to(out, "  {:<12} {:>7} {:>9} {:>9} {:>9}\n", "STAGE", "COUNT", "MEDIAN", "P95", "P99");
  for (const auto& [name, stage] : report.stages) {
    if (stage.count == 0) continue;
    fmt::format_to(out, "  {:<12} {:>7} {:>9} {:>9} {:>9}\n", name, stage.count, milliseconds_text(stage.p50_ms),
                   milliseconds_text(stage.p95_ms), milliseconds_text(stage.p99_ms));
  }
}

void write_cost(Text out, const StatusReport& report) {
  const router::EnergyReport& energy = report.energy;
  const auto a_token = [n = static_cast<double>(report.decode_tokens)](auto text, double amount) {
    return n > 0 ? fmt::format(", {} a token", text(amount / n)) : std::string();
  };
  const auto joules = [](double amount) { return fmt::format("{:.3g} J", amount); };
  fmt::format_to(out, "  tokens    {} of prompts, {} of answers, {:.1f} a second\n", report.prompt_tokens,
                 report.decode_tokens, report.decode_tps);
  fmt::format_to(out, "  processor {:.1f} s{}; {} wake-ups\n", energy.cpu_seconds,
                 a_token(milliseconds_text, 1e3 * energy.cpu_seconds), energy.wake_ups);
  if (energy.joules) {
    fmt::format_to(out, "  energy    {:.0f} J{}, the whole machine's\n", *energy.joules,
                   a_token(joules, *energy.joules));
  } else {
    fmt::format_to(out, "  energy    unknown: {}\n", energy.reason);
  }
}

}  // namespace

std::string status_text(const StatusReport& report, int64_t now) {
  std::string text;
  const Text out = std::back_inserter(text);
  fmt::format_to(out, "{}, process {}, for {}; {} conversation{}\n", report.program, report.pid,
                 duration_text(now - report.started), report.conversations, report.conversations == 1 ? "" : "s");
  write_models(out, report);
  write_memory(out, report);
  write_device(out, report.device);
  write_requests(out, report);
  write_cost(out, report);
  return safe_text(text);
}

}  // namespace sain::tools
