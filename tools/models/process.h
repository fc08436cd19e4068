// Another program, run without a shell.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "formats/result.h"

namespace sain::tools {

struct ProcessOptions {
  std::vector<std::string> arguments;    // [0] is the program, looked up in PATH
  std::filesystem::path directory;       // where it runs
  std::vector<std::string> environment;  // "NAME=value", on top of our own environment
  std::function<void()> on_wait;         // called about ten times a second while it runs; may be empty
};

struct ProcessResult {
  int exit_code = 0;   // 128 + the signal, if one ended it
  std::string output;  // the last 16 KiB of standard output and standard error together
};

/// Runs a program to its end, its input empty, in a process group of its own. A stop request ends the whole group.
/// Errors: kNotFound (no such program), kIo, kCancelled.
Result<ProcessResult> run_process(const ProcessOptions& options, std::stop_token stop);

}  // namespace sain::tools
