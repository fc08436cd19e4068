// R23: the state of a program: what is counted, what is said about it in JSON and to Prometheus, and that it comes
// back.
#include "router/monitoring/status_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "router/monitoring/residency_report.h"
#include "router/monitoring/serving_metrics.h"
#include "tests/router/fake_models.h"
#include "tests/router/monitoring/prometheus_parser.h"

namespace sain::router {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kMembers = {"assistant", "coding", "writing"};
constexpr SpecialistId kCoding{1}, kWriting{2};

StatusReport full_report() {
  StatusReport report;
  report.program = "sain chat";
  report.pid = 4711;
  report.started = 1'800'000'000;
  report.budget_bytes = uint64_t{8} << 30;
  report.models = {{"/models/a \"b\".gguf", "leased", {"coding", "writing"}, 1000, 20, 2, 12.5, 1, 700}};
  report.memory = {{"weights:coding", 1000}, {"kv", 20}};
  report.device = {"a GPU", uint64_t{4} << 30, 900, {{"weights:coding", 690}, {"kv", 10}}};
  report.rss_bytes = 5, report.peak_rss_bytes = 6, report.anonymous_bytes = 3, report.file_bytes = 2;
  report.requests = 7;
  report.answers = {{"writing", 4}, {"coding", 2}};
  report.fallbacks = 1, report.cancelled = 1, report.errors = 0;
  report.stages = {{"route", {7, 2.5, 3.5, 4}}, {"load", {2, 100, 200, 300}}};
  report.prompt_tokens = 500, report.decode_tokens = 100, report.decode_tps = 33.25;
  report.energy = {std::nullopt, "no counter", 1.5, 99};
  report.prefetch = {3, 2, 1};
  report.conversations = 1;
  return report;
}

TEST(StatusReport, ComesBackAsItWas) {
  const std::string text = to_json(full_report());
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto parsed = parse_status_report(text);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(to_json(*parsed), text);
  EXPECT_EQ(parsed->models[0].members, full_report().models[0].members);
  EXPECT_EQ(parsed->stages[1].second.p99_ms, 300);
}

TEST(StatusReport, KeepsTheContract) {
  StatusReport report = full_report();
  const json object = json::parse(to_json(report));
  EXPECT_EQ(object["answers"].dump(), R"({"coding":2,"writing":4})");
  EXPECT_EQ(object["models"][0]["state"], "leased");
  EXPECT_EQ(object["stages"]["route"]["p95_ms"], 3.5);
  EXPECT_TRUE(object["energy"]["joules"].is_null());
  report.energy.joules = 2.5;
  EXPECT_EQ(json::parse(to_json(report))["energy"]["joules"], 2.5);
  EXPECT_EQ(parse_status_report(to_json(report))->energy.joules, 2.5);
  EXPECT_EQ(to_json(StatusReport{}).substr(0, 14), R"({"program":"",)");
}

TEST(StatusReport, AnotherVersionsFieldsAreNoError) {
  const auto parsed = parse_status_report(R"({"new": [1], "pid": 9, "energy": {"joules": null}, "stages": {}})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->pid, 9);
  EXPECT_TRUE(parsed->models.empty());
}

TEST(StatusReport, WhatIsNoReportIsCorrupt) {
  for (const char* text : {"", "{", "[]", "7", "null", R"({"pid": "x"})", R"({"models": {}})", R"({"models": [7]})",
                           R"({"answers": []})", R"({"stages": {"load": 3}})", R"({"energy": {"joules": "x"}})"}) {
    const auto parsed = parse_status_report(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt) << text;
  }
}

TEST(StatusReport, BytesThatAreNoUtf8AreReplaced) {
  StatusReport report;
  report.models.push_back({.file = "bad\xff.gguf", .state = "absent", .members = {}});
  EXPECT_THAT(to_json(report), HasSubstr("bad\xef\xbf\xbd.gguf"));
}

ServingMetrics served() {
  return {"sain chat", kMembers};
}

TEST(ServingMetrics, CountsRequestsByMemberAndOutcome) {
  ServingMetrics metrics = served();
  metrics.finish(kCoding, RequestEnd::kAnswered,
                 {.route_ms = 2,
                  .load_ms = 150,
                  .prefill_ms = 40,
                  .first_token_ms = 200,
                  .decode_ms = 500,
                  .prefill_tokens = 30,
                  .decode_tokens = 20});
  metrics.finish(kCoding, RequestEnd::kCancelled, {.route_ms = 3});
  metrics.finish(kAssistant, RequestEnd::kFailed, {});
  metrics.fall_back(kWriting, FallbackCause::kLoadFailed);
  const StatusReport report = metrics.report();
  EXPECT_EQ(report.program, "sain chat");
  EXPECT_EQ(report.pid, getpid());
  EXPECT_LE(report.started, std::time(nullptr));
  EXPECT_GT(report.rss_bytes, 0u);
  EXPECT_EQ(report.requests, 3u);
  EXPECT_THAT(report.answers, ElementsAre(std::pair("assistant", 0), std::pair("coding", 1), std::pair("writing", 0)));
  EXPECT_EQ(report.cancelled, 1u);
  EXPECT_EQ(report.errors, 1u);
  EXPECT_EQ(report.fallbacks, 1u);
  EXPECT_EQ(report.stages[0].first, "route");
  EXPECT_EQ(report.stages[0].second.count, 2u);
  EXPECT_EQ(report.stages[1].second.count, 1u);
  EXPECT_NEAR(report.stages[1].second.p50_ms, 150, 25);
  EXPECT_EQ(report.decode_tokens, 20u);
  EXPECT_NEAR(report.decode_tps, 40, 0.01);
  EXPECT_EQ(report.prompt_tokens, 30u);
  EXPECT_NE(report.energy.joules.has_value(), !report.energy.reason.empty());
}

TEST(ServingMetrics, PrometheusSaysTheSame) {
  ServingMetrics metrics = served();
  metrics.finish(kCoding, RequestEnd::kAnswered, {.route_ms = 2, .decode_ms = 500, .decode_tokens = 20});
  metrics.fall_back(kWriting, FallbackCause::kNoAnswer);
  StatusReport report = full_report();
  report.energy.joules = 12.5;
  const testing::PrometheusText text = testing::parse_prometheus(metrics.prometheus(report));
  EXPECT_EQ(text.value("sain_requests_total", {{"member", "coding"}, {"outcome", "answered"}}), 1);
  EXPECT_EQ(text.value("sain_fallbacks_total", {{"from", "writing"}, {"cause", "no_answer"}}), 1);
  EXPECT_EQ(text.value("sain_stage_seconds_count", {{"stage", "token"}}), 20);
  EXPECT_NEAR(text.value("sain_stage_seconds_sum", {{"stage", "token"}}), 0.5, 1e-9);
  EXPECT_EQ(text.value("sain_memory_bytes", {{"owner", "weights:coding"}}), 1000);
  EXPECT_EQ(text.value("sain_device_memory_bytes", {{"owner", "weights:coding"}}), 690);
  EXPECT_EQ(text.value("sain_device_memory_used_bytes", {}), 900);
  EXPECT_EQ(text.value("sain_resident_memory_bytes", {}), 5);
  EXPECT_EQ(text.value("sain_energy_joules_total", {}), 12.5);
  EXPECT_EQ(text.value("sain_prefetch_total", {{"result", "hit"}}), 2);
  EXPECT_EQ(text.value("sain_model_leases", {{"model", "a \"b\".gguf"}}), 2);

  report.memory = {{"kv", 30}};  // the weights are gone
  const testing::PrometheusText later = testing::parse_prometheus(metrics.prometheus(report));
  EXPECT_EQ(later.value("sain_memory_bytes", {{"owner", "weights:coding"}}), 0);
  EXPECT_EQ(later.value("sain_memory_bytes", {{"owner", "kv"}}), 30);
}

TEST(ServingMetrics, EveryNameFollowsTheConventions) {
  ServingMetrics metrics = served();
  const testing::PrometheusText text = testing::parse_prometheus(metrics.prometheus(full_report()));
  for (const std::string& family : text.families) {
    EXPECT_TRUE(family.starts_with("sain_")) << family;
    EXPECT_EQ(family.ends_with("_total"), text.types.at(family) == "counter") << family;
  }
}

TEST(ResidencyReport, ShowsModelsAndTheirMemory) {
  FakeModels models;
  Residency residency(models.source(), {"/models/small", "/models/big", "/models/big"}, {.budget_bytes = 1000});
  const auto lease = residency.acquire(kWriting);
  ASSERT_TRUE(lease) << lease.error().message;
  StatusReport report;
  RegistrySnapshot members;
  members.names = kMembers;
  add_residency(report, residency, members);
  EXPECT_EQ(report.budget_bytes, 1000u);
  ASSERT_EQ(report.models.size(), 2u);
  EXPECT_EQ(report.models[0].state, "absent");
  EXPECT_EQ(report.models[1].state, "leased");
  EXPECT_THAT(report.models[1].members, ElementsAre("coding", "writing"));
  EXPECT_EQ(report.models[1].leases, 1u);
  EXPECT_EQ(report.models[1].fraction, 1);
  ASSERT_EQ(report.memory.size(), 2u);
  EXPECT_EQ(report.memory[0].owner, "weights:coding");
  EXPECT_EQ(report.memory[0].bytes, 100u);
  EXPECT_EQ(report.memory[1].owner, "kv");
  EXPECT_EQ(report.memory[1].bytes, 10u);
  EXPECT_TRUE(report.device.memory.empty()) << "there is none";
}

TEST(ResidencyReport, ShowsWhatIsOnTheDevice) {
  FakeModels models;
  models.cost = {.weights_bytes = 100, .kv_bytes = 10, .device_weights_bytes = 120};
  Residency residency(models.source(), {"/models/small", "/models/big"},
                      {.budget_bytes = 1000, .device_budget_bytes = 500});
  const auto lease = residency.acquire(kCoding);
  ASSERT_TRUE(lease) << lease.error().message;
  StatusReport report;
  RegistrySnapshot members;
  members.names = kMembers;
  add_residency(report, residency, members);
  EXPECT_EQ(report.budget_bytes, 1000u);
  EXPECT_EQ(report.device.budget_bytes, 500u);
  EXPECT_EQ(report.models[1].weights_bytes, 120u);
  EXPECT_EQ(report.models[1].kv_bytes, 10u);
  EXPECT_EQ(report.models[1].device_bytes, 130u);
  ASSERT_EQ(report.device.memory.size(), 2u);
  EXPECT_EQ(report.device.memory[0].owner, "weights:coding");
  EXPECT_EQ(report.device.memory[0].bytes, 120u);
  EXPECT_EQ(report.device.memory[1].bytes, 10u);
  EXPECT_EQ(report.memory[0].bytes, 0u);
}

}  // namespace
}  // namespace sain::router
