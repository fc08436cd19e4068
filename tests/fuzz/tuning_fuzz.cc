// libFuzzer target for the file of `sain tune`.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/tuning_file.h"

namespace {

void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto tuning = sain::engine::parse_tuning(text, "fuzz.json", {"cpu", 2, sain::kernels::Isa::kAvx2});
  if (!tuning) {
    check(tuning.error().code == sain::ErrorCode::kCorrupt);
    check(tuning.error().message.find("fuzz.json: ") == 0);
  } else if (*tuning) {
    check(sain::engine::check_tuning(**tuning).has_value());
  }
  return 0;
}
