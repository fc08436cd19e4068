// R29: versions are installed, updated, rolled back and removed, and signed by whom one trusts; what fails leaves
// everything as it was.
#include "router/packages/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <thread>

#include "router/packages/signature.h"
#include "tests/router/packages/package_folder.h"

namespace sain::router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class PackageStoreTest : public ::testing::Test {
 protected:
  Result<InstalledPackage> install(std::string_view version, std::string_view model = "weights") {
    fs::remove_all(source_);
    test::make_chess(source_, version, model);
    return store_.install(source_, options_);
  }

  /// Every file of the store, and what is in it.
  std::map<std::string, std::string> content() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "store")) {
      std::ifstream in(entry.path(), std::ios::binary);
      files[entry.path().string()] = entry.is_directory() ? "/" : std::string((std::istreambuf_iterator<char>(in)), {});
    }
    return files;
  }

  testing::TemporaryFolder folder_;
  fs::path source_ = folder_ / "source";
  PackageStore store_{folder_ / "store"};
  InstallOptions options_ = {.trial = [this](const InstalledPackage& package,
                                             const std::optional<InstalledPackage>& active) -> Result<PackageReport> {
    EXPECT_TRUE(fs::exists(package.manifest.member.model)) << "a trial has the model at hand";
    replaced_ = active ? active->manifest.member.version : "";
    if (!refusal_.empty()) return make_error(ErrorCode::kUnsupported, "{}", refusal_);
    return PackageReport{.memory_bytes = 7 << 20, .score = 0.5, .assistant_score = 0.25};
  }};
  std::string replaced_, refusal_;
};

TEST_F(PackageStoreTest, AnInstalledPackageIsActiveWithItsReport) {
  EXPECT_THAT(*store_.list(), IsEmpty()) << "without a folder";
  const uint64_t before = store_.stamp();
  const auto package = install("1.0.0");
  ASSERT_TRUE(package) << package.error().message;
  EXPECT_EQ(package->manifest.member.name, "chess");
  EXPECT_EQ(package->report.memory_bytes, uint64_t{7} << 20);
  EXPECT_EQ(package->report.assistant_score, 0.25);
  EXPECT_EQ(package->manifest.member.model, (folder_ / "store/chess/1.0.0/model.gguf").string());
  EXPECT_NE(store_.stamp(), before);
  const auto list = store_.list();
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().active, "1.0.0");
  EXPECT_TRUE(store_.verify("chess", "1.0.0", {}));
}

TEST_F(PackageStoreTest, AnUpdateCanBeRolledBackAndForth) {
  ASSERT_TRUE(install("1.0.0", "old weights"));
  EXPECT_EQ(replaced_, "");
  ASSERT_TRUE(install("1.1.0", "new weights"));
  EXPECT_EQ(replaced_, "1.0.0") << "the trial can compare";
  EXPECT_THAT(*store_.versions("chess"), ElementsAre("1.0.0", "1.1.0"));
  EXPECT_EQ(*store_.roll_back("chess", ""), "1.0.0");
  EXPECT_EQ(store_.list()->front().active, "1.0.0");
  EXPECT_EQ(store_.roll_back("chess", "").error().code, ErrorCode::kNotFound) << "nothing was before it";
  EXPECT_EQ(*store_.roll_back("chess", "1.1.0"), "1.1.0");
  EXPECT_EQ(store_.roll_back("chess", "2").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_.roll_back("chess", "../chess/1.0.0").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_.roll_back("go", "").error().code, ErrorCode::kNotFound);
}

TEST_F(PackageStoreTest, TheSameVersionAgainOnlyBecomesActive) {
  ASSERT_TRUE(install("1.0.0"));
  ASSERT_TRUE(install("1.1.0"));
  replaced_ = "untried";
  ASSERT_TRUE(install("1.0.0"));
  EXPECT_EQ(replaced_, "untried");
  EXPECT_EQ(store_.list()->front().active, "1.0.0");
  const auto other = install("1.0.0", "other weights");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("version 1.0.0 of chess is installed with other files"));
}

