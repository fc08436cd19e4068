#include "router/monitoring/serving_metrics.h"

#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "router/monitoring/process_memory.h"

namespace sain::router {
namespace {

constexpr std::array kStageNames = {"route", "load", "prefill", "first_token", "token"};
constexpr std::array kEndNames = {"answered", "cancelled", "failed"};
constexpr std::array kCauseNames = {"load_failed", "answer_failed", "too_late", "refused", "no_answer", "unsure"};

uint64_t value_of(const Counter& counter) {
  return static_cast<uint64_t>(counter.value());
}

}  // namespace

std::string_view to_string(Stage stage) {
  return kStageNames[static_cast<size_t>(stage)];
}

std::string_view to_string(RequestEnd end) {
  return kEndNames[static_cast<size_t>(end)];
}

std::string_view to_string(FallbackCause cause) {
  return kCauseNames[static_cast<size_t>(cause)];
}

ServingMetrics::ServingMetrics(std::string program, const std::vector<std::string>& members)
    : program_(std::move(program)),
      started_(std::time(nullptr)),
      prompt_tokens_(registry_.counter("sain_prompt_tokens_total", "Tokens of prompts that were computed.")) {
  for (size_t i = 0; i < kStages; ++i) {
    stages_[i] = &registry_.histogram("sain_stage_seconds", "What the stages of requests took; token: each one.",
                                      {{"stage", kStageNames[i]}});
  }
  set_members(members);
}

void ServingMetrics::set_members(const std::vector<std::string>& members) {
  const std::lock_guard lock(mutex_);
  members_ = members;
  requests_.resize(members.size());
  for (size_t member = 0; member < members.size(); ++member) {
    for (size_t i = 0; i < kEnds; ++i) {
      requests_[member][i] = &registry_.counter("sain_requests_total", "Requests that have ended.",
                                                {{"member", members[member]}, {"outcome", kEndNames[i]}});
    }
  }
}

void ServingMetrics::finish(SpecialistId member, RequestEnd end, const RequestCost& cost) {
  {
    const std::lock_guard lock(mutex_);
    requests_[index(member)][static_cast<size_t>(end)]->add();
  }
  prompt_tokens_.add(cost.prefill_tokens);
  const auto observe = [this](Stage stage, double ms, uint32_t n = 1) {
    if (ms > 0 && n > 0) stages_[static_cast<size_t>(stage)]->observe(ms / n, n);
  };
  observe(Stage::kRoute, cost.route_ms);
  observe(Stage::kLoad, cost.load_ms);
  observe(Stage::kPrefill, cost.prefill_ms);
  observe(Stage::kFirstToken, cost.first_token_ms);
  observe(Stage::kToken, cost.decode_ms, cost.decode_tokens);
}

void ServingMetrics::fall_back(SpecialistId from, FallbackCause cause) {
  fallbacks_.add();
  const std::lock_guard lock(mutex_);
  registry_
      .counter("sain_fallbacks_total", "Times that somebody else took over.",
               {{"from", members_[index(from)]}, {"cause", to_string(cause)}})
      .add();
}

StatusReport ServingMetrics::report() {
  StatusReport report;
  report.program = program_;
  report.pid = getpid();
  report.started = started_;

  const ProcessMemory memory = process_memory();
  report.rss_bytes = memory.rss_bytes;
  report.peak_rss_bytes = memory.peak_rss_bytes;
  report.anonymous_bytes = memory.anonymous_bytes;
  report.file_bytes = memory.file_bytes;

  std::unique_lock lock(mutex_);
  for (size_t member = 0; member < members_.size(); ++member) {
    const auto& [answered, cancelled, failed] = requests_[member];
    report.answers.emplace_back(members_[member], value_of(*answered));
    report.cancelled += value_of(*cancelled);
    report.errors += value_of(*failed);
    report.requests += value_of(*answered) + value_of(*cancelled) + value_of(*failed);
  }
  lock.unlock();
  report.fallbacks = value_of(fallbacks_);

  for (size_t i = 0; i < kStages; ++i) {
    const Histogram& stage = *stages_[i];
    report.stages.emplace_back(kStageNames[i], StageReport{stage.count(), stage.percentile_ms(0.50),
                                                           stage.percentile_ms(0.95), stage.percentile_ms(0.99)});
  }
  const Histogram& token = *stages_[static_cast<size_t>(Stage::kToken)];
  report.prompt_tokens = value_of(prompt_tokens_);
  report.decode_tokens = token.count();
  if (token.sum_ms() > 0) report.decode_tps = 1e3 * static_cast<double>(token.count()) / token.sum_ms();

  const ProcessorUse use = processor_use();
  report.energy.joules = energy_.joules();
  report.energy.reason = energy_.reason();
  report.energy.cpu_seconds = use.cpu_seconds;
  report.energy.wake_ups = use.n_wake_ups;
  return report;
}

std::string ServingMetrics::prometheus(const StatusReport& report) {
  const auto gauge = [this](std::string_view name, std::string_view help, auto value) {
    registry_.gauge(name, help).set(static_cast<double>(value));
  };
  const auto total = [this](std::string_view name, std::string_view help, auto value,
                            MetricsRegistry::Labels labels = {}) {
    registry_.counter(name, help, labels).raise_to(static_cast<double>(value));
  };
  gauge("sain_start_time_seconds", "When the program began, in seconds since 1970.", report.started);
  gauge("sain_memory_budget_bytes", "What weights and caches may take together.", report.budget_bytes);
  if (!report.device.name.empty()) {
    gauge("sain_device_memory_budget_bytes", "What weights and caches may take together on the device.",
          report.device.budget_bytes);
    gauge("sain_device_memory_used_bytes", "What the program has of the device's memory.", report.device.used_bytes);
  }
  gauge("sain_resident_memory_bytes", "Physical memory as the kernel counts it.", report.rss_bytes);
  gauge("sain_resident_memory_peak_bytes", "The most of it so far.", report.peak_rss_bytes);
  gauge("sain_resident_memory_file_bytes", "Of it, pages of mapped files.", report.file_bytes);
  gauge("sain_conversations", "Conversations that are open.", report.conversations);

  registry_.clear_gauges("sain_memory_bytes");
  for (const MemoryReport& memory : report.memory) {
    registry_.gauge("sain_memory_bytes", "Memory as the program counts it, by owner.", {{"owner", memory.owner}})
        .set(static_cast<double>(memory.bytes));
  }
  registry_.clear_gauges("sain_device_memory_bytes");
  for (const MemoryReport& memory : report.device.memory) {
    registry_
        .gauge("sain_device_memory_bytes", "Of the device's memory, as the program counts it, by owner.",
               {{"owner", memory.owner}})
        .set(static_cast<double>(memory.bytes));
  }
  registry_.clear_gauges("sain_model_leases");
  for (const ModelReport& model : report.models) {
    registry_
        .gauge("sain_model_leases", "Requests that use a model now.",
               {{"model", std::filesystem::path(model.file).filename().string()}})
        .set(static_cast<double>(model.leases));
  }

  if (report.energy.joules) {
    total("sain_energy_joules_total", "Energy of the processor, all programs' together.", *report.energy.joules);
  }
  total("sain_cpu_seconds_total", "Processor time of the program.", report.energy.cpu_seconds);
  total("sain_wake_ups_total", "Times that a thread waited for something, and went on.", report.energy.wake_ups);
  const char* const prefetch = "Models that were loaded ahead.";
  total("sain_prefetch_total", prefetch, report.prefetch.begun, {{"result", "begun"}});
  total("sain_prefetch_total", prefetch, report.prefetch.hits, {{"result", "hit"}});
  total("sain_prefetch_total", prefetch, report.prefetch.dropped, {{"result", "dropped"}});
  return registry_.prometheus();
}

}  // namespace sain::router
