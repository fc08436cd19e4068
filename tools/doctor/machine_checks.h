// What this machine gives to SAIN.
#pragma once

#include <cstdint>
#include <filesystem>

#include "tools/doctor/check.h"

namespace sain::tools {

/// Processor, cores, and the instruction set whose kernels are used, as SAIN_ISA and the tuning file have it.
Check check_processor();

/// Physical memory, or what the control group leaves of it, beside the budget of the configuration and the
/// `models_bytes` of the files that it names. `root` is for tests: where proc/ and sys/ are.
Check check_memory(uint64_t budget_bytes, uint64_t models_bytes, const std::filesystem::path& root = "/");

/// Limits that a shell or a service manager sets.
Check check_limits(uint64_t budget_bytes);

/// Whether energy can be measured.
Check check_energy(const std::filesystem::path& root = "/");

}  // namespace sain::tools
