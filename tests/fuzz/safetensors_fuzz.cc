// Any bytes as a safetensors file: an Error that names the file, or tensors all of which can be read.
#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sain;
  const auto file = formats::SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "fuzz.safetensors");
  if (!file) {
    SAIN_CHECK(file.error().message.starts_with("fuzz.safetensors: "));
    return 0;
  }
  size_t sum = 0, n = 0;
  for (const auto& [name, tensor] : file->tensors()) {
    for (const std::byte byte : tensor.data) sum += static_cast<size_t>(byte);
    n += tensor.data.size();
  }
  SAIN_CHECK(sum <= 255 * n);
  return 0;
}
