// Tests of models on Vulkan devices beside the same ones on the CPU.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/session.h"
#include "engine/vulkan/accelerator.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/support/vulkan_fixture.h"

namespace sain::testing {

struct NullSink : engine::TokenSink {
  void on_text(std::string_view) override {}
};

/// Sessions on devices beside sessions on the CPU.
class AcceleratorTest : public VulkanTest {
 protected:
  void SetUp() override {
    VulkanTest::SetUp();
    if (IsSkipped()) return;
    setenv("SAIN_CACHE", folder_.path().c_str(), 1);
    open({0});
    load(TinyModel("llama"));
  }
  /// Of each at most `memory_bytes`.
  void open(const std::vector<size_t>& devices, engine::AcceleratorOptions options = {},
            uint64_t memory_bytes = UINT64_MAX) {
    options.warn = [this](const std::string& line) { warnings_.push_back(line); };
    auto opened = vulkan::open_accelerator(devices, options, GetParam(), memory_bytes);
    ASSERT_TRUE(opened) << opened.error().message;
    gpu_.reset();
    accelerator_ = *std::move(opened);
  }
  void load(const TinyModel& tiny) {
    const auto path = tiny.write(folder_ / "tiny.gguf");
    gpu_.emplace(
        *engine::Model::load({.path = path, .packing = engine::Packing::kMemory, .accelerator = accelerator_}));
    cpu_.emplace(*engine::Model::load({.path = path, .packing = engine::Packing::kMemory}));
    ASSERT_NE(gpu_->device(), nullptr) << gpu_->warnings().back();
  }
  void TearDown() override {
    gpu_.reset();
    if (accelerator_ != nullptr) {
      EXPECT_EQ(accelerator_->used_bytes(), 0u);
    }
    accelerator_.reset();
    unsetenv("SAIN_CACHE");
    VulkanTest::TearDown();
  }
  engine::Session session(const engine::Model& model, const engine::SessionOptions& options = {}) {
    auto created = engine::Session::create(model, pool_, options);
    EXPECT_TRUE(created) << created.error().message;
    return *std::move(created);
  }
  std::vector<formats::Token> generate(engine::Session& session, const std::vector<formats::Token>& prompt,
                                       engine::GenerateOptions options = {}) {
    options.ignore_end = true;
    NullSink sink;
    const auto generation = session.generate(prompt, options, {}, sink);
    EXPECT_TRUE(generation) << generation.error().message;
    return generation ? generation->tokens : std::vector<formats::Token>();
  }

  TemporaryFolder folder_;
  std::vector<std::string> warnings_;
  std::shared_ptr<engine::Accelerator> accelerator_;
  std::optional<engine::Model> gpu_, cpu_;
  engine::ThreadPool pool_{1};
};

}  // namespace sain::testing
