// R37: faults on real models, from the request to its answer. Whatever happens to a specialist, to memory or to the
// disk, somebody answers, says in a sentence who could not, and the memory comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "engine/packed_weights.h"
#include "formats/gguf.h"
#include "router/catalog.h"
#include "router/monitoring/process_memory.h"
#include "router/routed_chat.h"
#include "tests/support/subprocess.h"
#include "tests/support/temporary_folder.h"

namespace sain::router {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr SpecialistId kSpecialist{1};
constexpr const char* kModel = "gemma-3-270m";  // of the specialist

/// A limit of the process for as long as this lives.
class Limit {
 public:
  Limit(__rlimit_resource resource, rlim_t most) : resource_(resource) {
    getrlimit(resource_, &old_);
    const rlimit limit = {.rlim_cur = most, .rlim_max = old_.rlim_max};
    EXPECT_EQ(setrlimit(resource_, &limit), 0);
  }
  ~Limit() { setrlimit(resource_, &old_); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

 private:
  __rlimit_resource resource_;
  rlimit old_ = {};
};

/// Bytes of address space in use.
uint64_t address_space_bytes() {
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

/// Without what the heap has free and keeps, which differs from one load to the next.
uint64_t resident_bytes() {
  malloc_trim(0);
  return rss_bytes();
}

/// Whether a process has a file in `folder` open for writing.
bool writes(pid_t pid, const fs::path& folder) {
  std::error_code ignored;
  for (const auto& file : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", ignored)) {
    const bool is_writable = (file.symlink_status(ignored).permissions() & fs::perms::owner_write) != fs::perms::none;
    if (is_writable && fs::read_symlink(file.path(), ignored).string().starts_with(folder.string())) return true;
  }
  return false;
}

/// The assistant from the cache, and a specialist in a folder of its own, whose files may be damaged.
class RealFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto model = resolve_model(kModel);
    ASSERT_TRUE(model) << model.error().message;
    fs::copy_file(*model, model_);
    Config config;
    config.file = "sain.toml";
    config.directory = folder_.path();
    config.context_length = 512;
    config.unload_after_answer = true;
    config.talk_after_ms = 0;
    config.assistant = {.name = "Ada", .model = "smollm2-135m-instruct", .max_tokens = 8};
    config.specialists.push_back({.name = "gemma", .model = "model.gguf", .max_tokens = 8});
    RoutedChatOptions options;
    options.snapshots = folder_ / "prefixes";
    auto chat = RoutedChat::open(config, options);
    ASSERT_TRUE(chat) << chat.error().message;
    chat_ = *std::move(chat);
    before_ = chat_->residency().used_bytes();
    ask({}, {}, "@assistant Name the days of the week.");
    ask();  // makes the sidecar
    ask();
    ASSERT_EQ(by_, kSpecialist);
    said_ = text_;
    rss_ = resident_bytes();
  }

  /// A request to the specialist, in a conversation of its own, which has to end with an answer, or in one that says
  /// that there is no memory, where even the assistant may have none.
  void ask(const std::function<void(const Event&)>& on_event = {}, std::stop_token stop = {},
           std::string_view request = "@gemma Name the days of the week.") {
    Conversation conversation;
    fallback_ = {}, by_ = kAssistant, text_ = {};
    size_t n_ends = 0;
    const Status status = chat_->team()->coordinator().handle(
        conversation, request, {},
        [&](const Event& event) {
          if (const auto* fallback = std::get_if<FallbackEvent>(&event)) fallback_ = *fallback, text_.clear();
          if (const auto* token = std::get_if<TokenEvent>(&event)) text_ += token->text;
          if (const auto* done = std::get_if<DoneEvent>(&event))
            by_ = done->by, finish_ = done->finish_reason, ++n_ends;
          n_ends += std::holds_alternative<ErrorEvent>(event) ? 1 : 0;
          if (on_event) on_event(event);
        },
        stop);
    EXPECT_EQ(n_ends, 1u) << "a request was lost";
    if (!status && has_memory_) ADD_FAILURE() << status.error().message;
    if (!status) {
      EXPECT_EQ(status.error().code, ErrorCode::kResourceExhausted) << status.error().message;
    }
    EXPECT_TRUE(stop.stop_requested() || !status || !text_.empty());
    // A load that was stopped ends on its own.
    while (stop.stop_requested() && chat_->residency().used_bytes() != before_) std::this_thread::yield();
    EXPECT_EQ(chat_->residency().used_bytes(), before_);
  }

  void expect_specialist() {
    ask();
    EXPECT_EQ(by_, kSpecialist) << fallback_.reason;
    EXPECT_EQ(text_, said_);
    EXPECT_LE(static_cast<double>(resident_bytes()), 1.02 * static_cast<double>(rss_)) << "R17: the memory comes back";
  }

  void expect_fallback(const std::string& reason) {
    EXPECT_EQ(by_, kAssistant);
    EXPECT_THAT(fallback_.reason, HasSubstr(reason));
    EXPECT_EQ(fallback_.text, "The gemma specialist could not answer, so I will try myself.");
  }

  /// Calls `act` with each event of one kind.
  template <class E>
  static std::function<void(const Event&)> at(std::function<void(const E&)> act) {
    return [act = std::move(act)](const Event& event) {
      if (const auto* it = std::get_if<E>(&event)) act(*it);
    };
  }

  std::vector<std::string> names_in_folder() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }

