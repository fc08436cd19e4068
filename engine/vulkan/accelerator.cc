#include "engine/vulkan/accelerator.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "engine/cache_dir.h"
#include "engine/vulkan/forward.h"
#include "engine/vulkan/gpu.h"
#include "engine/vulkan/split.h"
#include "engine/vulkan/split_plan.h"

namespace sain::engine::vulkan {
namespace {

using Warn = std::function<void(const std::string&)>;

/// While its owner takes the likeliest token each time, or the one that is drawn here, it runs ahead: several tokens a
/// submission, and a submission while another is at work. They are there when they are asked for, and forgotten when
/// something else is.
class VulkanBackend : public Backend {
 public:
  VulkanBackend(std::shared_ptr<Gpu> gpu, std::unique_ptr<Forward> forward)
      : gpu_(std::move(gpu)), forward_(std::move(forward)) {}
  ~VulkanBackend() override {
    const std::lock_guard lock(gpu_->mutex);
    forward_.reset();
    (void)gpu_->pipelines->save();  // else the next program compiles them again
  }

  size_t max_batch() const override { return forward_->batch(); }
  size_t max_scored_batch() const override { return 1; }

  Status append(std::span<const formats::Token> tokens, const std::stop_token& stop) override {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "the pass was stopped");
    if (can_follow_ && tokens.size() == 1 && tokens[0] == next()) return follow();
    stride_ = 1;
    can_follow_ = false;
    const std::lock_guard lock(gpu_->mutex);
    forget_ahead();
    // Whoever looked at the last ones looks at these.
    SAIN_RETURN_IF_ERROR(forward_->append(tokens, std::exchange(wants_logits_, false)));
    can_follow_ = true;
    return {};
  }

  Result<MatrixView<float>> logits(size_t, size_t) override {
    const std::lock_guard lock(gpu_->mutex);
    SAIN_RETURN_IF_ERROR(go_back());
    SAIN_ASSIGN_OR_RETURN(const std::span<float> values, forward_->logits());
    wants_logits_ = true;
    return MatrixView<float>{values.data(), 1, values.size(), values.size()};
  }

  std::optional<formats::Token> likeliest() const override {
    return forward_->is_sampled() ? std::nullopt : std::optional(next());
  }
  Result<std::optional<formats::Token>> sample(Sampler& sampler) override {
    const std::optional<PlainSampling> rule = sampler.plain_sampling();
    if (!rule || !Sampling::can(*rule)) return std::nullopt;
    std::array<double, Sampling::kMostAhead> draws;
    for (size_t i = 0; i < draws.size(); ++i) draws[i] = sampler.draws().peek(i);
    if (!forward_->goes_on_sampling(*rule, length(), draws)) {
      const std::lock_guard lock(gpu_->mutex);
      SAIN_RETURN_IF_ERROR(go_back());
      SAIN_RETURN_IF_ERROR(forward_->sample(*rule, draws));
    }
    can_follow_ = true;
    (void)sampler.draws().take();
    return next();
  }
  uint64_t length() const override { return forward_->length() - n_ahead(); }
  bool truncate(uint64_t n_positions) override {
    if (n_positions >= length()) return true;
    forward_->abandon();
    if (!forward_->truncate(n_positions)) return false;
    ahead_.clear();
    n_followed_ = 0;
    can_follow_ = false;
    return true;
  }
  size_t bytes() const override { return forward_->bytes(); }

 private:
  static constexpr uint32_t kMostAhead = 8;  // of a submission
  static_assert(kMostAhead * Forward::kMostStarted < Sampling::kMostAhead);

  /// What the device has chosen to come after the newest token.
  formats::Token next() const { return n_followed_ < ahead_.size() ? ahead_[n_followed_] : forward_->likeliest(); }

  /// Appends it.
  Status follow() {
    can_follow_ = !forward_->is_sampled();  // else by numbers that sample() brings
    if (n_followed_ == ahead_.size()) SAIN_RETURN_IF_ERROR(go_ahead());
    ++n_followed_;
    return {};
  }

