// libFuzzer target for packages: the first byte says what the rest is; a manifest is followed by a NUL byte and the
// file that its `intents` and `questions` name.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "router/packages/checksums.h"
#include "router/packages/manifest.h"
#include "router/packages/store.h"

namespace {

using namespace sain::router;

void check(bool condition) {
  if (!condition) std::abort();
}

void check_manifest(std::string_view bytes) {
  const size_t split = std::min(bytes.find('\0'), bytes.size());
  const std::string_view other = bytes.substr(std::min(split + 1, bytes.size()));
  const auto manifest =
      parse_manifest(bytes.substr(0, split), "package.toml",
                     [other](const std::string&) -> sain::Result<std::string> { return std::string(other); });
  if (!manifest) return check(!manifest.error().message.empty());
  check(is_member_name(manifest->member.name) && is_package_version(manifest->member.version));
  check(!manifest->member.intents.empty() && !manifest->metric.questions.empty());
  for (const std::string& file : manifest->files) check(!file.empty() && file.find('/') == std::string::npos);
}

/// What is written is read as the same.
template <class Value>
void check_round_trip(const sain::Result<Value>& value,
                      sain::Result<Value> (*parse)(std::string_view, const std::string&), const std::string& text) {
  const auto again = parse(text, "again");
  check(value && again && to_toml(*again) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'm':
      check_manifest(bytes);
      break;
    case 'l':
      if (const auto list = parse_package_list(bytes, "list"))
        check_round_trip(list, parse_package_list, to_toml(*list));
      break;
    case 'r':
      if (const auto report = parse_package_report(bytes, "report"))
        check_round_trip(report, parse_package_report, to_toml(*report));
      break;
    case 's':
      if (const auto sums = parse_checksums(bytes, "sums")) check(*parse_checksums(to_text(*sums), "again") == *sums);
      break;
    default:
      break;
  }
  return 0;
}
