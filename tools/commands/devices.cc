// sain devices: where models can be computed on this machine.
#include "engine/devices.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/progress_bar.h"
#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

void print_json(const engine::DeviceList& list) {
  nlohmann::ordered_json devices = nlohmann::ordered_json::array();
  for (const engine::DeviceDescription& device : list.devices) {
    devices.push_back({{"id", device.id},
                       {"name", device.name},
                       {"type", device.type},
                       {"driver", device.driver},
                       {"memory_bytes", device.memory_bytes},
                       {"available_bytes", device.available_bytes},
                       {"capabilities", device.capabilities}});
  }
  const nlohmann::ordered_json json = {{"devices", devices}, {"note", list.note}};
  fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void print_text(const engine::DeviceList& list) {
  for (const engine::DeviceDescription& device : list.devices) {
    fmt::print("{:<10} {} ({}; {})\n", device.id, safe_text(device.name), device.type, safe_text(device.driver));
    fmt::print("{:<10} {} of memory, {} available\n", "", format_bytes(device.memory_bytes),
               format_bytes(device.available_bytes));
    if (!device.capabilities.empty()) fmt::print("{:<10} {}\n", "", fmt::join(device.capabilities, ", "));
  }
}

Status devices(bool as_json) {
  const engine::DeviceList list = engine::list_devices();
  as_json ? print_json(list) : print_text(list);
  SAIN_RETURN_IF_ERROR(finish_output());
  if (!as_json && !list.note.empty()) fmt::print(stderr, "sain devices: no GPU: {}\n", list.note);
  return {};
}

}  // namespace

void add_devices_command(CLI::App& app, int& exit_code) {
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("devices", "The processor and the GPUs that models can be computed on");
  command->add_flag("--json", *as_json, "Print one JSON object");
  command->footer(
      "GPUs are those that Vulkan 1.1 drivers offer; a driver in software counts as one of type cpu.\n"
      "Example:\n"
      "  sain devices --json");
  command->callback([as_json, &exit_code] {
    const Status status = devices(*as_json);
    exit_code = status ? kSuccess : fail("devices", status.error());
  });
}

}  // namespace sain::tools
