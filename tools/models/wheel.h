// Reading one file out of a Python wheel (a zip archive).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string_view>

#include "formats/result.h"

namespace sain::tools {

/// Takes the next bytes of a stream; its error ends the stream.
using ByteSink = std::function<Status(std::span<const std::byte>)>;

/// Streams the one member of `wheel` whose path contains `mark` to `sink`; nothing is written under the archive's
/// own names. Errors: kCorrupt (not a zip, no such member or several, more than `max_bytes`, a wrong checksum),
/// kCancelled, and whatever `sink` returns.
Status read_wheel_member(const std::filesystem::path& wheel, std::string_view mark, uint64_t max_bytes,
                         const ByteSink& sink, std::stop_token stop = {});

}  // namespace sain::tools
