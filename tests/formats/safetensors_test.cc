#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/support/temporary_folder.h"

namespace sain::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

Result<SafetensorsFile> parse(const std::string& bytes) {
  return SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "a.safetensors");
}

TEST(Safetensors, ReadsWhatIsThere) {
  const std::string bytes = file_of(
      R"({"__metadata__": {"format": "pt"}, "b": {"dtype": "F32", "shape": [1, 2], "data_offsets": [2, 10]},
          "a": {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]}, "none": {"dtype": "F64", "shape": [0],
          "data_offsets": [10, 10]}, "scalar": {"dtype": "BF16", "shape": [], "data_offsets": [0, 2]}})",
      "xy12345678");
  const testing::TemporaryFolder folder;
  for (const auto& file : {parse(bytes), SafetensorsFile::open(folder.write("a.safetensors", bytes))}) {
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_EQ(file->tensors().size(), 4u);
    const SafeTensor& b = file->tensors().at("b");
    EXPECT_EQ(b.dtype, "F32");
    EXPECT_THAT(b.shape, ElementsAre(1, 2));
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(b.data.data()), b.data.size()), "12345678");
    EXPECT_TRUE(file->tensors().at("none").data.empty());
    EXPECT_EQ(file->tensors().at("scalar").data.size(), 2u);
  }
}

TEST(Safetensors, RefusesWhatContradictsItself) {
  const auto entry = [](const std::string& fields) { return file_of("{\"t\": {" + fields + "}}", "12345678"); };
  const struct {
    std::string bytes, message;
  } cases[] = {
      {"", "header: expected a length"},
      {"1234567", "header: expected a length"},
      {std::string(8, '\xff'), "header: expected a length"},
      {file_of("", "").replace(0, 1, "\x05"), "header: expected a length of at most 8 bytes, found 5 in a file of 8"},
      {file_of("[]", ""), "header: expected a JSON object"},
      {file_of("{", ""), "header: expected a JSON object"},
      {file_of(std::string(100000, '['), ""), "header: expected a JSON object"},
      {file_of("{\"t\": 3}", ""), "tensor 't': expected an object"},
      {entry(R"("shape": [2], "data_offsets": [0, 8])"), "dtype: expected a string"},
      {entry(R"("dtype": "F33", "shape": [2], "data_offsets": [0, 8])"), "dtype: found 'F33'"},
      {entry(R"("dtype": "F32", "data_offsets": [0, 8])"), "shape: expected an array"},
      {entry(R"("dtype": "F32", "shape": [-2], "data_offsets": [0, 8])"), "shape: expected whole numbers, found -2"},
      {entry(R"("dtype": "F32", "shape": [2], "data_offsets": [0])"), "data_offsets: expected two"},
      {entry(R"("dtype": "F32", "shape": [2], "data_offsets": [8, 0])"), "lie within 8 bytes, found [8,0]"},
      {entry(R"("dtype": "F32", "shape": [3], "data_offsets": [0, 12])"), "lie within 8 bytes, found [0,12]"},
      {entry(R"("dtype": "F32", "shape": [3], "data_offsets": [0, 8])"), "expected 12 bytes, as type and shape say"},
      {entry(R"("dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 8])"), "too large"},
  };
  for (const auto& c : cases) {
    const auto file = parse(c.bytes);
    ASSERT_FALSE(file) << c.message;
    EXPECT_THAT(file.error().message, HasSubstr("a.safetensors: "));
    EXPECT_THAT(file.error().message, HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace sain::formats
