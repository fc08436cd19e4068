#include "engine/vulkan/split.h"

#include <algorithm>
#include <optional>
#include <ranges>
#include <utility>

#include "engine/cpu/first_layers.h"
#include "engine/vulkan/forward.h"

namespace sain::engine::vulkan {
namespace {

/// A part's share of a conversation.
struct Stage {
  std::shared_ptr<Gpu> gpu;
  std::unique_ptr<Forward> forward;
  MatrixView<const float> states = {};  // of its last batch, for the next one
};

/// The stages work at the same time, each at another batch of what is appended (GPipe, arXiv 1811.06965): a batch's
/// states go from one to the next through the host, which costs little beside what they take.
class SplitBackend : public Backend {
 public:
  SplitBackend(const Model& model, std::unique_ptr<cpu::FirstLayers> first, std::vector<Stage> stages, bool has_windows)
      : first_(std::move(first)), stages_(std::move(stages)), d_model_(model.config().d_model) {
    batch_ = first_ ? first_->max_batch() : SIZE_MAX;
    for (const Stage& stage : stages_) batch_ = std::min<size_t>(batch_, stage.forward->batch());
    // Rings have room for a batch more than a window, so that this one can be taken back.
    n_batches_ = has_windows ? 1 : kMostBatches;
    if (first_) states_.resize(batch_ * d_model_);
  }
  ~SplitBackend() override {
    for (Stage& stage : stages_) {
      const std::lock_guard lock(stage.gpu->mutex);
      stage.forward.reset();
      (void)stage.gpu->pipelines->save();  // else the next program compiles them again
    }
  }

  size_t max_batch() const override { return batch_ * n_batches_; }
  size_t max_scored_batch() const override { return 1; }

  Status append(std::span<const formats::Token> tokens, const std::stop_token& stop) override {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "the pass was stopped");
    const uint64_t before = length_;
    const Status done = pass(tokens, stop);
    if (done) {
      length_ += tokens.size();
      return {};
    }
    if (first_) first_->truncate(before);
    for (Stage& stage : stages_) stage.forward->truncate(before);
    return done;
  }

  Result<MatrixView<float>> logits(size_t, size_t) override {
    const std::lock_guard lock(last().gpu->mutex);
    SAIN_ASSIGN_OR_RETURN(const std::span<float> values, last().forward->logits());
    wants_logits_ = true;
    return MatrixView<float>{values.data(), 1, values.size()};
  }

  std::optional<formats::Token> likeliest() const override { return stages_.back().forward->likeliest(); }
  uint64_t length() const override { return length_; }

  bool truncate(uint64_t n_positions) override {
    if (n_positions >= length_) return true;
    const auto can = [&](const Stage& stage) { return stage.forward->can_truncate(n_positions); };
    if (!std::ranges::all_of(stages_, can) || (first_ && !first_->truncate(n_positions))) return false;
    for (Stage& stage : stages_) stage.forward->truncate(n_positions);
    length_ = n_positions;
    return true;
  }

  size_t bytes() const override {
    uint64_t bytes = first_ ? first_->bytes() : 0;
    for (const Stage& stage : stages_) bytes += stage.forward->bytes();
    return bytes;
  }

 private:
  static constexpr size_t kMostBatches = 4;

  Stage& last() { return stages_.back(); }

