// Tests on a Vulkan device: the first one there is, or $SAIN_TEST_VULKAN, as it is or made weak. The validation layer
// watches where it is installed, and whatever it says fails the test.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/vulkan/command_list.h"
#include "engine/vulkan/device.h"
#include "engine/vulkan/matrix.h"
#include "engine/vulkan/operators.h"
#include "engine/vulkan/uploader.h"

namespace sain::testing {

namespace vulkan = engine::vulkan;

class VulkanTest : public ::testing::TestWithParam<vulkan::Limits> {
 protected:
  void SetUp() override {
    // A driver that is loaded anew for each test is out of static thread storage after some thirty of them. Never
    // freed: what a driver leaks must not seem to come from nowhere.
    static const auto* const keeps_the_driver_loaded = new auto(vulkan::Instance::create());
    (void)keeps_the_driver_loaded;
    auto instance = vulkan::Instance::create(vulkan::Validation::kOn, [this](std::string_view message) {
      const std::lock_guard lock(mutex_);
      messages_.emplace_back(message);
    });
    has_validation_ = static_cast<bool>(instance);
    if (!instance) instance = vulkan::Instance::create();
    if (!instance) GTEST_SKIP() << instance.error().message;
    instance_ = *std::move(instance);
    const char* wanted = std::getenv("SAIN_TEST_VULKAN");
    const size_t index = wanted != nullptr ? std::stoul(wanted) : 0;
    if (instance_->devices()->empty()) GTEST_SKIP() << "no Vulkan device";
    device_ = *vulkan::Device::open(*instance_, index, GetParam());
    pipelines_ = *vulkan::Pipelines::create(*device_);
    uploader_.emplace(*device_);
    operators_.emplace(*device_, *pipelines_);
  }

  void TearDown() override {
    arenas_.clear();
    uploader_.reset();
    pipelines_.reset();
    if (device_) {
      EXPECT_EQ(device_->allocated_bytes(), 0u);
    }
    device_.reset();
    instance_.reset();
    for (const std::string& message : take_messages()) ADD_FAILURE() << "validation: " << message;
  }

  /// What the validation layer has said since.
  std::vector<std::string> take_messages() {
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

  vulkan::Slice space(uint64_t bytes) {
    vulkan::Arena& arena = arenas_.emplace_back(*device_, vulkan::MemoryKind::kWeights, bytes);
    return *arena.allocate(bytes);
  }

  template <class T>
  vulkan::Slice put(const std::vector<T>& values) {
    const vulkan::Slice slice = space(values.size() * sizeof(T));
    write(slice, std::as_bytes(std::span(values)));
    return slice;
  }
  void write(const vulkan::Slice& slice, std::span<const std::byte> bytes) {
    EXPECT_TRUE(uploader_->write(slice, bytes));
    EXPECT_TRUE(uploader_->finish());
  }

  template <class T>
  std::vector<T> get(const vulkan::Slice& slice) {
    vulkan::Arena arena(*device_, vulkan::MemoryKind::kReadback, slice.bytes);
    const vulkan::Slice readback = *arena.allocate(slice.bytes);
    run([&](vulkan::CommandList& list) {
      list.copy(slice, readback);
      return Status();
    });
    std::vector<T> values(slice.bytes / sizeof(T));
    std::memcpy(values.data(), readback.mapped, values.size() * sizeof(T));
    return values;
  }

  /// Runs what `record` records.
  template <class Record>
  void run(Record&& record) {
    vulkan::CommandList list = *vulkan::CommandList::create(*device_, *pipelines_);
    const Status recorded = record(list);
    ASSERT_TRUE(recorded) << recorded.error().message;
    const Status finished = list.finish();
    ASSERT_TRUE(finished) << finished.error().message;
    ASSERT_TRUE(uploader_->finish());
    const Status ran = list.run();
    ASSERT_TRUE(ran) << ran.error().message;
  }

  bool has_validation_ = false;
  std::unique_ptr<vulkan::Instance> instance_;
  std::unique_ptr<vulkan::Device> device_;
  std::unique_ptr<vulkan::Pipelines> pipelines_;
  std::optional<vulkan::Uploader> uploader_;
  std::optional<vulkan::Operators> operators_;
  std::vector<vulkan::Arena> arenas_;
  engine::ThreadPool pool_{2};

 private:
  std::mutex mutex_;
  std::vector<std::string> messages_;
};

inline std::string limits_name(const ::testing::TestParamInfo<vulkan::Limits>& info) {
  return info.param == vulkan::Limits::kOwn ? "own" : "simulated";
}

/// Both.
inline auto all_limits() {
  return ::testing::Values(vulkan::Limits::kOwn, vulkan::Limits::kSimulated);
}

}  // namespace sain::testing
