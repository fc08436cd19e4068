#include "engine/tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/cache_dir.h"
#include "engine/cpu/forward.h"
#include "engine/cpu_count.h"
#include "engine/session.h"
#include "engine/tuning_file.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain::engine {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TemporaryFolder;
using testing::TinyModel;

const MachineIdentity kHere = {"Some CPU (cpu family 1, model 2)", 6, kernels::Isa::kAvx2};

json valid_file() {
  return {{"version", 1},
          {"machine", {{"cpu", kHere.cpu}, {"cores", 6}, {"isa", "avx2"}}},
          {"tuning", {{"isa", "scalar"}, {"spin_us", 7}}}};
}

/// The tuning of a file of which one value is another; null takes the value away.
Result<std::optional<Tuning>> parse_with(const std::string& pointer, const json& value) {
  json file = valid_file();
  file[json::json_pointer(pointer)] = value;
  return parse_tuning(file.dump(), "t.json", kHere);
}

void expect_corrupt(const Result<std::optional<Tuning>>& parsed, const std::string& message) {
  ASSERT_FALSE(parsed) << message;
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(parsed.error().message, message);
}

TEST(Tuning, DefaultsAreWithinTheBounds) {
  EXPECT_TRUE(check_tuning({}));
  EXPECT_EQ(tuning_changes({}), "");
  EXPECT_EQ(tuning_changes({.isa = kernels::Isa::kAvx2, .spin_us = 7, .tile_blocks = 32}),
            "isa avx2, spin_us 7, tile_blocks 32");
}

TEST(Tuning, NamesTheFieldThatIsOutOfBounds) {
  const Status status = check_tuning({.tile_blocks = 20});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(status.error().message, "tuning.tile_blocks: expected a multiple of 8 from 8 to 32, found 20");
}

TEST(TuningFile, ComesBackAsItWasWritten) {
  const TemporaryFolder folder;
  TuningFile content{.machine = kHere, .tuning = {.isa = kernels::Isa::kScalar}, .model = "m\xff"};
  for (const TuningField& field : tuning_fields()) {
    content.tuning.*field.value = field.most;
    EXPECT_NE(content.tuning.*field.value, Tuning().*field.value) << field.name;
  }
  const auto file = folder / "new" / "tuning.json";
  ASSERT_TRUE(write_tuning(file, content));
  const auto read = read_tuning(file, kHere);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, content.tuning);
}

TEST(TuningFile, WhatIsNotThereHasItsDefault) {
  const auto parsed = parse_with("/tuning/later_parameter", 3);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(**parsed, (Tuning{.isa = kernels::Isa::kScalar, .spin_us = 7}));
}

TEST(TuningFile, IsAsIfNotThereOnAnotherMachineOrOfAnotherVersion) {
  for (const auto& [pointer, value] : std::map<std::string, json>{{"/version", 2},
                                                                  {"/machine/cpu", "Another CPU"},
                                                                  {"/machine/cores", 7},
                                                                  {"/machine/isa", "avx512"},
                                                                  {"/machine/isa", 5},
                                                                  {"/machine/more", 1}}) {
    json file = valid_file();
    file[json::json_pointer(pointer)] = value;
    file["tuning"]["spin_us"] = "not looked at";
    const auto parsed = parse_tuning(file.dump(), "t.json", kHere);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_FALSE(*parsed) << pointer;
  }
  const TemporaryFolder folder;
  const auto missing = read_tuning(folder / "none.json", kHere);
  ASSERT_TRUE(missing) << missing.error().message;
  EXPECT_FALSE(*missing);
}

