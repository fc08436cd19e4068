// How a command ends.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "formats/result.h"

namespace sain::tools {

inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;
inline constexpr int kWrongUsage = 2;     // the command line asks for something impossible
inline constexpr int kInterrupted = 130;  // Ctrl-C, as shells count it: 128 + SIGINT

/// Ends a result on standard output. Error: kIo where it did not get there (a full disk, say).
inline Status finish_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  return make_error(ErrorCode::kIo, "standard output: the result could not be written");
}

/// Prints why `command` ("run", "eval ppl") failed and gives its exit code.
inline int fail(std::string_view command, const Error& error) {
  fmt::print(stderr, "sain {}: {}\n", command, error.message);
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return kWrongUsage;
    case ErrorCode::kCancelled:
      return kInterrupted;
    default:
      return kFailure;
  }
}

}  // namespace sain::tools
