#include "tools/bench/benchmark.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <span>

namespace sain::tools {
namespace {

using engine::Session;
using engine::Token;

/// Runs the parts of a case in one session, over the same random tokens.
class Runner {
 public:
  Runner(Session& session, const BenchCase& test, const BenchOptions& options)
      : session_(session), test_(test), options_(options), tokens_(test.context_length()) {
    std::mt19937 random(1);
    for (Token& token : tokens_) token = static_cast<Token>(random() % session.model().config().vocab_size);
  }

  /// Pages in the weights, wakes the threads and fills the caches.
  Status warm_up() {
    session_.reset();
    const size_t n = std::min<size_t>(tokens_.size(), kWarmUpTokens);
    for (size_t i = 0; i + 1 < n; ++i) {
      // All but one at once, then one alone: both paths.
      SAIN_RETURN_IF_ERROR(append(i == 0 ? n - 1 : 1));
      if (i == 1) break;
    }
    session_.reset();
    return {};
  }

  Result<double> prefill_seconds() {
    session_.reset();
    return timed([&] { return append(test_.n_prompt); });
  }

  Result<double> decode_seconds() {
    return timed([&]() -> Status {
      for (uint32_t i = 0; i < test_.n_decode; ++i) SAIN_RETURN_IF_ERROR(append(test_.n_batch));
      return {};
    });
  }

  /// Leaves `depth` tokens in the context, computing them where it has fewer.
  Status go_to_depth() {
    if (!at_depth_) session_.reset();
    session_.truncate(test_.depth);
    at_depth_ = true;
    return session_.n_tokens() < test_.depth ? append(test_.depth) : Status();
  }

  void show(unsigned n_done, unsigned n_all) const {
    if (options_.on_progress) options_.on_progress(static_cast<double>(n_done) / n_all);
  }

 private:
  static constexpr size_t kWarmUpTokens = 33;

  Status append(size_t n) {
    if (options_.stop.stop_requested()) return make_error(ErrorCode::kCancelled, "the bench was cancelled");
    const std::span<const Token> next = std::span(tokens_).subspan(session_.n_tokens(), n);
    SAIN_ASSIGN_OR_RETURN(const Token likeliest, session_.likeliest(next, options_.stop));
    // One after the other they are generated, as an answer is: a device may then be ahead.
    if (n == 1 && session_.n_tokens() < tokens_.size()) tokens_[session_.n_tokens()] = likeliest;
    return {};
  }

  template <class F>
  Result<double> timed(F&& work) {
    const auto start = std::chrono::steady_clock::now();
    SAIN_RETURN_IF_ERROR(work());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  Session& session_;
  const BenchCase& test_;
  const BenchOptions& options_;
  std::vector<Token> tokens_;
  bool at_depth_ = false;
};

}  // namespace

uint32_t BenchCase::context_length() const {
  return std::max(n_prompt, depth) + n_decode * n_batch;
}

Spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

Result<BenchSpeed> measure_speed(Session& session, const BenchCase& test, const BenchOptions& options) {
  Runner runner(session, test, options);
  SAIN_RETURN_IF_ERROR(runner.warm_up());
  const double n_prompt = test.n_prompt, n_decode = static_cast<double>(test.n_decode) * test.n_batch;
  std::vector<double> prefill, decode, mixed;
  const unsigned n_steps = 2 * options.n_reps;
  for (unsigned rep = 0; rep < options.n_reps && test.n_prompt > 0; ++rep) {
    runner.show(rep, n_steps);
    SAIN_ASSIGN_OR_RETURN(const double prefill_s, runner.prefill_seconds());
    prefill.push_back(n_prompt / prefill_s);
    if (test.n_decode == 0) continue;
    SAIN_ASSIGN_OR_RETURN(const double decode_s, runner.decode_seconds());
    mixed.push_back((n_prompt + n_decode) / (prefill_s + decode_s));
  }
  for (unsigned rep = 0; rep < options.n_reps && test.n_decode > 0; ++rep) {
    runner.show(options.n_reps + rep, n_steps);
    SAIN_RETURN_IF_ERROR(runner.go_to_depth());
    SAIN_ASSIGN_OR_RETURN(const double decode_s, runner.decode_seconds());
    decode.push_back(n_decode / decode_s);
  }
  const auto spread = [](std::vector<double>& values) { return values.empty() ? Spread() : spread_of(values); };
  return BenchSpeed{spread(prefill), spread(decode), spread(mixed)};
}

TokenCost token_cost(const formats::GgufFile& file) {
  TokenCost cost;
  const formats::TensorInfo* embedding = file.find_tensor("token_embd.weight");
  const formats::TensorInfo* output = file.find_tensor("output.weight");
  for (const formats::TensorInfo& tensor : file.tensors()) {
    if (!tensor.name.starts_with("blk.")) continue;
    cost.weight_bytes += tensor.bytes;
    if (tensor.n_rows() > 1) cost.layer_macs += tensor.n_elements();
  }
  if (output == nullptr) output = embedding;
  if (output != nullptr) {
    cost.weight_bytes += output->bytes;
    cost.output_macs = output->n_elements();
  }
  return cost;
}

}  // namespace sain::tools