  testing::TemporaryFolder folder_;
  const fs::path model_ = folder_ / "model.gguf", sidecar_ = engine::PackedWeights::sidecar_path(model_);
  std::unique_ptr<RoutedChat> chat_;
  uint64_t before_ = 0, rss_ = 0;
  bool has_memory_ = true;
  std::string said_, text_;
  SpecialistId by_ = kAssistant;
  engine::FinishReason finish_ = engine::FinishReason::kStop;
  FallbackEvent fallback_;
};

TEST_F(RealFaultsTest, AFileThatVanishes) {
  fs::rename(model_, folder_ / "away");
  ask();
  expect_fallback("model.gguf");
  fs::rename(folder_ / "away", model_);
  expect_specialist();
}

TEST_F(RealFaultsTest, AFileThatIsCutBeforeTheLoad) {
  const uint64_t size = fs::file_size(model_);
  fs::rename(model_, folder_ / "whole");
  fs::copy_file(folder_ / "whole", model_);
  fs::resize_file(model_, size / 2);
  ask();
  expect_fallback("model.gguf");
  fs::rename(folder_ / "whole", model_);
  expect_specialist();
}

TEST_F(RealFaultsTest, AFileThatIsCutWhileItIsRead) {
  ask(at<StatusEvent>([&](const StatusEvent& event) {
    if (event.kind == StatusEvent::Kind::kLoading && fs::file_size(sidecar_) > 4096) fs::resize_file(sidecar_, 4096);
  }));
  expect_fallback("model.gguf.packed: cannot be read any more");
  expect_specialist();  // it is made anew
}

TEST_F(RealFaultsTest, AFileThatIsCutInTheMiddleOfAnAnswer) {
  ask(at<TokenEvent>([&](const TokenEvent& event) {
    if (event.by == kSpecialist) fs::resize_file(sidecar_, 4096);
  }));
  expect_fallback("model.gguf.packed: cannot be read any more");
  expect_specialist();
}

TEST_F(RealFaultsTest, ASidecarThatBelongsToAnotherModel) {
  const auto hash = [&] {
    const auto file = formats::GgufFile::open(sidecar_);
    EXPECT_TRUE(file);
    return std::string(*file->metadata().string("sain.packed.source.fingerprint"));
  };
  const std::string right = hash();
  std::fstream file(sidecar_, std::ios::in | std::ios::out | std::ios::binary);
  std::string head(4096, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  const size_t place = head.find(right);
  ASSERT_NE(place, std::string::npos);
  file.seekp(static_cast<std::streamoff>(place));
  file << (right[0] == '0' ? '1' : '0');
  file.close();
  ASSERT_NE(hash(), right);
  expect_specialist();
  EXPECT_EQ(hash(), right) << "it was made anew";
}

TEST_F(RealFaultsTest, AllMemoryIsTaken) {
  size_t n_fallbacks = 0;
  const auto ask_with_limits = [&] {
    for (const uint64_t mib : {0, 1, 4, 16, 64, 128, 256, 384, 512, 640, 768}) {
      SCOPED_TRACE(mib);
      const Limit limit(RLIMIT_AS, address_space_bytes() + (mib << 20));
      has_memory_ = mib >= 64;  // the assistant needs 27 MiB for its activations
      ask();
      n_fallbacks += by_ == kAssistant ? 1 : 0;
      EXPECT_EQ(fallback_.reason.empty(), by_ == kSpecialist);
    }
    has_memory_ = true;
    ask();
  };
  ask_with_limits();
  EXPECT_GE(n_fallbacks, 4u) << "the limits are no limits";
  rss_ = resident_bytes();  // the heap has found other places, which it keeps
  ask_with_limits();
  expect_specialist();
}

TEST_F(RealFaultsTest, ALoadThatIsStopped) {
  fs::remove(sidecar_);
  const auto names = names_in_folder();
  std::stop_source stop;
  ask(at<StatusEvent>([&](const StatusEvent& event) {
        if (event.kind == StatusEvent::Kind::kLoading) stop.request_stop();
      }),
      stop.get_token());
  EXPECT_EQ(finish_, engine::FinishReason::kCancelled);
  EXPECT_EQ(names_in_folder(), names) << "nothing half-written is left";
  expect_specialist();
}

TEST_F(RealFaultsTest, AProgramThatIsKilledInTheMiddleOfALoad) {
  fs::remove(sidecar_);
  const auto names = names_in_folder();
  test::Subprocess program({SAIN_PROGRAM, "run", "-m", model_.string(), "-p", "Hello", "-n", "1"});
  while (!writes(program.pid(), folder_.path())) ASSERT_EQ(kill(program.pid(), 0), 0);
  program.send_signal(SIGKILL);
  EXPECT_EQ(program.wait().signal, SIGKILL);
  EXPECT_EQ(names_in_folder(), names) << "nothing half-written is left";
  expect_specialist();
}

TEST_F(RealFaultsTest, AFullDisk) {
  signal(SIGXFSZ, SIG_IGN);
  const testing::TemporaryFolder cache;  // where a sidecar would go instead
  setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  fs::remove(sidecar_);
  fs::remove_all(folder_ / "prefixes");
  {
    const Limit limit(RLIMIT_FSIZE, 1 << 20);
    ask();
    EXPECT_EQ(by_, kSpecialist) << fallback_.reason;
    EXPECT_EQ(text_, said_) << "what cannot be kept is computed again the next time";
  }
  EXPECT_FALSE(fs::exists(sidecar_));
  unsetenv("XDG_CACHE_HOME");
  expect_specialist();
  EXPECT_TRUE(fs::exists(sidecar_));
}

}  // namespace
}  // namespace sain::router
