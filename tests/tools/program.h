// What the tests of the program share: the real model that they run, and looking at what it printed.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "router/catalog.h"
#include "tests/support/subprocess.h"

namespace sain::test {

inline constexpr const char* kModel = "smollm2-135m-instruct";

/// Fails the test, saying how to fetch it, where the model is not in the cache.
class RealModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = router::resolve_model(kModel);
    ASSERT_TRUE(path) << path.error().message << "; the tests need `sain models fetch " << kModel << "`";
  }
};

/// stdout as JSON; a failure of the program fails the test and gives null.
inline nlohmann::json json_of(const ProcessResult& result) {
  EXPECT_EQ(result.exit_code, 0) << result.err;
  nlohmann::json json = nlohmann::json::parse(result.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json.is_discarded() ? nlohmann::json() : json;
}

inline nlohmann::json golden(const std::string& name) {
  const std::string path = std::string(SAIN_SOURCE_DIR) + "/tests/golden/data/" + name;
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return nlohmann::json::parse(file);
}

inline std::string joined(const nlohmann::json& ids) {
  std::string list;
  for (const auto& id : ids) list += (list.empty() ? "" : ",") + std::to_string(id.get<int>());
  return list;
}

/// A file in the test's temporary folder that goes away with it.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& content)
      : path_(std::filesystem::path(::testing::TempDir()) / (std::to_string(getpid()) + "_" + name)) {
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace sain::test
