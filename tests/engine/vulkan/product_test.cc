#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/vulkan/operators.h"
#include "kernels/activation/activation.h"
#include "kernels/dequantize/dequantize.h"
#include "kernels/pack/pack.h"
#include "kernels/rms_norm/rms_norm.h"
#include "tests/support/random_blocks.h"
#include "tests/support/random_floats.h"
#include "tests/support/vulkan_fixture.h"

namespace sain::engine::vulkan {
namespace {

using sain::testing::all_limits;
using sain::testing::limits_name;
using sain::testing::random_blocks;
using sain::testing::random_floats;

/// A matrix, in a file's layout and as floats.
struct TestMatrix {
  std::vector<std::byte> bytes;
  WeightMatrix w;
  std::vector<float> floats;  // (rows, cols)

  TestMatrix(DType dtype, size_t rows, size_t cols, uint32_t seed) {
    if (kernels::is_packable(dtype)) {
      bytes = random_blocks(dtype, rows * cols, seed);
    } else {
      bytes.resize(row_bytes(dtype, rows * cols));
      const std::vector<float> values = random_floats(rows * cols, seed);
      for (size_t i = 0; i < values.size(); ++i) {
        const uint16_t half =
            dtype == DType::kBF16 ? kernels::float_to_bf16(values[i]) : kernels::float_to_half(values[i]);
        dtype == DType::kF32 ? std::memcpy(&bytes[4 * i], &values[i], 4) : std::memcpy(&bytes[2 * i], &half, 2);
      }
    }
    w = {.name = "test", .data = bytes.data(), .packed = nullptr, .dtype = dtype, .rows = rows, .cols = cols};
    floats.resize(rows * cols);
    kernels::select_dequantize(kernels::Isa::kScalar)[dtype](bytes.data(), floats.data(), floats.size());
  }
};

struct Case {
  DType dtype;
  size_t rows, cols;
  uint32_t n_tokens;
};

class VulkanProduct : public sain::testing::VulkanTest {
 protected:
  DeviceMatrix place_on_device(std::vector<const WeightMatrix*> matrices) {
    return place_in_pieces(matrices, device_->capabilities().piece_bytes());
  }
  DeviceMatrix place_in_pieces(std::vector<const WeightMatrix*> matrices, uint64_t piece_bytes) {
    arenas_.emplace_back(*device_, MemoryKind::kWeights, device_matrix_bytes(*matrices[0], matrices.size()));
    auto placed = place(piece_bytes, arenas_.back(), *uploader_, kernels::select_dequantize(kernels::Isa::kScalar),
                        pool_, matrices);
    EXPECT_TRUE(placed) << placed.error().message;
    EXPECT_TRUE(uploader_->finish());
    return *std::move(placed);
  }
};

/// What a row's product should be, and how far f32 may be off: its sums take n terms in another order, and codes
/// without their sign (up to twice as large, 128 / 127 times that for Q8_0) come before the offset that takes it off
/// again.
struct Expected {
  double value = 0, tolerance = 0;
};

Expected multiply(const float* w, const float* x, size_t n) {
  Expected expected;
  double largest = 0, magnitude = 0;
  for (size_t i = 0; i < n; ++i) {
    expected.value += static_cast<double>(w[i]) * static_cast<double>(x[i]);
    largest = std::max(largest, std::abs(static_cast<double>(w[i])));
    magnitude += std::abs(static_cast<double>(x[i]));
  }
  expected.tolerance = 16 * std::numeric_limits<float>::epsilon() * largest * magnitude;
  return expected;
}

TEST_P(VulkanProduct, IsThatOfTheScalarWeights) {
  std::vector<Case> cases;
  for (DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0}) {
    cases.push_back({dtype, 1, 32, 1});
    cases.push_back({dtype, 3, 96, 1});
    cases.push_back({dtype, 33, 576, 1});
    cases.push_back({dtype, 17, 288, 3});
  }
  for (DType dtype : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    cases.push_back({dtype, 1, 256, 1});
    cases.push_back({dtype, 3, 768, 1});
    cases.push_back({dtype, 33, 512, 9});
  }
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    cases.push_back({dtype, 5, 4, 1});
    cases.push_back({dtype, 16, 36, 2});
    cases.push_back({dtype, 19, 620, 5});
  }
  for (const Case& c : cases) {
    SCOPED_TRACE(fmt::format("{} {} x {}, {} tokens", dtype_info(c.dtype).name, c.rows, c.cols, c.n_tokens));
    const TestMatrix matrix(c.dtype, c.rows, c.cols, 1);
    const DeviceMatrix w = place_on_device({&matrix.w});
    const std::vector<float> x = random_floats(c.n_tokens * c.cols, 2);
    const uint32_t stride = static_cast<uint32_t>(c.rows) + 3;
    const Slice y = put(std::vector<float>(c.n_tokens * stride, -7));
    run([&](CommandList& list) {
      return operators_->product(
          list, {.w = &w, .x = put(x), .y = y, .y_stride = stride, .y_offset = 2, .n_tokens = c.n_tokens});
    });
    const std::vector<float> got = get<float>(y);
    for (size_t t = 0; t < c.n_tokens; ++t) {
      EXPECT_EQ(got[t * stride + 1], -7);
      EXPECT_EQ(got[t * stride + 2 + c.rows], -7);
      for (size_t r = 0; r < c.rows; ++r) {
        const Expected expected = multiply(&matrix.floats[r * c.cols], &x[t * c.cols], c.cols);
        // A BF16 weight becomes an F16.
        const double rounding = c.dtype == DType::kBF16 ? 100 : 1;
        ASSERT_NEAR(got[t * stride + 2 + r], expected.value, rounding * expected.tolerance)
            << "row " << r << ", token " << t;
      }
    }
  }
}

