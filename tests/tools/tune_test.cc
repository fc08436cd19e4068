// The search of sain tune against machines whose speed is known, and the command on a tiny model.
#include <cmath>
#include <random>

#include "engine/tuning_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"
#include "tools/tune/parameters.h"
#include "tools/tune/search.h"
#include "tools/tune/tuned_model.h"

namespace sain::test {
namespace {

using engine::Tuning;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace tools;

const TunableMachine kMachine = {{kernels::Isa::kAvx512, kernels::Isa::kAvx2}, 8, 16};

/// A machine that is fastest at one tuning; every parameter that is elsewhere costs a tenth.
struct FakeMachine {
  Tuning best;
  double noise = 0;  // of a measurement, standard deviation
  std::mt19937 random{1};
  size_t n_measured = 0;

  Result<double> operator()(const Tuning& tuning, Phase phase) {
    ++n_measured;
    double speed = phase == Phase::kPrefill ? 1000 : 50;
    for (const engine::TuningField& field : engine::tuning_fields()) {
      if (tuning.*field.value != best.*field.value) speed *= 0.9;
    }
    if (tuning.isa != best.isa) speed *= 0.9;
    return speed * std::exp(std::normal_distribution<double>(0, 1)(random) * noise);
  }
};

Tuning search(FakeMachine& machine, const SearchOptions& options = {}) {
  const auto measure = [&machine](const Tuning& tuning, Phase phase) { return machine(tuning, phase); };
  const auto found = search_tuning(Tuning(), tune_parameters(kMachine), measure, options);
  EXPECT_TRUE(found) << found.error().message;
  return found ? *found : Tuning();
}

TEST(TuneSearch, FindsTheBestOfEveryParameter) {
  FakeMachine machine{.best = {.isa = kernels::Isa::kAvx2,
                               .n_threads = 7,
                               .spin_us = 1000,
                               .ranges_per_thread = 1,
                               .activation_mib = 64,
                               .tile_blocks = 8,
                               .read_ahead_bytes = 8192}};
  EXPECT_EQ(search(machine), machine.best);
  machine.noise = 0.02;
  EXPECT_EQ(search(machine), machine.best);
}

TEST(TuneSearch, DoesNotTakeNoiseForGain) {
  int n_changed = 0;
  for (unsigned seed = 1; seed <= 200; ++seed) {
    FakeMachine machine{.best = {}, .noise = 0.05, .random = std::mt19937(seed)};
    // All values are equally fast.
    const auto measure = [&](const Tuning&, Phase phase) { return machine(Tuning(), phase); };
    const auto found = search_tuning(Tuning(), tune_parameters(kMachine), measure, {.n_rounds = 5});
    ASSERT_TRUE(found);
    n_changed += *found != Tuning();
  }
  // Of 1400 parameters tried. If the best of the first rounds were taken, every search would change something.
  EXPECT_LE(n_changed, 30) << "of 200 searches";
}

TEST(TuneSearch, TakesNothingThatIsNotWorthIt) {
  const auto measure = [](const Tuning& tuning, Phase) -> Result<double> {
    return 100 * (tuning.tile_blocks == 32 ? 1.01 : 1.0);  // 1 % faster, without any noise
  };
  EXPECT_EQ(*search_tuning(Tuning(), tune_parameters(kMachine), measure, {}), Tuning());
}

TEST(TuneSearch, AMachineThatGetsSlowerSlowsAllAlike) {
  double speed = 1000;
  const auto measure = [&](const Tuning&, Phase) -> Result<double> { return speed *= 0.97; };
  EXPECT_EQ(*search_tuning(Tuning(), tune_parameters(kMachine), measure, {}), Tuning());
}

TEST(TuneSearch, ReportsWhatWasTriedAndEndsAtAnError) {
  FakeMachine machine{.best = {.tile_blocks = 32}};
  std::vector<TriedValue> tried;
  SearchOptions options;
  options.on_parameter = [&](std::span<const TriedValue> values) {
    tried.insert(tried.end(), values.begin(), values.end());
  };
  search(machine, options);
  const auto value = [&](const std::string& parameter, const std::string& label) {
    return *std::ranges::find_if(tried,
                                 [&](const TriedValue& t) { return t.parameter == parameter && t.label == label; });
  };
  EXPECT_TRUE(value("tile_blocks", "32").is_chosen);
  EXPECT_FALSE(value("tile_blocks", "32").was_in_place);
  EXPECT_NEAR(value("tile_blocks", "32").gain, 1 / 0.9 - 1, 1e-9);
  EXPECT_NEAR(value("tile_blocks", "32").speed.prefill, 1000, 1e-9);
  EXPECT_EQ(value("tile_blocks", "32").speed.decode, 0);
  EXPECT_TRUE(value("tile_blocks", "16").was_in_place);
  EXPECT_FALSE(value("tile_blocks", "16").is_chosen);
  EXPECT_NEAR(value("n_threads", "7").gain, -0.1, 1e-9);
  EXPECT_TRUE(value("n_threads", "8").is_chosen);

  const auto fails = [&](const Tuning&, Phase) -> Result<double> {
    return make_error(ErrorCode::kCancelled, "stopped");
  };
  const auto result = search_tuning(Tuning(), tune_parameters(kMachine), fails, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

TEST(TuneComparison, IsOfMedians) {
  // The second of the pair is 10 % faster but for one round that something disturbed.
  const std::vector<double> speeds = {100, 110, 11, 100, 100, 110};  // forwards, backwards, forwards
  size_t next = 0;
  const Phase phase = Phase::kDecode;
  const auto measure = [&](const Tuning&, Phase) -> Result<double> { return speeds[next++]; };
  const auto comparison = compare_tunings({}, {.spin_us = 1}, {&phase, 1}, measure, 3);
  ASSERT_TRUE(comparison);
  EXPECT_NEAR(comparison->gain, 0.1, 1e-9);
  EXPECT_NEAR(comparison->won, 2.0 / 3, 1e-9);
  EXPECT_EQ(comparison->before.decode, 100);
  EXPECT_EQ(comparison->after.decode, 110);
  EXPECT_FALSE(comparison->is_faster(0.02));
  EXPECT_TRUE((Comparison{.gain = 0.1, .won = 1}.is_faster(0.02)));
  EXPECT_TRUE((Comparison{.gain = 0.1, .won = 8.0 / 9}.is_faster(0.02)));
  EXPECT_FALSE((Comparison{.gain = 0.1, .won = 1}.is_faster(0.2)));
}

TEST(TuneParameters, HaveTheDefaultAmongTheirValuesAndStayInBounds) {
  for (const TunableMachine& machine :
       {kMachine, TunableMachine{{kernels::Isa::kScalar}, 1, 1}, TunableMachine{{kernels::Isa::kAvx2}, 2, 4}}) {
    for (const TuneParameter& parameter : tune_parameters(machine)) {
      size_t n_defaults = 0;
      for (const TuneParameter::Value& value : parameter.values) {
        Tuning tuning;
        value.set(tuning);
        n_defaults += tuning == Tuning();
        EXPECT_TRUE(check_tuning(tuning)) << parameter.name << " " << value.label;
      }
      EXPECT_EQ(n_defaults, 1u) << parameter.name;
    }
  }
}

TEST(TuneModel, IsATemporaryFile) {
  const testing::TemporaryFolder cache;
  setenv("SAIN_CACHE", cache.path().c_str(), 1);
  {
    const auto model = TemporaryModel::create("tiny", {});
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_TRUE(std::filesystem::exists(model->path()));
  }
  EXPECT_TRUE(std::filesystem::is_empty(cache.path()));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(TemporaryModel::create("tiny", stop.get_token()));
  EXPECT_TRUE(std::filesystem::is_empty(cache.path()));
  unsetenv("SAIN_CACHE");
}

class Tune : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_sain({"make-model", model(), "--preset", "tiny", "--context", "256"}).exit_code, 0);
  }

