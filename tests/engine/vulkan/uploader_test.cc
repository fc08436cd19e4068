#include "engine/vulkan/uploader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "engine/vulkan/matrix.h"
#include "kernels/half.h"
#include "kernels/packed.h"
#include "tests/support/random_blocks.h"
#include "tests/support/random_floats.h"
#include "tests/support/vulkan_fixture.h"

namespace sain::engine::vulkan {
namespace {

using sain::testing::all_limits;
using sain::testing::limits_name;
using sain::testing::random_blocks;
using sain::testing::random_floats;

constexpr StagingOptions kSmall = {.slot_bytes = 1000, .n_slots = 3};

class VulkanUploader : public sain::testing::VulkanTest {
 protected:
  /// What is on the device of `matrices`, after they have come through a ring of `staging`.
  std::vector<std::byte> place_through(const StagingOptions& staging,
                                       const std::vector<const WeightMatrix*>& matrices) {
    Uploader uploader(*device_, {}, staging);
    Arena arena(*device_, MemoryKind::kWeights, device_matrix_bytes(*matrices[0], matrices.size()));
    const uint64_t piece_bytes = 3 * matrices.size() * device_group_bytes(device_type(matrices[0]->dtype), 512) + 1;
    const auto placed =
        place(piece_bytes, arena, uploader, kernels::select_dequantize(kernels::Isa::kScalar), pool_, matrices);
    EXPECT_TRUE(placed) << placed.error().message;
    EXPECT_TRUE(uploader.finish());
    std::vector<std::byte> all;
    for (const DeviceMatrix::Piece& piece : placed->pieces) {
      const std::vector<std::byte> bytes = get<std::byte>(piece.slice);
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
  }
};

std::vector<std::byte> random_weights(DType dtype, size_t n, uint32_t seed) {
  if (kernels::is_packable(dtype)) return random_blocks(dtype, n, seed);
  const std::vector<float> values = random_floats(n, seed);
  std::vector<std::byte> bytes(row_bytes(dtype, n));
  for (size_t i = 0; i < n; ++i) {
    const uint16_t half = kernels::float_to_bf16(values[i]);
    dtype == DType::kF32 ? std::memcpy(&bytes[4 * i], &values[i], 4) : std::memcpy(&bytes[2 * i], &half, 2);
  }
  return bytes;
}

std::vector<std::byte> numbered(size_t n, size_t seed) {
  std::vector<std::byte> bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>((i * 40503u + seed) >> 3);
  return bytes;
}

TEST_P(VulkanUploader, TheRingGoesRoundManyTimes) {
  Uploader uploader(*device_, {}, kSmall);
  // One and several a slot, as large as one, larger, larger than the ring.
  std::vector<Slice> slices;
  std::vector<std::vector<std::byte>> expected;
  for (const size_t n : {1u, 4u, 60u, 999u, 1000u, 1001u, 2500u, 40'000u, 7u, 3000u, 12u}) {
    expected.push_back(numbered(n, n));
    slices.push_back(space((n + 3) / 4 * 4));
    ASSERT_TRUE(uploader.write(slices.back(), expected.back()));
  }
  ASSERT_TRUE(uploader.finish());
  ASSERT_TRUE(uploader.finish()) << "again, with nothing to wait for";
  for (size_t i = 0; i < slices.size(); ++i) {
    EXPECT_EQ(get<std::byte>(slices[i].part(0, expected[i].size())), expected[i]) << expected[i].size();
  }
  // And on.
  ASSERT_TRUE(uploader.write(slices[7], numbered(40'000, 5)));
  ASSERT_TRUE(uploader.finish());
  EXPECT_EQ(get<std::byte>(slices[7]), numbered(40'000, 5));
}

TEST_P(VulkanUploader, UnitsStayWhole) {
  for (const uint64_t unit_bytes : {12u, 300u, 1000u, 1600u}) {
    Uploader uploader(*device_, {}, kSmall);
    const Slice slice = space(20 * unit_bytes);
    size_t next = 0;
    ASSERT_TRUE(uploader.write(slice, unit_bytes, [&](size_t first, size_t n, std::byte* out) {
      EXPECT_EQ(first, next);
      EXPECT_GT(n, 0u);
      next = first + n;
      for (size_t i = 0; i < n; ++i) std::fill_n(out + i * unit_bytes, unit_bytes, static_cast<std::byte>(first + i));
    }));
    EXPECT_EQ(next, 20u);
    ASSERT_TRUE(uploader.finish());
    const std::vector<std::byte> found = get<std::byte>(slice);
    for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], static_cast<std::byte>(i / unit_bytes)) << unit_bytes;
  }
}

TEST_P(VulkanUploader, MatricesArriveThroughAnyRing) {
  constexpr size_t kRows = 150, kCols = 512;
  for (const DType dtype : {DType::kQ4_0, DType::kQ6_K, DType::kF32, DType::kBF16}) {
    std::vector<std::vector<std::byte>> bytes;
    std::vector<WeightMatrix> matrices;
    for (const uint32_t seed : {1u, 2u}) {
      bytes.push_back(random_weights(dtype, kRows * kCols, seed));
      matrices.push_back({.name = "test",
                          .data = bytes.back().data(),
                          .packed = nullptr,
                          .dtype = dtype,
                          .rows = kRows,
                          .cols = kCols});
    }
    for (const std::vector<const WeightMatrix*>& which :
         {std::vector<const WeightMatrix*>{&matrices[0]}, {&matrices[0], &matrices[1]}}) {
      const std::vector<std::byte> expected = place_through({}, which);
      const uint64_t group_bytes = device_group_bytes(device_type(dtype), kCols);
      EXPECT_EQ(expected.size(), which.size() * (kRows + 15) / 16 * group_bytes);
      for (const uint64_t slot_bytes : {uint64_t{1000}, group_bytes * which.size(), 3 * group_bytes + 5}) {
        EXPECT_EQ(place_through({.slot_bytes = slot_bytes, .n_slots = 2}, which), expected) << slot_bytes;
      }
    }
  }
}

TEST_P(VulkanUploader, TellsHowFarItIsAndStops) {
  std::stop_source stop;
  std::vector<double> progress;
  const auto on_progress = [&](double fraction) {
    progress.push_back(fraction);
    if (fraction >= 0.5) stop.request_stop();
  };
  Uploader uploader(*device_, {.on_progress = on_progress, .stop = stop.get_token()}, kSmall);
  uploader.expect(100'000);
  const Slice slice = space(100'000);
  const Status stopped = uploader.write(slice, numbered(100'000, 1));
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(std::ranges::is_sorted(progress));
  ASSERT_FALSE(progress.empty());
  EXPECT_LE(progress.back(), 0.52);
  EXPECT_TRUE(uploader.finish());
}

// The validation layer watches that no object is used by two threads which must not be.
TEST_P(VulkanUploader, WorksBesideWhateverTheDeviceComputes) {
  const Slice x = put(std::vector<float>(64, 2)), weight = put(std::vector<float>(64, 3)),
              y = put(std::vector<float>(64));
  std::atomic<bool> is_over = false;
  std::atomic<int> n_runs = 0;
  std::jthread other([&] {
    while (!is_over || n_runs == 0) {
      CommandList list = *CommandList::create(*device_, *pipelines_);
      ASSERT_TRUE(operators_->rms_norm(list, {.x = x, .weight = weight, .y = y, .n = 64}));
      ASSERT_TRUE(list.finish());
      ASSERT_TRUE(list.run());
      ++n_runs;
    }
  });
  const std::vector<uint32_t> constants = {32, 0};
  for (int i = 0; i < 40; ++i) {
    Arena arena(*device_, MemoryKind::kWeights, 50'000);
    const Slice slice = *arena.allocate(50'000);
    Uploader uploader(*device_, {}, kSmall);
    ASSERT_TRUE(uploader.write(slice, numbered(50'000, i)));
    ASSERT_TRUE(pipelines_->get(i % 2 == 0 ? "argmax" : "rms_norm", constants));
    ASSERT_TRUE(uploader.finish());
    EXPECT_EQ(get<std::byte>(slice), numbered(50'000, i));
  }
  is_over = true;
  other.join();
  EXPECT_NEAR(get<float>(y)[63], 3, 1e-4);
}

TEST_P(VulkanUploader, ThreadsThatWantOnePipelineGetOne) {
  const auto pipelines = *Pipelines::create(*device_);
  const std::vector<uint32_t> constants = {64, 0};
  std::vector<VkPipeline> found(4);
  std::vector<std::jthread> threads;
  for (VkPipeline& pipeline : found) threads.emplace_back([&] { pipeline = *pipelines->get("rms_norm", constants); });
  threads.clear();
  for (const VkPipeline pipeline : found) EXPECT_EQ(pipeline, found[0]);
}

INSTANTIATE_TEST_SUITE_P(Limits, VulkanUploader, all_limits(), limits_name);

}  // namespace
}  // namespace sain::engine::vulkan
