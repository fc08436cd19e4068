#include "kernels/gemm_f32/gemm_f32.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/random_floats.h"

namespace sain::kernels {
namespace {

using sain::testing::random_floats;

constexpr float kEpsilon = std::numeric_limits<float>::epsilon();

std::vector<Isa> isas_here() {
  std::vector<Isa> isas = {Isa::kScalar};
  if (detect_isa() != Isa::kScalar) isas.push_back(detect_isa());
  return isas;
}

class GemmF32Test : public ::testing::TestWithParam<Isa> {
 protected:
  const GemmF32 gemm = select_gemm_f32(GetParam());
};

TEST_P(GemmF32Test, DotAgreesWithDoubleArithmetic) {
  for (const size_t n : {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 576, 1000}) {
    const auto a = random_floats(n, 1), b = random_floats(n, 2);
    double expected = 0, magnitude = 0;
    for (size_t i = 0; i < n; ++i) {
      expected += double{a[i]} * double{b[i]};
      magnitude += std::abs(double{a[i]} * double{b[i]});
    }
    // A sum of n rounded products errs by at most n epsilon times the sum of magnitudes; lanes make it far less.
    EXPECT_NEAR(gemm.dot(a.data(), b.data(), n), expected, magnitude * kEpsilon * 8) << "n = " << n;
  }
}

TEST_P(GemmF32Test, TileAddsTheProductOnOddShapes) {
  for (const size_t n_rows : {1, 5, 15, 16}) {
    for (const size_t k : {1, 31, 32, 33, 576}) {
      for (const size_t n_tokens : {1, 2, 3, 5, 6, 7, 13}) {
        SCOPED_TRACE(::testing::Message() << n_rows << " rows, k " << k << ", " << n_tokens << " tokens");
        const size_t x_stride = k + 3, y_stride = n_rows + 5;
        const auto w = random_floats(n_rows * k, 3), x = random_floats(n_tokens * x_stride, 4);
        std::vector<float> panel(kGemmF32Rows * k, -1), y(n_tokens * y_stride, 0.5f);
        gemm.pack(w.data(), k, n_rows, k, panel.data());
        gemm.tile(panel.data(), k, x.data(), x_stride, n_tokens, y.data(), y_stride, n_rows);
        for (size_t t = 0; t < n_tokens; ++t) {
          for (size_t r = 0; r < y_stride; ++r) {
            double expected = 0.5, magnitude = 0.5;
            for (size_t i = 0; r < n_rows && i < k; ++i) {
              expected += double{w[r * k + i]} * double{x[t * x_stride + i]};
              magnitude += std::abs(double{w[r * k + i]} * double{x[t * x_stride + i]});
            }
            // Beyond n_rows nothing may be written.
            EXPECT_NEAR(y[t * y_stride + r], expected, magnitude * kEpsilon * static_cast<double>(k + 1) / 4 + 1e-7);
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, GemmF32Test, ::testing::ValuesIn(isas_here()),
                         [](const auto& param) { return isa_name(param.param); });

}  // namespace
}  // namespace sain::kernels
