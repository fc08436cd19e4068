#include "engine/prefix_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <numeric>
#include <random>

#include "formats/gguf_writer.h"
#include "tests/support/kv_conversation.h"
#include "tests/support/temporary_folder.h"

namespace sain::engine {
namespace {

using formats::GgufFile;
using formats::Token;
using ::testing::HasSubstr;
using testing::kv_stop;
using testing::KvConversation;
using testing::read_whole_file;
using testing::TemporaryFolder;

class PrefixFileTest : public ::testing::Test {
 protected:
  /// Of the conversation's first n positions.
  KvPrefix prefix(size_t n = 45) {
    conversation_.append(n - 10, 0);
    EXPECT_TRUE(conversation_.cache().share());
    conversation_.append(10, 500);
    return *conversation_.cache().share();
  }

  static std::vector<Token> tokens(size_t n = 45) {
    std::vector<Token> tokens(n);
    std::iota(tokens.begin(), tokens.end(), 7);
    return tokens;
  }

  Result<KvPrefix> read(const std::string& bytes, const KvLayout& layout) const {
    SAIN_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::parse(std::as_bytes(std::span(bytes)), "a.gguf"));
    return read_prefix(file, layout);
  }

  /// A valid file with one value changed, for which its message must account.
  void expect_refused(const std::string& key, const auto& value, ErrorCode code, const std::string& message) {
    const KvPrefix whole = prefix();
    ASSERT_TRUE(write_prefix_file(path_, "abc", tokens(), whole));
    const auto file = GgufFile::open(path_);
    ASSERT_TRUE(file) << file.error().message;
    formats::GgufWriter writer;
    for (const auto& [name, old] : file->metadata().entries()) {
      if (name != "general.alignment") writer.set(name, old);
    }
    writer.set(key, value);
    for (const formats::TensorInfo& tensor : file->tensors()) writer.add_tensor(tensor);
    const auto found = read(*writer.to_bytes(), whole.layout);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, code) << found.error().message;
    EXPECT_THAT(found.error().message, HasSubstr("a.gguf: " + key + ": " + message));
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "prefix.gguf";
  KvConversation conversation_{kv_stop(200)};
};

TEST_F(PrefixFileTest, GivesBackWhatWasWritten) {
  const KvPrefix written = prefix();
  ASSERT_TRUE(write_prefix_file(path_, "abc", tokens(), written));
  const auto file = GgufFile::open(path_);
  ASSERT_TRUE(file) << file.error().message;
  const auto header = read_prefix_header(*file);
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(header->id, "abc");
  EXPECT_EQ(header->tokens, tokens());
  // Layers with a window have what the ring had when it was shared: 22 positions before the 35th, and all since.
  EXPECT_EQ(header->firsts, (std::vector<uint64_t>{0, 13}));
  const auto read = read_prefix(*file, written.layout);
  ASSERT_TRUE(read) << read.error().message;
  KvConversation other(kv_stop(100));
  ASSERT_TRUE(other.adopt(*read, conversation_));
  other.check();
  other.append_and_check(40, 900);
}

TEST_F(PrefixFileTest, IsItsOwnersAlone) {
  ASSERT_TRUE(write_prefix_file(path_, "abc", tokens(), prefix()));
  struct stat info;
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(PrefixFileTest, AFolderThatIsNotThereIsAnError) {
  const Status status = write_prefix_file(folder_ / "none" / "a.gguf", "abc", tokens(), prefix());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("none/a.gguf"));
}

TEST_F(PrefixFileTest, AnyDamageIsFound) {
  const KvPrefix written = prefix();
  ASSERT_TRUE(write_prefix_file(path_, "abc", tokens(), written));
  const std::string bytes = read_whole_file(path_);
  ASSERT_TRUE(read(bytes, written.layout));
  for (size_t length = 0; length < bytes.size(); length += 997)
    EXPECT_FALSE(read(bytes.substr(0, length), written.layout));
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = bytes;
    const size_t at = random() % bytes.size();
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << random() % 8);
    const auto found = read(damaged, written.layout);
    if (!found) continue;
    // Padding, the id, or a name that does not matter.
    const auto file = GgufFile::parse(std::as_bytes(std::span(damaged)), "a.gguf");
    EXPECT_EQ(read_prefix_header(*file)->tokens, tokens()) << "byte " << at;
    KvConversation other(kv_stop(100));
    ASSERT_TRUE(other.adopt(*found, conversation_));
    other.check();
  }
}

TEST_F(PrefixFileTest, RefusesOtherFiles) {
  expect_refused("general.architecture", "llama", ErrorCode::kCorrupt, "expected sain-prefix, found llama");
}
TEST_F(PrefixFileTest, RefusesOtherVersions) {
  expect_refused("sain.prefix.version", 9u, ErrorCode::kUnsupported, "expected 1, found 9");
}
TEST_F(PrefixFileTest, RefusesNoTokens) {
  expect_refused("sain.prefix.tokens", std::vector<int32_t>(), ErrorCode::kCorrupt, "expected at least one");
}
TEST_F(PrefixFileTest, RefusesTokensThatAreNone) {
  expect_refused("sain.prefix.tokens", std::vector<int64_t>{int64_t{1} << 40}, ErrorCode::kCorrupt,
                 "expected ids of 32 bits, found 1099511627776");
}
TEST_F(PrefixFileTest, RefusesOtherGroups) {
  expect_refused("sain.prefix.firsts", std::vector<uint64_t>{0}, ErrorCode::kCorrupt, "expected 2 positions, found 1");
}
TEST_F(PrefixFileTest, RefusesWhatLacksSeenPositions) {
  expect_refused("sain.prefix.firsts", std::vector<uint64_t>{0, 31}, ErrorCode::kCorrupt,
                 "expected at most 30, found 31");
}
TEST_F(PrefixFileTest, RefusesAnotherChecksum) {
  expect_refused("sain.prefix.checksum", std::string(32, '0'), ErrorCode::kCorrupt,
                 "expected 00000000000000000000000000000000, found ");
}

TEST_F(PrefixFileTest, RefusesAnotherLayout) {
  const KvPrefix written = prefix();
  ASSERT_TRUE(write_prefix_file(path_, "abc", tokens(), written));
  KvLayout layout = written.layout;
  layout.n_kv_heads = 1u << 30;  // not allocated before it is refused
  const auto file = GgufFile::open(path_);
  ASSERT_TRUE(file);
  const auto found = read_prefix(*file, layout);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(found.error().message, HasSubstr("rows.0: expected 3092376453120 bytes, found 5760"));
}

}  // namespace
}  // namespace sain::engine