  /// Takes the tokens of the oldest submission, once the device has the next one.
  Status go_ahead() {
    {
      const std::lock_guard lock(gpu_->mutex);
      const size_t n_submissions = stride_ == 1 ? 1 : Forward::kMostStarted;  // nobody may want a second token
      while (forward_->n_started() == 0 || (forward_->n_started() < n_submissions && forward_->room() > 0)) {
        const auto n = static_cast<uint32_t>(std::min<uint64_t>(stride_, forward_->room()));
        SAIN_RETURN_IF_ERROR(forward_->start_likeliest(std::max(n, 1u)));
        stride_ = std::min(2 * stride_, kMostAhead);
      }
    }
    SAIN_RETURN_IF_ERROR(forward_->wait());  // others may use the device meanwhile
    const std::lock_guard lock(gpu_->mutex);
    SAIN_ASSIGN_OR_RETURN(ahead_, forward_->finish_likeliest());
    n_followed_ = 0;
    return {};
  }

  /// Tokens that the device has appended, or is about to, and nobody has asked for.
  uint64_t n_ahead() const { return ahead_.size() - n_followed_ + forward_->n_under_way(); }

  /// To the newest token that has been asked for, so that the device's logits are its own.
  Status go_back() {
    if (n_ahead() == 0) return {};
    const formats::Token newest = ahead_[n_followed_ - 1];
    --n_followed_;
    forget_ahead();
    stride_ = 1;
    return forward_->append({&newest, 1});
  }

  void forget_ahead() {
    forward_->abandon();
    const bool can_forget = forward_->truncate(length());
    SAIN_CHECK(can_forget);  // rings have room for a batch more than a window
    ahead_.clear();
    n_followed_ = 0;
  }

  std::shared_ptr<Gpu> gpu_;
  std::unique_ptr<Forward> forward_;
  std::vector<formats::Token> ahead_;  // of the last submission, of which the first n_followed_ have been asked for
  size_t n_followed_ = 0;
  bool can_follow_ = false;    // what the device would append next comes after the newest token
  uint32_t stride_ = 1;        // tokens of the next one
  bool wants_logits_ = false;  // with the next token
};

class VulkanModel : public DeviceModel {
 public:
  VulkanModel(std::shared_ptr<Gpu> gpu, DeviceWeights weights, Warn warn)
      : DeviceModel(std::move(warn)), gpu_(std::move(gpu)), weights_(std::move(weights)) {}

  Result<std::unique_ptr<Backend>> create_backend(const Model& model, const BackendOptions& options) const override {
    const std::lock_guard lock(gpu_->mutex);
    SAIN_ASSIGN_OR_RETURN(std::unique_ptr<Forward> forward,
                          Forward::create(*gpu_->device, *gpu_->pipelines, weights_, model,
                                          {.max_length = options.max_length, .rule = options.rule}));
    return std::make_unique<VulkanBackend>(gpu_, std::move(forward));
  }
  uint64_t bytes() const override { return weights_.bytes(); }
  const std::string& name() const override { return gpu_->device->info().name; }

 private:
  std::shared_ptr<Gpu> gpu_;
  DeviceWeights weights_;
};

class VulkanAccelerator : public Accelerator {
 public:
  VulkanAccelerator(std::vector<std::shared_ptr<Gpu>> gpus, AcceleratorOptions options)
      : gpus_(std::move(gpus)), options_(std::move(options)) {
    for (const auto& gpu : gpus_) {
      const std::string& name = gpu->device->info().name;
      name_ += name_.empty() ? name : " + " + name;
    }
  }

