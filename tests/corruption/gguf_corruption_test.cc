// A corpus of damaged GGUF files, made on the spot: cut at every 1/64 of the length, and every header field damaged.
// Each must either give an Error that names the file or, where the damage leaves a legal file, open. Run it under
// AddressSanitizer and UndefinedBehaviorSanitizer: that nothing crashes is half of the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/mapped_file.h"
#include "router/catalog.h"
#include "tests/support/gguf_fields.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_gguf.h"

namespace sain {
namespace {

using formats::GgufFile;
using testing::GgufField;
using ::testing::HasSubstr;

constexpr uint64_t kAllOnes = ~uint64_t{0};

/// The values that a field of `size` bytes is damaged with: extremes, neighbours, each of some bits flipped.
std::set<uint64_t> damaged_values(uint64_t original, size_t size) {
  const uint64_t mask = size == 8 ? kAllOnes : (uint64_t{1} << 8 * size) - 1;
  std::set<uint64_t> values = {0, mask, mask >> 1, (mask >> 1) + 1, (original + 1) & mask, (original - 1) & mask};
  for (const size_t bit : {0, 1, 4, 7, 15, 31, 40, 63}) {
    if (bit < 8 * size) values.insert(original ^ uint64_t{1} << bit);
  }
  values.erase(original);
  return values;
}

bool ends_with(const std::string& name, std::string_view suffix) {
  return name.ends_with(suffix);
}

/// Whether a file whose field `name` holds `value` cannot be legal, whatever else it holds.
bool must_be_refused(const std::string& name, uint64_t value, size_t size) {
  const uint64_t largest = size == 8 ? kAllOnes : (uint64_t{1} << 8 * size) - 1;
  if (name == "magic") return true;
  if (name == "version") return value != 2 && value != 3;
  if (name == "n_entries") return true;  // what follows is then read as something that it is not
  if (name == "n_tensors") return value > 1000;
  if (ends_with(name, " length")) return value == 0 || value > 65535;  // of a key or of a tensor's name
  if (ends_with(name, ".length") || ends_with(name, ".count")) return value > 1u << 30;
  if (ends_with(name, ".type") || ends_with(name, ".element_type")) return value > 12;
  if (ends_with(name, ".n_dims")) return value < 1 || value > 4;
  if (name.size() > 5 && name.compare(name.size() - 5, 4, ".dim") == 0) return value == 0 || value >= largest / 2;
  if (ends_with(name, ".dtype")) return value > 100;
  if (ends_with(name, ".offset")) return value % 32 != 0 || value >= largest / 2;
  if (ends_with(name, "add_bos_token.value") || ends_with(name, "bools[0]")) return value > 1;
  return false;
}

struct Tally {
  size_t refused = 0;
  size_t opened = 0;
};

/// Damages `field` of `bytes` in every way, restoring it afterwards.
void damage_field(std::span<std::byte> bytes, const GgufField& field, Tally& tally) {
  if (field.bytes == 0) return;
  const size_t size = std::min<size_t>(field.bytes, 8);  // of a text the first bytes
  std::byte* const at = bytes.data() + field.position;
  uint64_t original = 0;
  std::memcpy(&original, at, size);
  for (const uint64_t value : damaged_values(original, size)) {
    std::memcpy(at, &value, size);
    const auto file = GgufFile::parse(bytes, "corpus/damaged.gguf");
    if (file) {
      ++tally.opened;
      EXPECT_FALSE(must_be_refused(field.name, value, size)) << field.name << " = " << value << " opened";
    } else {
      ++tally.refused;
      EXPECT_THAT(file.error().message, HasSubstr("corpus/damaged.gguf")) << field.name << " = " << value;
      // The file's name, then the field, then the fault.
      EXPECT_GT(file.error().message.size(), sizeof("corpus/damaged.gguf") + 10);
    }
  }
  std::memcpy(at, &original, size);
}

TEST(GgufCorruption, AFileCutAtEvery64thIsRefused) {
  const testing::TemporaryFolder folder;
  const std::string bytes = *testing::tiny_llama().to_bytes();
  ASSERT_LT(bytes.size(), 100000u);
  for (size_t i = 0; i < 64; ++i) {
    const auto path =
        folder.write(fmt::format("cut-{}.gguf", i), std::string_view(bytes).substr(0, bytes.size() * i / 64));
    const auto file = GgufFile::open(path);
    ASSERT_FALSE(file) << i;
    EXPECT_THAT(file.error().message, HasSubstr(path.string() + ": ")) << i;
  }
  EXPECT_TRUE(GgufFile::open(folder.write("whole.gguf", bytes)));
}

TEST(GgufCorruption, EveryPartOfASplitModelCutAtEvery64thIsRefused) {
  const testing::TemporaryFolder folder;
  const auto first = testing::tiny_llama().write(folder / "m.gguf", {.n_parts = 2});
  ASSERT_TRUE(first) << first.error().message;
  const auto second = folder / "m-00002-of-00002.gguf";
  for (const auto& part : {*first, second}) {
    const std::string bytes = testing::read_whole_file(part);
    for (size_t i = 0; i < 64; ++i) {
      folder.write(part.filename().string(), std::string_view(bytes).substr(0, bytes.size() * i / 64));
      const auto file = GgufFile::open(*first);
      ASSERT_FALSE(file) << part << " " << i;
      EXPECT_THAT(file.error().message, HasSubstr(part.string() + ": ")) << i;
    }
    folder.write(part.filename().string(), bytes);
    EXPECT_TRUE(GgufFile::open(*first));
  }
}

TEST(GgufCorruption, EveryHeaderFieldDamaged) {
  std::string bytes = *testing::tiny_llama().to_bytes();
  const std::vector<GgufField> fields = testing::list_gguf_fields(bytes);
  ASSERT_GT(fields.size(), 150u);
  Tally tally;
  for (const GgufField& field : fields) damage_field(std::as_writable_bytes(std::span(bytes)), field, tally);
  EXPECT_TRUE(GgufFile::parse(std::as_bytes(std::span(bytes)), "restored"));
  EXPECT_GT(tally.refused, 1000u);
  EXPECT_GT(tally.opened, 100u);
}

TEST(GgufCorruption, EveryByteOfTheTensorTableDamaged) {
  std::string bytes = *testing::tiny_llama().to_bytes();
  const std::vector<GgufField> fields = testing::list_gguf_fields(bytes);
  size_t begin = 0;
  for (const GgufField& field : fields) {
    if (field.name == "tensor 0 length") begin = field.position;
  }
  for (size_t i = begin; i < fields.back().position; ++i) {
    for (const char damage : {'\x01', '\x80', '\xff'}) {
      bytes[i] = static_cast<char>(bytes[i] ^ damage);
      const auto file = GgufFile::parse(std::as_bytes(std::span(bytes)), "corpus/byte.gguf");
      if (!file) {
        EXPECT_THAT(file.error().message, HasSubstr("corpus/byte.gguf: ")) << i;
      }
      bytes[i] = static_cast<char>(bytes[i] ^ damage);
    }
  }
}

TEST(GgufCorruption, ARealHeaderDamaged) {
  const auto path = router::resolve_model("smollm2-135m-instruct");
  if (!path) GTEST_SKIP() << path.error().message;
  const auto original = formats::MappedFile::open(*path);
  ASSERT_TRUE(original) << original.error().message;
  std::vector<std::byte> bytes(original->bytes().begin(), original->bytes().end());
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::vector<GgufField> fields = testing::list_gguf_fields(text);
  Tally tally;
  size_t n_tensor_fields = 0;
  bool in_tensors = false;
  for (const GgufField& field : fields) {
    in_tensors = in_tensors || field.name == "tensor 0 length";
    // All of the metadata; of the 272 tensors, which are alike, each 37th field.
    if (in_tensors && n_tensor_fields++ % 37 != 0) continue;
    damage_field(bytes, field, tally);
  }
  EXPECT_GT(tally.refused, 1000u);
  const size_t header_bytes = fields.back().position;
  for (size_t i = 0; i < 64; ++i) {
    const auto file = GgufFile::parse(std::span(bytes).first(header_bytes * i / 64), "corpus/real.gguf");
    ASSERT_FALSE(file) << i;
    EXPECT_THAT(file.error().message, HasSubstr("corpus/real.gguf: "));
  }
}

}  // namespace
}  // namespace sain