  /// At step t stage s is at batch t - s; the CPU's part is a stage too.
  Status pass(std::span<const formats::Token> tokens, const std::stop_token& stop) {
    const auto n_batches = static_cast<ptrdiff_t>((tokens.size() + batch_ - 1) / batch_);
    const auto batch = [&](ptrdiff_t i) {
      return tokens.subspan(static_cast<size_t>(i) * batch_)
          .first(std::min(batch_, tokens.size() - static_cast<size_t>(i) * batch_));
    };
    const ptrdiff_t n_before = first_ ? 1 : 0, n_steps = n_batches + std::ssize(stages_) - 1 + n_before;
    const bool brings_logits = std::exchange(wants_logits_, false);
    Status status;
    for (ptrdiff_t step = 0; step < n_steps && status; ++step) {
      std::vector<size_t> started;
      // The last one first: it takes what the one before it is about to overwrite.
      for (ptrdiff_t s = std::ssize(stages_) - 1; s >= 0 && status; --s) {
        const ptrdiff_t i = step - s - n_before;
        if (i < 0 || i >= n_batches) continue;
        const auto stage = static_cast<size_t>(s);
        status = start(stage, batch(i), brings_logits && i + 1 == n_batches);
        if (status) started.push_back(stage);
      }
      if (status && first_ && step < n_batches &&
          !first_->append(batch(step), {states_.data(), batch(step).size(), d_model_}, stop)) {
        status = make_error(ErrorCode::kCancelled, "the pass was stopped");
      }
      for (const size_t stage : started) {
        const std::lock_guard lock(stages_[stage].gpu->mutex);
        auto states = stages_[stage].forward->finish_batch();
        if (!states && status) status = states.error();
        if (states) stages_[stage].states = *states;
      }
    }
    return status;
  }

  Status start(size_t s, std::span<const formats::Token> tokens, bool brings_logits) {
    Stage& stage = stages_[s];
    MatrixView<const float> states(states_.data(), tokens.size(), d_model_);
    if (s > 0) states = stages_[s - 1].states;
    const std::lock_guard lock(stage.gpu->mutex);
    return stage.forward->start_batch(tokens, states, brings_logits && s + 1 == stages_.size());
  }

  std::unique_ptr<cpu::FirstLayers> first_;  // may be empty
  std::vector<Stage> stages_;
  size_t d_model_, batch_, n_batches_;
  std::vector<float> states_;  // (batch_, d_model_): what first_ hands over
  uint64_t length_ = 0;
  bool wants_logits_ = false;  // with the next token
};

class SplitModel : public DeviceModel {
 public:
  SplitModel(std::vector<PlacedPart> parts, std::function<void(const std::string&)> warn)
      : DeviceModel(std::move(warn)), parts_(std::move(parts)) {
    for (const PlacedPart& part : parts_) {
      const std::string& name = part.gpu->device->info().name;
      name_ += name_.empty() ? name : " + " + name;
    }
  }

  Result<std::unique_ptr<Backend>> create_backend(const Model& model, const BackendOptions& options) const override {
    const bool is_stream = options.rule.window != 0;
    const ModelPart& begin = parts_.front().weights.part;
    std::unique_ptr<cpu::FirstLayers> first;
    if (!begin.takes_tokens) {
      SAIN_ASSIGN_OR_RETURN(
          first, cpu::FirstLayers::create(model, *options.pool,
                                          {.n_layers = begin.begin,
                                           .tuning = options.tuning,
                                           .max_length = is_stream ? KvCacheOptions::kEndless : options.max_length,
                                           .rule = options.rule}));
    }
    std::vector<Stage> stages;
    for (const PlacedPart& part : parts_) {
      Gpu& gpu = *part.gpu;
      const std::lock_guard lock(gpu.mutex);
      SAIN_ASSIGN_OR_RETURN(auto forward, Forward::create(*gpu.device, *gpu.pipelines, part.weights, model,
                                                          {.max_length = options.max_length, .rule = options.rule}));
      stages.push_back({.gpu = part.gpu, .forward = std::move(forward)});
    }
    return std::make_unique<SplitBackend>(model, std::move(first), std::move(stages),
                                          is_stream || model.config().sliding_window != 0);
  }

  uint64_t bytes() const override {
    uint64_t bytes = 0;
    for (const PlacedPart& part : parts_) bytes += part.weights.bytes();
    return bytes;
  }
  const std::string& name() const override { return name_; }

 private:
  std::vector<PlacedPart> parts_;
  std::string name_;
};

}  // namespace

std::shared_ptr<const DeviceModel> make_split_model(std::vector<PlacedPart> parts,
                                                    std::function<void(const std::string&)> warn) {
  return std::make_shared<SplitModel>(std::move(parts), std::move(warn));
}

}  // namespace sain::engine::vulkan
