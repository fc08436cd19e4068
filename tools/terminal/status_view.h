// What people see of a running program.
#pragma once

#include <cstdint>
#include <string>

#include "router/monitoring/status_report.h"

namespace sain::tools {

/// Some lines, each with its newline, without control characters. `now`: seconds since 1970.
std::string status_text(const router::StatusReport& report, int64_t now);

}  // namespace sain::tools
