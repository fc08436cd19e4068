// The catalogue's entries are well formed, and names resolve to files as the header says.
#include "router/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;

/// A cache folder of its own for each test, and the environment as it was afterwards.
class CatalogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_ / "models");
    setenv("SAIN_CACHE", dir_.path().c_str(), 1);
  }
  void TearDown() override { unsetenv("SAIN_CACHE"); }
  testing::TemporaryFolder dir_;
};

TEST_F(CatalogTest, EntriesAreWellFormed) {
  std::set<std::string_view> names, files;
  for (const CatalogEntry& entry : catalog()) {
    SCOPED_TRACE(entry.name);
    EXPECT_TRUE(names.insert(entry.name).second);
    EXPECT_TRUE(files.insert(entry.file).second);
    EXPECT_EQ(std::filesystem::path(entry.file).filename(), entry.file);
    EXPECT_GT(entry.bytes, 0u);
    EXPECT_EQ(entry.sha256.size(), 64u);
    EXPECT_TRUE(
        std::ranges::all_of(entry.sha256, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }));
    EXPECT_GE(entry.n_parts, 1u);
    EXPECT_EQ(entry.n_parts > 1, entry.package.find("{}") != std::string_view::npos);
    EXPECT_FALSE(entry.member_mark.empty());
    EXPECT_FALSE(entry.licence.empty());
    EXPECT_EQ(find_catalog_entry(entry.name), &entry);
  }
  EXPECT_EQ(find_catalog_entry("no-such-model"), nullptr);
}

TEST_F(CatalogTest, CacheFolderFollowsTheEnvironment) {
  EXPECT_EQ(cache_dir(), dir_.path());
  unsetenv("SAIN_CACHE");
  const char* old_xdg = std::getenv("XDG_CACHE_HOME");
  const std::string saved = old_xdg ? old_xdg : "";
  setenv("XDG_CACHE_HOME", "/somewhere", 1);
  EXPECT_EQ(cache_dir(), "/somewhere/sain");
  setenv("XDG_CACHE_HOME", "relative/is/ignored", 1);
  EXPECT_TRUE(cache_dir().string().ends_with("/.cache/sain")) << cache_dir();
  if (old_xdg) {
    setenv("XDG_CACHE_HOME", saved.c_str(), 1);
  } else {
    unsetenv("XDG_CACHE_HOME");
  }
}

TEST_F(CatalogTest, AnExistingFileIsItself) {
  const std::filesystem::path file = dir_.write("mine.gguf", "x");
  const auto path = resolve_model(file.string());
  ASSERT_TRUE(path);
  EXPECT_EQ(*path, file);
}

TEST_F(CatalogTest, ANameIsItsCachedFile) {
  const CatalogEntry& entry = catalog()[0];
  const auto missing = resolve_model(entry.name);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr(fmt::format("sain models fetch {}", entry.name)));

  std::ofstream(cached_model_path(entry)) << "x";
  const auto found = resolve_model(entry.name);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, dir_ / "models" / entry.file);
}

TEST_F(CatalogTest, WhatIsNeitherSaysWhichNamesThereAre) {
  const auto unknown = resolve_model("smollm3");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  for (const CatalogEntry& entry : catalog()) EXPECT_THAT(unknown.error().message, HasSubstr(std::string(entry.name)));

  EXPECT_EQ(resolve_model("").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(resolve_model(dir_.path().string()).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sain::router