TEST_F(PackageStoreTest, RemovalLeavesNothing) {
  ASSERT_TRUE(install("1.0.0"));
  ASSERT_TRUE(install("1.1.0"));
  EXPECT_THAT(store_.remove("chess", "1.1.0").error().message, HasSubstr("1.1.0 is active: roll back first"));
  ASSERT_TRUE(store_.remove("chess", "1.0.0"));
  EXPECT_THAT(*store_.versions("chess"), ElementsAre("1.1.0"));
  EXPECT_EQ(store_.roll_back("chess", "").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(store_.remove("chess", ""));
  EXPECT_THAT(*store_.list(), IsEmpty());
  EXPECT_FALSE(fs::exists(folder_ / "store/chess"));
  EXPECT_EQ(store_.remove("chess", "").error().code, ErrorCode::kNotFound);
}

TEST_F(PackageStoreTest, WhatIsRefusedLeavesNoTrace) {
  ASSERT_TRUE(install("1.0.0"));
  const auto before = content();

  refusal_ = "not good enough";
  EXPECT_THAT(install("1.1.0").error().message, HasSubstr("not good enough"));
  EXPECT_EQ(content(), before);
  refusal_.clear();

  for (const char* name : {"package.toml", "intents.toml", "questions.toml", "model.gguf"}) {
    test::make_chess(source_, "1.1.0", "weights");
    std::ofstream(source_ / name, std::ios::app) << "# ";
    const auto damaged = store_.install(source_, options_);
    ASSERT_FALSE(damaged) << name;
    EXPECT_EQ(damaged.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(damaged.error().message, HasSubstr(std::string(name) + ": expected SHA-256 "));
    EXPECT_EQ(content(), before) << name;
  }
  test::make_chess(source_, "1.1.0", "weights");
  test::write_text(source_ / kChecksumsName, "");
  EXPECT_THAT(store_.install(source_, options_).error().message, HasSubstr("is a file of the package, and not in it"));
  fs::remove(source_ / kChecksumsName);
  EXPECT_EQ(store_.install(source_, options_).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(content(), before);

  std::stop_source stop;
  stop.request_stop();
  options_.stop = stop.get_token();
  EXPECT_EQ(install("1.1.0").error().code, ErrorCode::kCancelled);
  EXPECT_EQ(content(), before);
}

TEST_F(PackageStoreTest, AnInstallationThatIsKilledIsClearedAwayByTheNext) {
  ASSERT_TRUE(install("1.0.0"));
  fs::remove_all(source_);
  test::make_chess(source_, "1.1.0", "weights");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    options_.trial = [](const auto&, const auto&) -> Result<PackageReport> {
      raise(SIGKILL);
      return PackageReport{};
    };
    (void)store_.install(source_, options_);
    _exit(1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(store_.list()->front().active, "1.0.0");
  EXPECT_TRUE(store_.verify("chess", "1.0.0", {}));
  ASSERT_TRUE(install("1.1.0")) << "the lock went with the process";
  for (const auto& [file, text] : content()) EXPECT_EQ(file.find(".staging"), std::string::npos) << file;
}

TEST_F(PackageStoreTest, AFullDiskLeavesTheOldVersion) {
  ASSERT_TRUE(install("1.0.0"));
  const auto before = content();
  fs::remove_all(source_);
  test::make_chess(source_, "1.1.0", std::string(100000, 'w'));
  signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{.rlim_cur = 50000, .rlim_max = old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto package = store_.install(source_, options_);
  setrlimit(RLIMIT_FSIZE, &old);
  ASSERT_FALSE(package);
  EXPECT_EQ(package.error().code, ErrorCode::kIo);
  EXPECT_EQ(content(), before);
}

TEST_F(PackageStoreTest, DamageIsFound) {
  ASSERT_TRUE(install("1.0.0"));
  std::ofstream(folder_ / "store/chess/1.0.0/model.gguf", std::ios::app) << "!";
  EXPECT_THAT(store_.verify("chess", "1.0.0", {}).error().message, HasSubstr("model.gguf: expected SHA-256"));
  test::write_text(folder_ / "store/installed.toml", "[[specialist]]\nname = \"chess\"\nactive = \"../../etc\"\n");
  const auto list = store_.list();
  ASSERT_FALSE(list);
  EXPECT_THAT(list.error().message, HasSubstr("installed.toml:1: expected a specialist's name and versions"));
}

TEST_F(PackageStoreTest, WithTrustedKeysOthersAreRefused) {
  ASSERT_TRUE(make_signing_key(folder_ / "ann"));
  ASSERT_TRUE(make_signing_key(folder_ / "bob"));
  EXPECT_EQ(make_signing_key(folder_ / "bob").error().code, ErrorCode::kInvalidArgument) << "a key is never replaced";
  EXPECT_EQ(fs::status(folder_ / "ann.key").permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_FALSE(store_.trust(folder_ / "ann.key")) << "a secret key is no public one";
  ASSERT_TRUE(store_.trust(folder_ / "ann.pub"));

  EXPECT_THAT(install("1.0.0").error().message, HasSubstr("SHA256SUMS.sig: expected a signature by ann, found none"));
  ASSERT_TRUE(sign_package(source_, folder_ / "bob.key"));
  EXPECT_FALSE(store_.install(source_, options_));
  ASSERT_TRUE(sign_package(source_, folder_ / "ann.key"));
  EXPECT_EQ(*signed_by(source_, *store_.trusted_keys()), "ann");
  ASSERT_TRUE(store_.install(source_, options_));

  // The signature is of the checksums, so of every file.
  fs::remove_all(source_);
  test::make_chess(source_, "1.1.0", "weights");
  ASSERT_TRUE(sign_package(source_, folder_ / "ann.key"));
  std::ofstream(source_ / kChecksumsName, std::ios::app) << "\n";
  EXPECT_FALSE(store_.install(source_, options_));
  options_.may_be_unsigned = true;
  EXPECT_TRUE(store_.install(source_, options_));
  options_.may_be_unsigned = false;

  EXPECT_EQ(store_.distrust("bob").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(store_.distrust("ann"));
  EXPECT_TRUE(install("1.2.0")) << "without trusted keys everybody's are installed";
}

TEST_F(PackageStoreTest, ReadersSeeTheOldListOrTheNew) {
  ASSERT_TRUE(install("1.0.0"));
  ASSERT_TRUE(install("1.1.0"));
  std::jthread reader([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto list = store_.list();
      ASSERT_TRUE(list) << list.error().message;
      ASSERT_EQ(list->size(), 1u);
      ASSERT_TRUE(store_.load("chess", list->front().active));
    }
  });
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store_.roll_back("chess", i % 2 == 0 ? "1.0.0" : "1.1.0"));
}

TEST(PackageRecordsTest, AReportIsReadAsItWasWritten) {
  const PackageReport report = {.memory_bytes = uint64_t{5} << 30,
                                .kv_bytes = 12345,
                                .load_ms = 1.5,
                                .first_token_ms = 0.125,
                                .decode_tps = 33.25,
                                .score = 1.0 / 3,
                                .standard_error = 0.01,
                                .assistant_score = 0.0};
  const auto read = parse_package_report(to_toml(report), "report.toml");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->memory_bytes, report.memory_bytes);
  EXPECT_EQ(read->decode_tps, report.decode_tps);
  EXPECT_EQ(read->score, report.score);
  EXPECT_EQ(read->assistant_score, 0.0);
  EXPECT_FALSE(parse_package_report(to_toml(PackageReport{}), "report.toml")->assistant_score);
  EXPECT_THAT(parse_package_report("score = 2", "report.toml").error().message, HasSubstr("report.toml:1: score: "));
}

}  // namespace
}  // namespace sain::router