TEST(TuningFile, ADamagedOneIsAnErrorThatNamesTheField) {
  expect_corrupt(parse_tuning("", "t.json", kHere), "t.json: expected JSON, found something else");
  expect_corrupt(parse_tuning("{\"version\": 1", "t.json", kHere), "t.json: expected JSON, found something else");
  expect_corrupt(parse_tuning(std::string(60000, '['), "t.json", kHere), "t.json: expected JSON, found something else");
  expect_corrupt(parse_tuning("[1]", "t.json", kHere), "t.json: the file: expected an object, found array");
  expect_corrupt(parse_tuning("{}", "t.json", kHere), "t.json: version: expected a number, found null");
  expect_corrupt(parse_with("/version", "1"), "t.json: version: expected a number, found \"1\"");
  expect_corrupt(parse_with("/machine", 3), "t.json: machine: expected an object, found 3");
  expect_corrupt(parse_with("/tuning", nullptr), "t.json: tuning: expected an object, found null");
  expect_corrupt(parse_with("/tuning/isa", "avx3"),
                 "t.json: tuning.isa: expected auto, scalar, neon, avx2, avx_vnni or avx512, found \"avx3\"");
  expect_corrupt(parse_with("/tuning/isa", json::array({std::string(1000, 'x')})),
                 "t.json: tuning.isa: expected auto, scalar, neon, avx2, avx_vnni or avx512, found array");
  expect_corrupt(
      parse_with("/tuning/spin_us", std::string(1000, 'x')),
      "t.json: tuning.spin_us: expected an integer from 0 to 10000, found \"" + std::string(56, 'x') + "...");
}

TEST(TuningFile, TakesNumbersWithinTheBoundsAlone) {
  for (const TuningField& field : tuning_fields()) {
    const std::string pointer = "/tuning/" + std::string(field.name);
    for (const uint32_t good : {field.least, field.most}) {
      const auto parsed = parse_with(pointer, good);
      ASSERT_TRUE(parsed) << parsed.error().message;
      EXPECT_EQ((**parsed).*field.value, good);
    }
    for (const json& bad : {json(int64_t{field.least} - 1), json(field.most + field.step), json(uint64_t{1} << 32),
                            json(std::numeric_limits<uint64_t>::max()), json(-1), json(16.5), json(1e300), json(true),
                            json("16"), json::array(), json::object()}) {
      const auto parsed = parse_with(pointer, bad);
      ASSERT_FALSE(parsed) << pointer << " " << bad;
      EXPECT_THAT(parsed.error().message, StartsWith("t.json: tuning." + std::string(field.name) + ": expected "));
    }
    EXPECT_EQ(parse_with(pointer, field.least + field.step + 1).has_value(), field.step == 1) << pointer;
  }
}

TEST(TuningFile, ReadsNoMoreThanATuningCanHave) {
  const TemporaryFolder folder;
  const auto file = folder.write("tuning.json", std::string(65537, ' '));
  expect_corrupt(read_tuning(file, kHere), file.string() + ": expected at most 65536 bytes, found more");
  const auto full = folder.write("full.json", valid_file().dump() + std::string(65000, ' '));
  EXPECT_TRUE(read_tuning(full, kHere));
  const auto is_folder = read_tuning(folder.path(), kHere);
  ASSERT_FALSE(is_folder);
  EXPECT_EQ(is_folder.error().code, ErrorCode::kIo);
}

TEST(TuningFile, AMachineIsKnownByItsProcessor) {
  const TemporaryFolder root;
  EXPECT_EQ(identify_machine(root.path()).cpu, "unknown");
  EXPECT_EQ(identify_machine(root.path()).n_cores, available_cores());
  EXPECT_EQ(identify_machine(root.path()).isa, kernels::best_isa());
  std::filesystem::create_directory(root / "proc");
  root.write("proc/cpuinfo",
             "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD \"E\"\xff\x1bPYC\nflags\t\t: fpu\n\n"
             "processor\t: 1\nmodel name\t: Other\n\n");
  EXPECT_EQ(identify_machine(root.path()).cpu, "AMD \"E\"PYC (cpu family 25, model 17)");
  root.write("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 50.0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n");
  EXPECT_EQ(identify_machine(root.path()).cpu, "unknown (CPU implementer 0x41, CPU part 0xd0c)");
}

/// Sets an environment variable for a test.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    const char* old = std::getenv(name);
    was_set_ = old != nullptr;
    if (was_set_) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Environment() { was_set_ ? setenv(name_, old_.c_str(), 1) : unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::string old_;
  bool was_set_ = false;
};