// The sidecar's groups go to the device as they are.
TEST_P(VulkanProduct, TakesPackedWeightsAsTheyAre) {
  const TestMatrix matrix(DType::kQ4_K, 20, 256, 3);
  std::vector<std::byte> packed(2 * kernels::packed_group_bytes(DType::kQ4_K, 256));
  kernels::select_pack(DType::kQ4_K).group(matrix.w.row(0), 16, 256, packed.data());
  kernels::select_pack(DType::kQ4_K).group(matrix.w.row(16), 4, 256, packed.data() + packed.size() / 2);
  WeightMatrix with_packed = matrix.w;
  with_packed.packed = packed.data();
  const DeviceMatrix a = place_on_device({&matrix.w}), b = place_on_device({&with_packed});
  EXPECT_EQ(get<uint32_t>(a.pieces[0].slice), get<uint32_t>(b.pieces[0].slice));
  EXPECT_EQ(a.pieces[0].slice.bytes, packed.size());
}

// As with a matrix that is larger than a binding may be.
TEST_P(VulkanProduct, TakesAMatrixInPieces) {
  constexpr uint32_t kRows = 75, kCols = 64, kTokens = 2;
  const TestMatrix matrix(DType::kQ4_1, kRows, kCols, 16);
  const DeviceMatrix w = place_in_pieces({&matrix.w}, 2 * device_group_bytes(DType::kQ4_1, kCols) + 100);
  ASSERT_EQ(w.pieces.size(), 3u);
  EXPECT_EQ(w.pieces[2].first_row, 64u);
  EXPECT_EQ(w.pieces[2].n_rows, 11u);
  const std::vector<float> x = random_floats(kTokens * kCols, 17), bias = random_floats(kRows, 18);
  const Slice y = space(kTokens * kRows * 4), rows = space(kTokens * kCols * 4);
  const std::vector<uint32_t> tokens = {74, 33};
  run([&](CommandList& list) -> Status {
    SAIN_RETURN_IF_ERROR(operators_->embed(list, w, 0.5f, put(tokens), kTokens, rows));
    return operators_->product(
        list, {.w = &w, .x = put(x), .y = y, .y_stride = kRows, .n_tokens = kTokens, .bias = put(bias)});
  });
  const std::vector<float> got = get<float>(y), embedded = get<float>(rows);
  for (size_t t = 0; t < kTokens; ++t) {
    for (size_t r = 0; r < kRows; ++r) {
      const Expected expected = multiply(&matrix.floats[r * kCols], &x[t * kCols], kCols);
      ASSERT_NEAR(got[t * kRows + r], expected.value + static_cast<double>(bias[r]), expected.tolerance + 1e-6);
    }
    for (size_t i = 0; i < kCols; ++i) {
      ASSERT_NEAR(embedded[t * kCols + i], 0.5f * matrix.floats[tokens[t] * kCols + i], 1e-5);
    }
  }
  WeightMatrix long_rows = matrix.w;
  long_rows.cols = 64;
  const WeightMatrix* matrices[] = {&long_rows};
  const auto refused =
      place(100, arenas_.back(), *uploader_, kernels::select_dequantize(kernels::Isa::kScalar), pool_, matrices);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
}