  std::string model() const { return (folder_ / "tiny.gguf").string(); }
  std::string file() const { return (folder_ / "tuning.json").string(); }

  ProcessResult sain(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin() + 1, {"-m", model()});
    return run_sain(std::move(arguments), {.environment = {{"SAIN_TUNING", file()}}});
  }

  /// What `sain bench` runs with.
  json bench() { return json_of(sain({"bench", "-p", "16", "-n", "2", "--reps", "1", "--json"})); }

  testing::TemporaryFolder folder_;
};

TEST_F(Tune, KeepsAFileThatTheOthersRead) {
  const json result = json_of(sain({"tune", "--quick", "--reps", "1", "--json"}));
  EXPECT_EQ(result["file"], file());
  EXPECT_EQ(result["model"], "tiny.gguf");
  EXPECT_GT(result["default"]["prefill_tps"].get<double>(), 0);
  EXPECT_GT(result["tuned"]["decode_tps"].get<double>(), 0);
  const json kept = json::parse(testing::read_whole_file(file()));
  EXPECT_EQ(kept["tuning"], result["tuning"]);
  EXPECT_EQ(kept["measured"]["model"], "tiny.gguf");
  EXPECT_EQ(kept["measured"]["default"], result["default"]);
  json expected = kept["tuning"];
  const json row = bench();
  if (expected["n_threads"] == 0) expected["n_threads"] = row["threads"];
  EXPECT_EQ(row["tuning"], expected);
}

