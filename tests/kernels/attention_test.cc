#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/half.h"
#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::random_floats;

std::vector<Isa> isas_here() {
  std::vector<Isa> isas = {Isa::kScalar};
  if (detect_isa() != Isa::kScalar) isas.push_back(detect_isa());
  return isas;
}

class AttentionTest : public ::testing::TestWithParam<Isa> {
 protected:
  const Attention attention = select_attention(GetParam());
};

/// The formula in double precision.
std::vector<double> reference(const std::vector<float>& query, const std::vector<float>& keys,
                              const std::vector<float>& values, size_t stride, size_t n, double scale, double cap) {
  const size_t head_dim = query.size();
  std::vector<double> scores(n), out(head_dim);
  for (size_t p = 0; p < n; ++p) {
    for (size_t i = 0; i < head_dim; ++i) scores[p] += double{query[i]} * double{keys[p * stride + i]};
    scores[p] *= scale;
    if (cap != 0) scores[p] = cap * std::tanh(scores[p] / cap);
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - largest);
  for (size_t p = 0; p < n; ++p) {
    for (size_t i = 0; i < head_dim; ++i) out[i] += scores[p] / sum * double{values[p * stride + i]};
  }
  return out;
}

TEST_P(AttentionTest, AgreesWithDoubleArithmetic) {
  for (const size_t head_dim : {2, 8, 31, 32, 64, 80, 256}) {
    for (const size_t n : {1, 2, 17, 100}) {
      for (const float cap : {0.0f, 5.0f}) {
        SCOPED_TRACE(::testing::Message() << "head_dim " << head_dim << ", n " << n << ", cap " << cap);
        const size_t stride = head_dim + 6;
        const auto query = random_floats(head_dim, 1);
        auto keys = random_floats(n * stride, 2), values = random_floats(n * stride, 3);
        std::vector<uint16_t> half_keys(keys.size()), half_values(values.size());
        attention.store_f16(keys.data(), half_keys.data(), keys.size());
        attention.store_f16(values.data(), half_values.data(), values.size());
        std::vector<float> scores(n), out(head_dim);
        AttentionArgs args = {query.data(), keys.data(), values.data(), stride,        n,
                              head_dim,     0.3f,        cap,           scores.data(), out.data()};
        attention.f32(args);
        auto expected = reference(query, keys, values, stride, n, 0.3f, cap);
        for (size_t i = 0; i < head_dim; ++i) EXPECT_NEAR(out[i], expected[i], 2e-5);

        // The same cache in half precision: exact but for the rounding of its elements.
        for (size_t i = 0; i < keys.size(); ++i) keys[i] = half_to_float(half_keys[i]);
        for (size_t i = 0; i < values.size(); ++i) values[i] = half_to_float(half_values[i]);
        args.keys = half_keys.data();
        args.values = half_values.data();
        attention.f16(args);
        expected = reference(query, keys, values, stride, n, 0.3f, cap);
        for (size_t i = 0; i < head_dim; ++i) EXPECT_NEAR(out[i], expected[i], 2e-5);
      }
    }
  }
}

TEST_P(AttentionTest, LargeScoresDoNotOverflow) {
  const std::vector<float> query = {1000, 1000}, keys = {1000, 1000, -1000, -1000}, values = {1, 2, 3, 4};
  std::vector<float> scores(2), out(2);
  attention.f32({query.data(), keys.data(), values.data(), 2, 2, 2, 1, 0, scores.data(), out.data()});
  EXPECT_EQ(out, (std::vector<float>{1, 2}));
}

TEST_P(AttentionTest, StoreRoundsToNearestEvenAndSaturates) {
  const std::vector<float> x = {0,
                                -0.0f,
                                1,
                                65504,
                                65519,
                                1e30f,
                                -1e30f,
                                1.0f + 1.0f / 2048,
                                5e-8f,
                                6e-8f,
                                0.3333f,
                                -2.5f,
                                1e-9f,
                                65536,
                                2049,
                                2051,
                                std::numeric_limits<float>::infinity()};
  const std::vector<float> expected = {
      0,           -0.0f, 1, 65504, 65504, 65504, -65504, 1, 5.9604645e-08f, 5.9604645e-08f,
      0.33325195f, -2.5f, 0, 65504, 2048,  2052,  65504};
  std::vector<uint16_t> halves(x.size());
  attention.store_f16(x.data(), halves.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(half_to_float(halves[i]), expected[i]) << x[i];
}

TEST_P(AttentionTest, StoreKeepsNan) {
  std::vector<float> x(17, 1.0f);
  x[2] = x[16] = std::numeric_limits<float>::quiet_NaN();
  std::vector<uint16_t> halves(x.size());
  attention.store_f16(x.data(), halves.data(), x.size());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(std::isnan(half_to_float(halves[i])), std::isnan(x[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Isas, AttentionTest, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