TEST_P(VulkanProduct, NormalisesItsInput) {
  constexpr uint32_t kRows = 21, kCols = 320, kTokens = 3;
  const TestMatrix matrix(DType::kQ5_0, kRows, kCols, 4);
  const DeviceMatrix w = place_on_device({&matrix.w});
  const std::vector<float> x = random_floats(kTokens * kCols, 5, 30), weight = random_floats(kCols, 6);
  const Slice y = space(kTokens * kRows * 4);
  run([&](CommandList& list) {
    return operators_->product(
        list,
        {.w = &w, .x = put(x), .y = y, .y_stride = kRows, .n_tokens = kTokens, .norm = put(weight), .epsilon = 1e-5f});
  });
  const std::vector<float> got = get<float>(y);
  std::vector<float> normed(kCols);
  for (size_t t = 0; t < kTokens; ++t) {
    kernels::select_rms_norm(kernels::Isa::kScalar)(&x[t * kCols], weight.data(), 1e-5f, normed.data(), kCols);
    for (size_t r = 0; r < kRows; ++r) {
      const Expected expected = multiply(&matrix.floats[r * kCols], normed.data(), kCols);
      ASSERT_NEAR(got[t * kRows + r], expected.value, expected.tolerance) << "row " << r << ", token " << t;
    }
  }
}

TEST_P(VulkanProduct, AddsBiasAndWhatIsThere) {
  constexpr uint32_t kRows = 18, kCols = 64, kStride = 20, kOffset = 2;
  const TestMatrix matrix(DType::kQ8_0, kRows, kCols, 7);
  const DeviceMatrix w = place_on_device({&matrix.w});
  const std::vector<float> x = random_floats(kCols, 8), bias = random_floats(kStride, 9),
                           before = random_floats(kStride, 10);
  const Slice y = put(before);
  run([&](CommandList& list) {
    return operators_->product(list, {.w = &w,
                                      .x = put(x),
                                      .y = y,
                                      .y_stride = kStride,
                                      .y_offset = kOffset,
                                      .bias = put(bias),
                                      .result = Product::Result::kAdd});
  });
  const std::vector<float> got = get<float>(y);
  for (size_t r = 0; r < kRows; ++r) {
    const Expected expected = multiply(&matrix.floats[r * kCols], x.data(), kCols);
    ASSERT_NEAR(got[kOffset + r],
                expected.value + static_cast<double>(bias[kOffset + r]) + static_cast<double>(before[kOffset + r]),
                expected.tolerance + 1e-6);
  }
}

// Both ways: gate and up interleaved in one product, and one product after the other.
TEST_P(VulkanProduct, Activates) {
  constexpr uint32_t kRows = 35, kCols = 96, kTokens = 2;
  const TestMatrix gate(DType::kQ4_0, kRows, kCols, 11), up(DType::kQ4_0, kRows, kCols, 12);
  const DeviceMatrix gate_up = place_on_device({&gate.w, &up.w});
  const DeviceMatrix gate_alone = place_on_device({&gate.w}), up_alone = place_on_device({&up.w});
  const std::vector<float> x = random_floats(kTokens * kCols, 13, 0.3f);
  for (Activation activation : {Activation::kSilu, Activation::kGelu}) {
    const Slice input = put(x), together = space(kTokens * kRows * 4), apart = space(kTokens * kRows * 4);
    Product product = {.w = &gate_up, .x = input, .y = together, .y_stride = kRows, .n_tokens = kTokens};
    product.activation = activation;
    run([&](CommandList& list) -> Status {
      product.result = Product::Result::kGated;
      SAIN_RETURN_IF_ERROR(operators_->product(list, product));
      product.w = &gate_alone;
      product.y = apart;
      product.result = Product::Result::kStore;
      SAIN_RETURN_IF_ERROR(operators_->product(list, product));
      list.barrier();
      product.w = &up_alone;
      product.result = Product::Result::kActivate;
      return operators_->product(list, product);
    });
    const std::vector<float> a = get<float>(together), b = get<float>(apart);
    const auto activate = activation == Activation::kSilu ? kernels::select_swiglu(kernels::Isa::kScalar)
                                                          : kernels::select_geglu(kernels::Isa::kScalar);
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t r = 0; r < kRows; ++r) {
        const Expected g = multiply(&gate.floats[r * kCols], &x[t * kCols], kCols);
        const Expected u = multiply(&up.floats[r * kCols], &x[t * kCols], kCols);
        const float gate_value = static_cast<float>(g.value), up_value = static_cast<float>(u.value);
        float expected = 0;
        activate(&gate_value, &up_value, &expected, 1);
        // Neither activation is steeper than 1.13.
        const double tolerance = 1.2 * g.tolerance * std::abs(u.value) + std::abs(g.value) * u.tolerance +
                                 1e-5 * std::abs(static_cast<double>(expected)) + 1e-6;
        ASSERT_NEAR(a[t * kRows + r], expected, tolerance) << "row " << r << ", token " << t;
        ASSERT_NEAR(b[t * kRows + r], expected, tolerance) << "row " << r << ", token " << t;
      }
    }
  }
}