TEST_F(Tune, EveryCommandFollowsTheFile) {
  const Tuning tuning = {.isa = kernels::Isa::kAvx2, .n_threads = 1, .spin_us = 7, .tile_blocks = 24};
  ASSERT_TRUE(engine::write_tuning(file(), {.machine = engine::identify_machine(), .tuning = tuning}));
  const json row = bench();
  EXPECT_EQ(row["threads"], 1);
  EXPECT_EQ(row["tuning"]["tile_blocks"], 24);
  if (std::getenv("SAIN_ISA") == nullptr) {
    EXPECT_EQ(row["isa"], kernels::isa_name(kernels::detect_isa(kernels::Isa::kAvx2)));
  }
  const ProcessResult table = sain({"bench", "-p", "16", "-n", "0", "-t", "2", "--reps", "1"});
  EXPECT_THAT(table.out, AllOf(HasSubstr("spin_us 7, tile_blocks 24\n"), HasSubstr("      2  prefill 16")));
  EXPECT_EQ(sain({"logits", "--tokens", "1,2,3"}).exit_code, 0);
  EXPECT_EQ(sain({"run", "--raw", "--tokens", "1,2,3", "-n", "2"}).exit_code, 0);
}

TEST_F(Tune, ADamagedFileIsAWarning) {
  folder_.write("tuning.json", "{\"version\": 1}");
  const ProcessResult result = sain({"logits", "--tokens", "1,2,3"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err,
            "sain: warning: " + file() + ": machine: expected an object, found null; the defaults are used\n");
}

TEST_F(Tune, DryRunWritesNothing) {
  const ProcessResult result = sain({"tune", "--quick", "--reps", "1", "--dry-run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("PARAMETER"), HasSubstr("tile_blocks"), HasSubstr("\ndefault "),
                                HasSubstr("--dry-run: nothing is written")));
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(Tune, CtrlCLeavesTheOldFile) {
  folder_.write("tuning.json", "old");
  Subprocess process({SAIN_PROGRAM, "tune", "-m", model(), "--reps", "1000"},
                     {.environment = {{"SAIN_TUNING", file()}}});
  while (process.out().find("PARAMETER") == std::string::npos && process.pump()) {
  }
  process.send_signal(SIGINT);
  EXPECT_EQ(process.wait().exit_code, 130);
  EXPECT_EQ(testing::read_whole_file(file()), "old");
}

TEST_F(Tune, NeedsAPlaceForItsResult) {
  const ProcessResult result = run_sain({"tune", "-m", model(), "--quick"}, {.environment = {{"SAIN_TUNING", "off"}}});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("SAIN_TUNING=off"));
  EXPECT_EQ(run_sain({"tune", "-m", "/no/such.gguf"}, {.environment = {{"SAIN_TUNING", file()}}}).exit_code, 1);
  EXPECT_EQ(sain({"tune", "--reps", "0"}).exit_code, 2);
}

}  // namespace
}  // namespace sain::test
