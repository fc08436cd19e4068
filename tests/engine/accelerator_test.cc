#include "engine/accelerator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/session.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::some_tokens;
using testing::TinyModel;

/// What it is told to: the CPU's work until `appends_left`, or `draws_left`, is used up, then errors.
struct Behaviour {
  bool loads = true;
  bool has_room = true;
  int appends_left = 0;
  int draws_left = 0;
};

class FakeBackend : public Backend {
 public:
  FakeBackend(const Model& model, const BackendOptions& options, Behaviour& behaviour)
      : behaviour_(behaviour),
        session_(*Session::create(model, pool_,
                                  {.context_length = options.max_length,
                                   .policy = options.rule.window != 0 ? ContextPolicy::kStream : ContextPolicy::kStop,
                                   .n_sinks = options.rule.n_sinks})) {}
  size_t max_batch() const override { return 8; }
  size_t max_scored_batch() const override { return 1; }
  Status append(std::span<const Token> tokens, const std::stop_token&) override {
    if (behaviour_.appends_left-- <= 0) return make_error(ErrorCode::kIo, "the device is lost");
    auto logits = session_.prefill(tokens);
    logits_.assign(logits->begin(), logits->end());
    return {};
  }
  Result<MatrixView<float>> logits(size_t, size_t) override {
    return MatrixView<float>{logits_.data(), 1, logits_.size(), logits_.size()};
  }
  Result<std::optional<Token>> sample(Sampler& sampler) override {
    if (behaviour_.draws_left-- <= 0) return make_error(ErrorCode::kIo, "the device is lost");
    std::vector<float> scratch = logits_;
    return sampler.sample(scratch, {});
  }
  uint64_t length() const override { return session_.n_tokens(); }
  bool truncate(uint64_t n) override { return session_.truncate(n), true; }
  size_t bytes() const override { return 0; }

 private:
  Behaviour& behaviour_;
  ThreadPool pool_{1};
  Session session_;
  std::vector<float> logits_;
};

class FakeModel : public DeviceModel {
 public:
  FakeModel(const Model& twin, Behaviour& behaviour, std::vector<std::string>& warnings)
      : DeviceModel([&warnings](const std::string& line) { warnings.push_back(line); }),
        twin_(twin),
        behaviour_(behaviour) {}
  Result<std::unique_ptr<Backend>> create_backend(const Model&, const BackendOptions& options) const override {
    if (!behaviour_.has_room) return make_error(ErrorCode::kResourceExhausted, "the device is full");
    return std::make_unique<FakeBackend>(twin_, options, behaviour_);
  }
  uint64_t bytes() const override { return 0; }
  const std::string& name() const override { return name_; }

 private:
  const Model& twin_;
  Behaviour& behaviour_;
  std::string name_ = "fake";
};

class FakeAccelerator : public Accelerator {
 public:
  FakeAccelerator(const Model& twin, Behaviour& behaviour) : twin_(twin), behaviour_(behaviour) {}
  Result<std::shared_ptr<const DeviceModel>> load(const Model&, const UploadOptions&) override {
    if (!behaviour_.loads) return make_error(ErrorCode::kResourceExhausted, "the device is small");
    return std::make_shared<const FakeModel>(twin_, behaviour_, warnings);
  }
  uint64_t bytes_of(const Weights&) const override { return 0; }
  const std::string& name() const override { return name_; }
  uint64_t used_bytes() const override { return 0; }
  uint64_t available_bytes() const override { return 0; }

  std::vector<std::string> warnings;

 private:
  const Model& twin_;
  Behaviour& behaviour_;
  std::string name_ = "fake";
};

struct NullSink : TokenSink {
  void on_text(std::string_view) override {}
};

class AcceleratorTest : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder;
  const std::filesystem::path path = TinyModel().write(folder / "tiny.gguf");
  const Model cpu = *Model::load({.path = path, .packing = Packing::kMemory});
  Behaviour behaviour;
  std::shared_ptr<FakeAccelerator> accelerator = std::make_shared<FakeAccelerator>(cpu, behaviour);
  ThreadPool pool{1};

  Model load() { return *Model::load({.path = path, .packing = Packing::kMemory, .accelerator = accelerator}); }
  std::vector<Token> answer(const Model& model, const SessionOptions& options = {.context_length = 64},
                            const SamplerOptions& sampler = {}) {
    Session session = *Session::create(model, pool, options);
    NullSink sink;
    std::vector<Token> tokens;
    for (int turn = 0; turn < 2; ++turn) {
      const auto generation =
          session.generate(some_tokens(10), {.max_tokens = 8, .ignore_end = true, .sampler = sampler}, {}, sink);
      EXPECT_TRUE(generation) << generation.error().message;
      if (generation) tokens.insert(tokens.end(), generation->tokens.begin(), generation->tokens.end());
    }
    EXPECT_EQ(session.n_tokens(), 36u);
    return tokens;
  }
};

