// R37: files that another program cuts in place while they are mapped, in the middle of a load and after it. Without a
// guard each of these ends the process (SIGBUS).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "engine/model.h"
#include "engine/packed_weights.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tests/support/random_blocks.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace sain {
namespace {

namespace fs = std::filesystem;
using engine::Model;
using engine::Packing;
using ::testing::HasSubstr;

class NoSink : public engine::TokenSink {
 public:
  void on_text(std::string_view) override {}
};

/// A model of some pages, most of whose matrices have a packed form.
class CutInUseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::TinyModel tiny;
    for (auto& [name, tensor] : tiny.tensors) {
      if (tensor.shape.size() < 2 || tensor.shape[0] != testing::TinyModel::kModel) continue;
      tensor.dtype = DType::kQ4_0;
      tensor.data = testing::random_blocks(DType::kQ4_0, tensor.shape[0] * tensor.shape[1], 1);
    }
    tiny.write(model_);
  }

  Result<Model> load(Packing packing, std::function<void(double)> on_progress = {}) {
    return Model::load({.path = model_, .packing = packing, .on_progress = std::move(on_progress)});
  }

  static void cut(const fs::path& file) { fs::resize_file(file, 4096); }

  static Status generate(const Model& model) {
    engine::ThreadPool pool(1);
    auto session = engine::Session::create(model, pool);
    if (!session) return session.error();
    NoSink sink;
    const auto answer = session->generate(testing::some_tokens(8), {.max_tokens = 4}, {}, sink);
    return answer ? Status() : answer.error();
  }

  static void expect_unreadable(const Status& status, const fs::path& file) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kIo) << status.error().message;
    EXPECT_THAT(status.error().message, HasSubstr(file.string() + ": cannot be read any more"));
  }

  static Status status_of(const Result<Model>& model) { return model ? Status() : model.error(); }

  testing::TemporaryFolder folder_;
  const fs::path model_ = folder_ / "model.gguf", sidecar_ = folder_ / "model.gguf.packed";
};

TEST_F(CutInUseTest, TheModelWhileItIsPackedIntoMemory) {
  expect_unreadable(status_of(load(Packing::kMemory, [&](double) { cut(model_); })), model_);
}

TEST_F(CutInUseTest, TheModelWhileItsSidecarIsWritten) {
  expect_unreadable(status_of(load(Packing::kSidecar, [&](double) { cut(model_); })), model_);
  EXPECT_FALSE(fs::exists(sidecar_)) << "it would be one of zeros";
}

TEST_F(CutInUseTest, TheSidecarWhileItIsRead) {
  ASSERT_TRUE(load(Packing::kSidecar));
  // Threads read the matrices, so that all may have been read before the first report.
  const auto model = load(Packing::kSidecar, [&](double) { cut(sidecar_); });
  expect_unreadable(model ? generate(*model) : model.error(), sidecar_);
  EXPECT_TRUE(load(Packing::kSidecar)) << "it is made anew";
}

TEST_F(CutInUseTest, TheModelAfterTheLoad) {
  const auto model = load(Packing::kNone);
  ASSERT_TRUE(model);
  ASSERT_TRUE(generate(*model));
  cut(model_);
  expect_unreadable(generate(*model), model_);
  expect_unreadable(model->status(), model_);
}

TEST_F(CutInUseTest, TheSidecarAfterTheLoad) {
  const auto model = load(Packing::kSidecar);
  ASSERT_TRUE(model);
  ASSERT_TRUE(generate(*model));
  cut(sidecar_);
  expect_unreadable(generate(*model), sidecar_);
}

TEST_F(CutInUseTest, TheModelInTheMiddleOfAnAnswer) {
  const auto model = load(Packing::kNone);
  ASSERT_TRUE(model);
  engine::ThreadPool pool(1);
  auto session = engine::Session::create(*model, pool);
  ASSERT_TRUE(session);
  class Cutter : public engine::TokenSink {
   public:
    explicit Cutter(const fs::path& file) : file_(file) {}
    void on_text(std::string_view) override {
      ++n_tokens;
      cut(file_);
    }
    int n_tokens = 0;

   private:
    const fs::path& file_;
  } sink(model_);
  const auto answer = session->generate(testing::some_tokens(8), {.max_tokens = 8, .ignore_end = true}, {}, sink);
  expect_unreadable(answer ? Status() : answer.error(), model_);
  EXPECT_EQ(sink.n_tokens, 1) << "nothing that is made of zeros is said";
}

TEST_F(CutInUseTest, AReplacementByRenamingChangesNothing) {
  const auto model = load(Packing::kNone);
  ASSERT_TRUE(model);
  testing::TinyModel("llama", 2).write(folder_ / "other.gguf");
  fs::rename(folder_ / "other.gguf", model_);
  EXPECT_TRUE(generate(*model));
  EXPECT_TRUE(model->status());
}

}  // namespace
}  // namespace sain