TEST_P(VulkanProduct, CapsLogits) {
  const TestMatrix matrix(DType::kF32, 16, 32, 14);
  const DeviceMatrix w = place_on_device({&matrix.w});
  const std::vector<float> x = random_floats(32, 15, 20);
  const Slice y = space(16 * 4);
  run([&](CommandList& list) {
    return operators_->product(list, {.w = &w, .x = put(x), .y = y, .y_stride = 16, .soft_cap = 30});
  });
  const std::vector<float> got = get<float>(y);
  for (size_t r = 0; r < 16; ++r) {
    ASSERT_NEAR(got[r], 30 * std::tanh(multiply(&matrix.floats[r * 32], x.data(), 32).value / 30), 1e-4);
  }
}

/// The elements that codes and scales in 8 bits stand for.
std::vector<float> elements_of(const std::vector<uint32_t>& words) {
  std::vector<float> elements;
  for (size_t block = 0; block < words.size(); block += shaders::kQuantizedWords) {
    for (size_t i = 0; i < shaders::kQuantizedBlock; ++i) {
      const auto code = static_cast<int8_t>(words[block + i / 4] >> (i % 4 * 8));
      elements.push_back(static_cast<float>(code) * std::bit_cast<float>(words[block + 4]));
    }
  }
  return elements;
}

// x is what its 8 bits stand for, and so is what comes out.
TEST_P(VulkanProduct, InEightBits) {
  if (!device_->capabilities().int8()) GTEST_SKIP() << "no integer dot products";
  constexpr float kEpsilon = 1e-5f;
  std::vector<Case> cases;
  for (DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0}) {
    cases.push_back({dtype, 16, 32, 1});
    cases.push_back({dtype, 48, 1184, 1});
  }
  for (DType dtype : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) cases.push_back({dtype, 32, 768, 1});
  for (const Case& c : cases) {
    SCOPED_TRACE(fmt::format("{} {} x {}", dtype_info(c.dtype).name, c.rows, c.cols));
    const TestMatrix matrix(c.dtype, c.rows, c.cols, 20);
    const DeviceMatrix w = place_on_device({&matrix.w});
    const uint32_t rows = static_cast<uint32_t>(c.rows), cols = static_cast<uint32_t>(c.cols);
    const std::vector<float> x = random_floats(cols, 21, 3), norm = random_floats(cols, 22);
    const std::vector<float> before = random_floats(rows, 23), next_norm = random_floats(rows, 24);
    const Slice codes = space(quantized_bytes(cols)), next = space(quantized_bytes(rows)), y = put(before);
    run([&](CommandList& list) -> Status {
      SAIN_RETURN_IF_ERROR(operators_->quantize(list, put(x), cols, put(norm), codes));
      list.barrier();
      return operators_->vector_product(list, {.w = &w,
                                               .x = codes,
                                               .y = y,
                                               .is_normed = true,
                                               .epsilon = kEpsilon,
                                               .result = Product::Result::kAdd,
                                               .next = next,
                                               .next_weight = put(next_norm)});
    });
    const std::vector<float> rounded = elements_of(get<uint32_t>(codes));
    double squares = 0;
    for (size_t i = 0; i < cols; ++i) {
      const float scale = std::bit_cast<float>(get<uint32_t>(codes)[i / 16 * 6 + 4]);
      ASSERT_NEAR(rounded[i], x[i] * norm[i], 0.501f * scale);
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    const double scale = 1 / std::sqrt(squares / cols + static_cast<double>(kEpsilon));
    const std::vector<float> got = get<float>(y), got_next = elements_of(get<uint32_t>(next));
    const std::vector<uint32_t> next_words = get<uint32_t>(next);
    for (size_t r = 0; r < rows; ++r) {
      const Expected expected = multiply(&matrix.floats[r * cols], rounded.data(), cols);
      ASSERT_NEAR(got[r], scale * expected.value + static_cast<double>(before[r]), scale * expected.tolerance + 1e-5)
          << "row " << r;
      ASSERT_NEAR(got_next[r], got[r] * next_norm[r], 0.501f * std::bit_cast<float>(next_words[r / 16 * 6 + 4]));
    }
  }
}

