// SHA256SUMS, as sha256sum writes and checks it: the hashes of a package's files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"

namespace sain::router {

inline constexpr std::string_view kChecksumsName = "SHA256SUMS";

using Checksums = std::map<std::string, std::string>;  // by file name; 64 lower-case hexadecimal digits each

/// Errors: kCorrupt naming file and line (no hash, no name, a name twice).
Result<Checksums> parse_checksums(std::string_view text, const std::string& file);
std::string to_text(const Checksums& checksums);

/// Of `names` in `folder`. Errors: kNotFound, kIo.
Result<Checksums> checksums_of_files(const std::filesystem::path& folder, const std::vector<std::string>& names);

struct CopyOptions {
  std::function<void(uint64_t bytes)> progress = {};  // that were read since the last call
  std::stop_token stop = {};
};

/// Reads `from`, compares it with `sha256`, and writes the same bytes to `to` on the way; nowhere if that is empty.
/// After an error there is no `to`. Errors: kNotFound, kIo, kCancelled; kCorrupt naming both hashes.
Status copy_checked(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& sha256,
                    const CopyOptions& options);

}  // namespace sain::router
