// What `sain doctor` finds out, one thing at a time.
#pragma once

#include <string>

namespace sain::tools {

enum class Verdict {
  kOk,
  kWarn,  // SAIN works, and could work better
  kFail,  // something that is asked for will not work
};

struct Check {
  std::string name;  // "memory", "model qwen2.5-coder-0.5b-instruct"
  Verdict verdict = Verdict::kOk;
  std::string finding;
  std::string advice = {};  // what to do about it; empty where there is nothing to do
};

}  // namespace sain::tools
