// What a Vulkan device makes of a model: loading, prefill and decode, and where a pass spends its time.
//
//   bench_vulkan MODEL [--device I] [--cache FOLDER] [-p TOKENS] [-n TOKENS] [--depth TOKENS]
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/vulkan/forward.h"

namespace sain::engine::vulkan {
namespace {

struct Options {
  std::filesystem::path model, cache;
  uint32_t device = 0, n_prefill = 512, n_decode = 128, depth = 0;
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Status parse(std::span<char*> args, Options& options) {
  const std::map<std::string_view, uint32_t*> numbers = {{"--device", &options.device},
                                                         {"-p", &options.n_prefill},
                                                         {"-n", &options.n_decode},
                                                         {"--depth", &options.depth}};
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string_view name = args[i];
    const auto number = numbers.find(name);
    if (number == numbers.end() && name != "--cache") {
      options.model = name;
      continue;
    }
    if (++i == args.size()) return make_error(ErrorCode::kInvalidArgument, "{} needs a value", name);
    const std::string_view value = args[i];
    if (number == numbers.end()) {
      options.cache = value;
    } else if (std::from_chars(value.data(), value.data() + value.size(), *number->second).ec != std::errc()) {
      return make_error(ErrorCode::kInvalidArgument, "{}: {} is no number", name, value);
    }
  }
  if (!options.model.empty()) return {};
  return make_error(ErrorCode::kInvalidArgument,
                    "usage: bench_vulkan MODEL [--device I] [--cache FOLDER] [-p TOKENS] [-n TOKENS] [--depth TOKENS]");
}

void print_times(std::string_view title, const std::vector<TimedDispatch>& times) {
  struct Sum {
    double us = 0;
    int n = 0;
  };
  std::map<std::string, Sum> sums;
  double total = 0;
  for (const TimedDispatch& t : times) {
    sums[t.name].us += t.us;
    ++sums[t.name].n;
    total += t.us;
  }
  std::vector<std::pair<std::string, Sum>> sorted(sums.begin(), sums.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) { return a.second.us > b.second.us; });
  fmt::print("{}: {} dispatches, {:.0f} us\n", title, times.size(), total);
  for (const auto& [name, sum] : sorted) {
    fmt::print("  {:9.1f} us {:5.1f} %  {:4} x {:7.2f} us  {}\n", sum.us, 100 * sum.us / total, sum.n, sum.us / sum.n,
               name);
  }
}

Status run(const Options& options) {
  const double begin = seconds();
  SAIN_ASSIGN_OR_RETURN(const Model model, Model::load({.path = options.model}));
  const double loaded = seconds();
  SAIN_ASSIGN_OR_RETURN(const auto instance, Instance::create());
  SAIN_ASSIGN_OR_RETURN(const auto device, Device::open(*instance, options.device));
  SAIN_ASSIGN_OR_RETURN(const auto pipelines, Pipelines::create(*device, options.cache));
  const double opened = seconds();
  Uploader uploader(*device);
  SAIN_ASSIGN_OR_RETURN(const auto weights,
                        DeviceWeights::load(*device, uploader, model, ModelPart::whole(model.config())));
  const double placed = seconds();
  const uint32_t length = options.depth + options.n_prefill + 10 * options.n_decode + 64;
  SAIN_RETURN_IF_ERROR(Forward::make_pipelines(*device, *pipelines, weights, model));
  SAIN_ASSIGN_OR_RETURN(const auto forward,
                        Forward::create(*device, *pipelines, weights, model, {.max_length = std::max(length, 4096u)}));
  fmt::print("{}, {} {}\n", device->info().name, options.model.filename().string(),
             fmt::format("{:.2f} GB", static_cast<double>(weights.bytes()) / 1e9));
  fmt::print("load: file {:.3f} s, device {:.3f} s, weights {:.3f} s, pipelines {:.3f} s\n", loaded - begin,
             opened - loaded, placed - opened, seconds() - placed);

  const auto tokens_of = [&](uint32_t n) {
    std::vector<formats::Token> tokens(n);
    for (uint32_t i = 0; i < n; ++i) tokens[i] = static_cast<formats::Token>(5 + i * 7 % 1000);
    return tokens;
  };
  for (int r = 0; r < 4; ++r) {
    forward->reset();
    const double start = seconds();
    SAIN_RETURN_IF_ERROR(forward->append(tokens_of(options.n_prefill)));
    const double took = seconds() - start;
    fmt::print("prefill {}: {:.1f} ms, {:.0f} tokens/s{}\n", options.n_prefill, took * 1e3, options.n_prefill / took,
               r == 0 ? " (the first)" : "");
  }
  SAIN_RETURN_IF_ERROR(pipelines->save());
  if (options.depth > 0) {
    SAIN_RETURN_IF_ERROR(forward->append(tokens_of(options.depth)));
  }
  const auto decode = [&](std::string_view how) -> Status {
    for (int r = 0; r < 3; ++r) {
      const double start = seconds();
      for (uint32_t n = 0; n < options.n_decode; n += 64) {
        SAIN_ASSIGN_OR_RETURN(const auto tokens, forward->append_likeliest(std::min(64u, options.n_decode - n)));
      }
      const double rate = options.n_decode / (seconds() - start);
      fmt::print("decode {}{}: {:.1f} tokens/s, {:.0f} GB/s of weights\n", options.n_decode, how, rate,
                 rate * static_cast<double>(weights.bytes()) / 1e9);
    }
    return {};
  };
  SAIN_RETURN_IF_ERROR(decode(""));
  const std::vector<double> draws(Sampling::kMostAhead, 0.5);  // those of later tokens do not matter here
  for (const uint32_t top_k : {40u, 0u}) {
    SAIN_RETURN_IF_ERROR(forward->sample({.top_k = top_k, .temperature = 0.8f}, draws));
    SAIN_RETURN_IF_ERROR(decode(top_k > 0 ? ", top_k 40" : ", drawn from all"));
  }
  if (device->capabilities().timestamps) {
    for (uint32_t n : {1u, std::min(forward->batch(), options.n_prefill)}) {
      SAIN_ASSIGN_OR_RETURN(const auto times, forward->time_pass(n));
      print_times(fmt::format("a pass of {} tokens", n), times);
    }
  }
  return {};
}

}  // namespace
}  // namespace sain::engine::vulkan

int main(int argc, char** argv) {
  sain::engine::vulkan::Options options;
  sain::Status status = sain::engine::vulkan::parse(std::span(argv, static_cast<size_t>(argc)).subspan(1), options);
  if (status) status = sain::engine::vulkan::run(options);
  if (status) return 0;
  fmt::print(stderr, "bench_vulkan: {}\n", status.error().message);
  return 1;
}