  Result<std::shared_ptr<const DeviceModel>> load(const Model& model, const UploadOptions& options) override {
    const std::vector<SplitPart> plan = plan_for(model, options.max_bytes);
    if (plan.empty()) {
      return make_error(ErrorCode::kResourceExhausted, "vulkan: {}: the weights take {} bytes, and {} can be had",
                        name_, bytes_of(model.weights()), std::min(options.max_bytes, free_bytes()));
    }
    std::vector<PlacedPart> parts;
    for (const SplitPart& part : plan) {
      UploadOptions one = options;
      if (options.on_progress) {
        one.on_progress = [&](double fraction) {
          options.on_progress((static_cast<double>(parts.size()) + fraction) / static_cast<double>(plan.size()));
        };
      }
      const std::shared_ptr<Gpu>& gpu = gpus_[part.device];
      Uploader uploader(*gpu->device, one);
      SAIN_ASSIGN_OR_RETURN(DeviceWeights weights, DeviceWeights::load(*gpu->device, uploader, model, part.part));
      // Without room the first pass does.
      (void)Forward::make_pipelines(*gpu->device, *gpu->pipelines, weights, model);
      parts.push_back({gpu, std::move(weights)});
    }
    const ModelPart& first = plan.front().part;
    if (first.is_whole()) {
      return std::make_shared<const VulkanModel>(std::move(parts[0].gpu), std::move(parts[0].weights), options_.warn);
    }
    if (!first.takes_tokens) tell_of_part(model, first.begin);
    return make_split_model(std::move(parts), options_.warn);
  }
  uint64_t bytes_of(const Weights& weights) const override {
    return part_bytes(weights, {0, static_cast<uint32_t>(weights.layers.size()), true, true});
  }
  const std::string& name() const override { return name_; }
  uint64_t used_bytes() const override {
    return sum([](const Device& device) { return device.allocated_bytes(); });
  }
  uint64_t available_bytes() const override {
    return sum([](const Device& device) { return device.info().budget_bytes; });
  }

 private:
  /// As many layers as the devices have room for now, with a conversation beside them, and their weights in
  /// `max_bytes`.
  std::vector<SplitPart> plan_for(const Model& model, uint64_t max_bytes) const {
    constexpr uint32_t kUsualContext = 4096;
    const SplitNeeds needs = split_needs(model, std::min(model.config().context_length, kUsualContext));
    std::vector<uint64_t> free_bytes;
    for (const auto& gpu : gpus_) free_bytes.push_back(gpu->device->free_bytes());
    for (uint32_t most_layers = std::min(options_.most_layers, model.config().n_layers);; --most_layers) {
      std::vector<SplitPart> plan = plan_split(needs, free_bytes, most_layers);
      uint64_t bytes = 0;
      for (const SplitPart& part : plan) bytes += part_bytes(model.weights(), part.part);
      if (bytes <= max_bytes) return plan;
    }
  }
  /// Once of each model: a router loads it again and again.
  void tell_of_part(const Model& model, uint32_t n_others) {
    const std::filesystem::path& file = model.file().path();
    const std::lock_guard lock(told_mutex_);
    if (!options_.warn || !told_.insert(file).second) return;
    const uint32_t n_layers = model.config().n_layers;
    options_.warn(fmt::format("{}: {} computes {} of the {} layers, the CPU the others", file.filename().string(),
                              name_, n_layers - n_others, n_layers));
  }

  uint64_t free_bytes() const {
    return sum([](const Device& device) { return device.free_bytes(); });
  }

  template <class F>
  uint64_t sum(F&& bytes_of) const {
    uint64_t bytes = 0;
    for (const auto& gpu : gpus_) bytes += bytes_of(*gpu->device);
    return bytes;
  }

  std::vector<std::shared_ptr<Gpu>> gpus_;
  AcceleratorOptions options_;
  std::string name_;
  std::mutex told_mutex_;
  std::set<std::filesystem::path> told_;
};

}  // namespace

Result<std::shared_ptr<Accelerator>> open_accelerator(std::span<const size_t> devices, AcceleratorOptions options,
                                                      Limits limits, uint64_t memory_bytes) {
  std::vector<std::shared_ptr<Gpu>> gpus;
  for (const size_t index : devices) {
    auto gpu = std::make_shared<Gpu>();
    SAIN_ASSIGN_OR_RETURN(gpu->instance, Instance::create());
    SAIN_ASSIGN_OR_RETURN(gpu->device, Device::open(*gpu->instance, index, limits));
    gpu->device->limit_memory(memory_bytes);
    SAIN_ASSIGN_OR_RETURN(gpu->pipelines, Pipelines::create(*gpu->device, cache_dir() / "vulkan"));
    gpus.push_back(std::move(gpu));
  }
  return std::make_shared<VulkanAccelerator>(std::move(gpus), std::move(options));
}

}  // namespace sain::engine::vulkan
