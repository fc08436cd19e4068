// What the golden tests share: the reference answers (see tests/golden/README.md) and the real models they are about.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "router/catalog.h"

namespace sain::testing {

inline nlohmann::ordered_json golden_json(const std::string& model, const std::string& kind) {
  const std::string path = std::string(SAIN_SOURCE_DIR) + "/tests/golden/data/" + model + "." + kind + ".json";
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return nlohmann::ordered_json::parse(file);
}

/// A real model and a pool to run it on. Fails the test, saying how to fetch it, where it is not in the cache.
class GoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto path = router::resolve_model(GetParam());
    ASSERT_TRUE(path) << path.error().message;
    auto loaded = engine::Model::load({.path = *path});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model = std::make_unique<engine::Model>(*std::move(loaded));
  }

  /// A session of the reference precision.
  engine::Session exact_session(uint32_t context_length) {
    auto session = engine::Session::create(*model, pool,
                                           {.context_length = context_length, .precision = engine::Precision::kExact});
    EXPECT_TRUE(session) << session.error().message;
    return *std::move(session);
  }

  std::unique_ptr<engine::Model> model;
  engine::ThreadPool pool;
};

inline std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

class NullSink : public engine::TokenSink {
 public:
  void on_text(std::string_view) override {}
};

/// The models that have an fp32 reference.
inline const auto kReferenceModels =
    ::testing::Values("smollm2-135m-instruct", "gemma-3-270m", "qwen2.5-coder-0.5b-instruct");

}  // namespace sain::testing