TEST_F(AcceleratorTest, ALostDeviceIsOneWarningAndTheAnswerIsTheSame) {
  const std::vector<Token> expected = answer(cpu);
  // It fails in the first batch, in the second, in decode, in the next prompt, at last.
  for (const int n_appends : {0, 1, 4, 9, 10, 12, 17}) {
    behaviour.appends_left = n_appends;
    accelerator->warnings.clear();
    const Model model = load();
    EXPECT_EQ(answer(model), expected) << n_appends;
    EXPECT_THAT(accelerator->warnings, ElementsAre("fake: the device is lost; the CPU goes on")) << n_appends;
    EXPECT_EQ(answer(model), expected);  // others do not try it again
    EXPECT_EQ(accelerator->warnings.size(), 1u);
  }
}

TEST_F(AcceleratorTest, ALostDeviceTakesNoDrawWithIt) {
  const SamplerOptions sampled = {.top_k = 20, .temperature = 1, .seed = 3};
  const std::vector<Token> expected = answer(cpu, {.context_length = 64}, sampled);
  for (const int n_draws : {0, 1, 5, 8, 13}) {
    behaviour.appends_left = 1000;
    behaviour.draws_left = n_draws;
    accelerator->warnings.clear();
    EXPECT_EQ(answer(load(), {.context_length = 64}, sampled), expected) << n_draws;
    EXPECT_THAT(accelerator->warnings, ElementsAre("fake: the device is lost; the CPU goes on")) << n_draws;
  }
  for (const int n_appends : {1, 4, 12}) {
    behaviour.appends_left = n_appends;
    behaviour.draws_left = 1000;
    EXPECT_EQ(answer(load(), {.context_length = 64}, sampled), expected) << n_appends;
  }
}

TEST_F(AcceleratorTest, AStreamGoesOnWithWhatItKeeps) {
  const SessionOptions stream = {.context_length = 16, .policy = ContextPolicy::kStream};
  behaviour.appends_left = 12;
  EXPECT_EQ(answer(load(), stream).size(), 16u);
  EXPECT_EQ(accelerator->warnings.size(), 1u);
}

TEST_F(AcceleratorTest, WhereThereIsNoRoomTheProcessorDoesIt) {
  const std::vector<Token> expected = answer(cpu);
  {
    behaviour.has_room = false;
    const Model model = load();
    EXPECT_EQ(answer(model), expected);
    EXPECT_EQ(answer(model), expected);
    EXPECT_THAT(accelerator->warnings, ElementsAre("fake: the device is full; the CPU takes who does not fit"));
    behaviour.has_room = true;
    EXPECT_EQ(answer(model), expected);
    EXPECT_EQ(accelerator->warnings.size(), 2u) << "the device is asked again, and lost";
  }
  behaviour.loads = false;
  const Model model = load();
  EXPECT_EQ(model.device(), nullptr);
  EXPECT_THAT(model.warnings().back(), HasSubstr("fake: the device is small; the CPU does it"));
  EXPECT_EQ(answer(model), expected);
}

TEST_F(AcceleratorTest, WhatItCannotDoIsRefused) {
  const Model model = load();
  for (const SessionOptions& options : {SessionOptions{.precision = Precision::kExact},
                                        {.precision = Precision::kExact, .kv_type = KvType::kF16},
                                        {.kv_type = KvType::kQ8_0}}) {
    const auto session = Session::create(model, pool, options);
    ASSERT_FALSE(session);
    EXPECT_EQ(session.error().message, "fake: expected an f16 KV cache and fast precision");
  }
}

TEST_F(AcceleratorTest, NamesAreChecked) {
  for (const char* name : {"", "cuda", "vulkan:", "vulkan:x", "vulkan:1x", "vulkan:-1", "vulkan:1,", "vulkan:,1",
                           "vulkan:0:1", "vulkan0"}) {
    const auto opened = Accelerator::open(name);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument) << name;
    EXPECT_THAT(opened.error().message, HasSubstr(name));
  }
}

}  // namespace
}  // namespace sain::engine