TEST_P(VulkanProduct, OnCooperativeMatrices) {
  if (!operators_->can_matrix()) GTEST_SKIP() << "no cooperative matrices";
  std::vector<Case> cases;
  for (DType dtype : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kF32, DType::kF16}) {
    cases.push_back({dtype, 16, 32, 1});
    cases.push_back({dtype, 176, 96, 130});
  }
  for (DType dtype : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) cases.push_back({dtype, 160, 512, 70});
  for (const Case& c : cases) {
    SCOPED_TRACE(fmt::format("{} {} x {}, {} tokens", dtype_info(c.dtype).name, c.rows, c.cols, c.n_tokens));
    const TestMatrix matrix(c.dtype, c.rows, c.cols, 30), up(c.dtype, c.rows, c.cols, 31);
    const DeviceMatrix w = place_on_device({&matrix.w}), gate_up = place_on_device({&matrix.w, &up.w});
    const uint32_t rows = static_cast<uint32_t>(c.rows), cols = static_cast<uint32_t>(c.cols);
    const uint32_t room = (c.n_tokens + kMatrixTokens - 1) / kMatrixTokens * kMatrixTokens;
    const std::vector<float> x = random_floats(room * cols, 32), bias = random_floats(rows, 33);
    const Slice halves = space(room * cols * 2), gated = space(room * rows * 2);
    const Slice y = put(std::vector<float>(room * rows, 5));
    run([&](CommandList& list) -> Status {
      SAIN_RETURN_IF_ERROR(operators_->halve(list, put(x), room * cols, halves));
      list.barrier();
      Product product = {.w = &w, .x = halves, .y = y, .y_stride = rows, .n_tokens = c.n_tokens};
      product.bias = put(bias);
      product.result = Product::Result::kAdd;
      SAIN_RETURN_IF_ERROR(operators_->product_matrix(list, product, false));
      product = {.w = &gate_up, .x = halves, .y = gated, .y_stride = rows, .n_tokens = c.n_tokens};
      product.result = Product::Result::kGated;
      return operators_->product_matrix(list, product, true);
    });
    const std::vector<float> got = get<float>(y);
    const std::vector<uint16_t> got_gated = get<uint16_t>(gated);
    constexpr double kHalf = 500;  // how much coarser f16 is, of which weights and x are
    for (size_t t = 0; t < c.n_tokens; ++t) {
      for (size_t r = 0; r < rows; ++r) {
        const Expected g = multiply(&matrix.floats[r * cols], &x[t * cols], cols);
        const Expected u = multiply(&up.floats[r * cols], &x[t * cols], cols);
        ASSERT_NEAR(got[t * rows + r], g.value + 5 + static_cast<double>(bias[r]), kHalf * g.tolerance + 1e-5)
            << "row " << r << ", token " << t;
        const double silu = std::clamp(g.value / (1 + std::exp(-g.value)) * u.value, -65504.0, 65504.0);
        const double tolerance = kHalf * (1.2 * g.tolerance * std::abs(u.value) + std::abs(g.value) * u.tolerance) +
                                 1e-3 * std::abs(silu) + 1e-4;
        ASSERT_NEAR(kernels::half_to_float(got_gated[t * rows + r]), silu, tolerance) << "row " << r << ", token " << t;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Limits, VulkanProduct, all_limits(), limits_name);

}  // namespace
}  // namespace sain::engine::vulkan
