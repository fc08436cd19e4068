// The measuring loops do the work that they claim.
#include "kernels/probe/probe.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "kernels/isa.h"
#include "tests/support/isas.h"

namespace sain::kernels {
namespace {

TEST(Probe, ReadSumsEveryWordOnce) {
  std::mt19937_64 random(1);
  for (const size_t n_units : {0u, 1u, 2u, 7u}) {
    std::vector<char> bytes(n_units * kProbeReadUnit + 1);
    uint64_t expected = 0;
    for (size_t i = 0; i + 8 < bytes.size(); i += 8) {
      const uint64_t word = random();
      std::memcpy(bytes.data() + 1 + i, &word, 8);
      expected += word;
    }
    for (const Isa isa : sain::testing::isas_here()) {
      EXPECT_EQ(select_probe(isa).read(bytes.data() + 1, n_units * kProbeReadUnit), expected) << isa_name(isa);
    }
  }
}

TEST(Probe, MultiplyDoesAsManyProductsAsItSays) {
  for (const Isa isa : sain::testing::isas_here()) {
    const Probe probe = select_probe(isa);
    for (const size_t n_rounds : {0u, 1u, 1000u}) {
      EXPECT_EQ(probe.multiply_int8(n_rounds), n_rounds * probe.macs_per_round * 15) << isa_name(isa);
    }
  }
}

}  // namespace
}  // namespace sain::kernels