TEST(LocalTuning, FollowsTheEnvironment) {
  const TemporaryFolder folder;
  const auto file = folder / "t.json";
  const Tuning tuning = {.isa = kernels::Isa::kScalar, .spin_us = 7};
  ASSERT_TRUE(write_tuning(file, {.machine = identify_machine(), .tuning = tuning}));
  {
    const Environment none("SAIN_TUNING", "");
    EXPECT_EQ(tuning_path(), cache_dir() / "tuning.json");
  }
  const Environment path("SAIN_TUNING", file.string());
  {
    const Environment isa("SAIN_ISA", "avx2");
    EXPECT_EQ(*local_tuning(), (Tuning{.spin_us = 7}));
  }
  unsetenv("SAIN_ISA");
  EXPECT_EQ(*local_tuning(), tuning);
  {
    const Environment off("SAIN_TUNING", "off");
    EXPECT_EQ(tuning_path(), std::nullopt);
    EXPECT_EQ(*local_tuning(), Tuning());
  }
  folder.write("t.json", "{");
  const auto damaged = local_tuning();
  ASSERT_FALSE(damaged);
  EXPECT_THAT(damaged.error().message, StartsWith(file.string()));
}

TEST(PrefillBatch, FollowsFromTheMemoryOfActivations) {
  ModelConfig config;  // the 1B of `sain make-model`: 108 KiB of activations a token
  config.d_model = 2048;
  config.d_ff = 8192;
  config.n_heads = 32;
  config.n_kv_heads = 8;
  config.head_dim = 64;
  const auto batch = [&](uint32_t mib) { return cpu::prefill_batch(config, {.activation_mib = mib}); };
  EXPECT_EQ(batch(1), 96u);
  EXPECT_EQ(batch(16), 144u);
  EXPECT_EQ(batch(32), 288u);
  EXPECT_EQ(batch(256), 480u);
}

/// What the products of a Matmul asked of their kernel.
std::mutex calls_mutex;
std::vector<kernels::GemmPackedArgs> calls;

TEST(TunedMatmul, HandsTheTuningToItsKernels) {
  constexpr size_t kRows = 16 * 64, kCols = 32, kTokens = 9;
  kernels::KernelSet kernels = kernels::select_kernels(kernels::Isa::kScalar);
  kernels.gemm_packed = kernels.gemm_packed.with(DType::kQ4_0, [](const kernels::GemmPackedArgs& args) {
    const std::lock_guard lock(calls_mutex);
    calls.push_back(args);
  });
  const std::vector<std::byte> packed(kRows * row_bytes(DType::kQ4_0, kCols));
  WeightMatrix w;
  w.dtype = DType::kQ4_0;
  w.rows = kRows;
  w.cols = kCols;
  w.packed = packed.data();
  std::vector<float> x(kTokens * kCols), y(kTokens * kRows);
  for (const uint32_t ranges_per_thread : {1u, 4u, 16u}) {
    calls.clear();
    ThreadPool pool(2);
    const Tuning tuning = {.ranges_per_thread = ranges_per_thread, .tile_blocks = 24, .read_ahead_bytes = 128};
    auto matmul = cpu::Matmul::create(kernels, pool, cpu::Arithmetic::kInt8, kCols, kTokens, tuning);
    ASSERT_TRUE(matmul) << matmul.error().message;
    (*matmul)({{{&w, nullptr, {y.data(), kTokens, kRows, kRows}}}}, {x.data(), kTokens, kCols, kCols});
    EXPECT_EQ(calls.size(), 2 * ranges_per_thread);
    for (const kernels::GemmPackedArgs& args : calls) {
      EXPECT_EQ(args.tile_blocks, 24u);
      EXPECT_EQ(args.read_ahead, 128u);
    }
  }
}

class TunedSession : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = Model::load({.path = TinyModel().write(folder_ / "tiny.gguf")});
    ASSERT_TRUE(loaded) << loaded.error().message;
    model_.emplace(*std::move(loaded));
  }

  testing::TemporaryFolder folder_;
  std::optional<Model> model_;
};

TEST_F(TunedSession, RefusesWhatIsOutOfBounds) {
  ThreadPool pool(1);
  const auto session = Session::create(*model_, pool, {.tuning = {.tile_blocks = 0}});
  ASSERT_FALSE(session);
  EXPECT_THAT(session.error().message, HasSubstr("tuning.tile_blocks: expected a multiple of 8 from 8 to 32, found 0"));
}

}  // namespace
}  // namespace sain::engine
