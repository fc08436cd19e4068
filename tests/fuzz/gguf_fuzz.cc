// Any bytes as a GGUF file: an Error that names the file, or a file all of which can be read and written again.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"

namespace {

using namespace sain;
using namespace sain::formats;

/// Calls every accessor; what they return does not matter, their messages must name the file.
void read_metadata(const Metadata& metadata) {
  for (const auto& [key, value] : metadata.entries()) {
    SAIN_CHECK(metadata.find(key) == &value);
    SAIN_CHECK(!summary(value).empty());
    const auto check = [](const auto& result) {
      SAIN_CHECK(result || result.error().message.find("fuzz.gguf: ") != std::string::npos);
    };
    check(metadata.u32(key));
    check(metadata.u64(key));
    check(metadata.f32(key));
    check(metadata.boolean(key));
    check(metadata.string(key));
    check(metadata.strings(key));
    check(metadata.f32s(key));
    check(metadata.integers(key));
  }
}

size_t sum_of_bytes(const GgufFile& file) {
  size_t sum = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    SAIN_CHECK(file.find_tensor(tensor.name) == &tensor);
    for (size_t i = 0; i < tensor.bytes; ++i) sum += static_cast<size_t>(tensor.data[i]);
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = GgufFile::parse(std::as_bytes(std::span(data, size)), "fuzz.gguf");
  if (!file) {
    SAIN_CHECK(file.error().message.starts_with("fuzz.gguf: "));
    return 0;
  }
  read_metadata(file->metadata());
  const size_t sum = sum_of_bytes(*file);

  GgufWriter writer;
  for (const auto& [key, value] : file->metadata().entries()) writer.set(key, value);
  for (const TensorInfo& tensor : file->tensors()) writer.add_tensor(tensor);
  const auto bytes = writer.to_bytes({.version = file->version()});
  SAIN_CHECK(bytes);
  const auto again = GgufFile::parse(std::as_bytes(std::span(*bytes)), "again.gguf");
  SAIN_CHECK(again);
  SAIN_CHECK(again->tensors().size() == file->tensors().size());
  SAIN_CHECK(sum_of_bytes(*again) == sum);
  return 0;
}
