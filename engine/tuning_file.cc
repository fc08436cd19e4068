#include "engine/tuning_file.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "engine/cache_dir.h"
#include "engine/cpu_count.h"
#include "formats/atomic_file.h"

namespace sain::engine {
namespace {

namespace fs = std::filesystem;
using kernels::Isa;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr uint32_t kVersion = 1;
constexpr size_t kMaxBytes = size_t{1} << 16;

/// A value as a message may show it: one line, not too long, ASCII.
std::string shown(const json& value) {
  std::string text =
      value.is_structured() ? value.type_name() : value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

Error wrong(std::string_view file, std::string_view field, std::string_view expected, const json& found) {
  return make_error(ErrorCode::kCorrupt, "{}: {}: expected {}, found {}", file, field, expected, shown(found));
}

/// The member `name` of an object; null where there is none.
const json& member(const json& object, std::string_view name) {
  static const json null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

std::optional<Isa> find_isa(const json& name) {
  if (name == kernels::isa_name(Isa::kAuto)) return Isa::kAuto;
  for (const Isa isa : kernels::kIsas) {
    if (name == kernels::isa_name(isa)) return isa;
  }
  return std::nullopt;
}

json to_json(const MachineIdentity& machine) {
  return {{"cpu", machine.cpu}, {"cores", machine.n_cores}, {"isa", kernels::isa_name(machine.isa)}};
}

Result<Tuning> parse_values(const json& values, std::string_view file) {
  Tuning tuning;
  if (const json& isa = member(values, "isa"); !isa.is_null()) {
    const std::optional<Isa> found = find_isa(isa);
    if (!found) return wrong(file, "tuning.isa", "auto, scalar, neon, avx2, avx_vnni or avx512", isa);
    tuning.isa = *found;
  }
  for (const TuningField& field : tuning_fields()) {
    const json& value = member(values, field.name);
    if (value.is_null()) continue;
    if (!value.is_number_unsigned() || !field.allows(value.get<uint64_t>())) {
      return wrong(file, fmt::format("tuning.{}", field.name), field.bounds(), value);
    }
    tuning.*field.value = value.get<uint32_t>();
  }
  return tuning;
}

}  // namespace

MachineIdentity identify_machine(const fs::path& root) {
  std::ifstream cpuinfo(root / "proc/cpuinfo");
  std::string name = "unknown", details;
  for (std::string line; std::getline(cpuinfo, line) && !line.empty();) {  // an empty line ends the first processor
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, line.find_first_of("\t:")), value = line.substr(colon + 2);
    if (key == "model name") name = value;
    for (const char* detail : {"cpu family", "model", "CPU implementer", "CPU part"}) {
      if (key == detail) details += (details.empty() ? "" : ", ") + key + " " + value;
    }
  }
  if (!details.empty()) name += " (" + details + ")";
  std::erase_if(name, [](char c) { return c < ' ' || c > '~'; });
  return {name, available_cores(), kernels::best_isa()};
}

ordered_json to_json(const Tuning& tuning) {
  ordered_json values = {{"isa", kernels::isa_name(tuning.isa)}};
  for (const TuningField& field : tuning_fields()) values[std::string(field.name)] = tuning.*field.value;
  return values;
}

Result<std::optional<Tuning>> parse_tuning(std::string_view text, std::string_view file, const MachineIdentity& here) {
  const json root = json::parse(text, nullptr, false);
  if (root.is_discarded()) return make_error(ErrorCode::kCorrupt, "{}: expected JSON, found something else", file);
  if (!root.is_object()) return wrong(file, "the file", "an object", root);
  const json& version = member(root, "version");
  if (!version.is_number_unsigned()) return wrong(file, "version", "a number", version);
  if (version != kVersion) return std::optional<Tuning>();
  const json& machine = member(root, "machine");
  if (!machine.is_object()) return wrong(file, "machine", "an object", machine);
  if (machine != to_json(here)) return std::optional<Tuning>();
  const json& values = member(root, "tuning");
  if (!values.is_object()) return wrong(file, "tuning", "an object", values);
  SAIN_ASSIGN_OR_RETURN(const Tuning tuning, parse_values(values, file));
  return std::optional<Tuning>(tuning);
}

Result<std::optional<Tuning>> read_tuning(const fs::path& file, const MachineIdentity& here) {
  std::error_code error;
  if (!fs::exists(file, error) && !error) return std::optional<Tuning>();
  std::ifstream in(file, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad()) return make_error(ErrorCode::kIo, "{}: cannot be read", file.string());
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxBytes) {
    return make_error(ErrorCode::kCorrupt, "{}: expected at most {} bytes, found more", file.string(), kMaxBytes);
  }
  return parse_tuning(text, file.string(), here);
}

Status write_tuning(const fs::path& file, const TuningFile& content) {
  const auto speed = [](const TuningFile::Speed& s) {
    return ordered_json{{"prefill_tps", s.prefill_tps}, {"decode_tps", s.decode_tps}};
  };
  const ordered_json root = {
      {"version", kVersion},
      {"machine", to_json(content.machine)},
      {"tuning", to_json(content.tuning)},
      {"measured", {{"model", content.model}, {"default", speed(content.before)}, {"tuned", speed(content.after)}}}};
  std::error_code ignored;  // creating the file says it better
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), ignored);
  return formats::write_atomically(file, root.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

std::optional<fs::path> tuning_path() {
  const char* path = std::getenv("SAIN_TUNING");
  if (path == nullptr || *path == '\0') return cache_dir() / "tuning.json";
  if (std::string_view(path) == "off") return std::nullopt;
  return path;
}

Result<Tuning> local_tuning() {
  const std::optional<fs::path> file = tuning_path();
  if (!file) return Tuning();
  SAIN_ASSIGN_OR_RETURN(const std::optional<Tuning> found, read_tuning(*file, identify_machine()));
  Tuning tuning = found.value_or(Tuning());
  if (std::getenv("SAIN_ISA") != nullptr) tuning.isa = Isa::kAuto;
  return tuning;
}

}  // namespace sain::engine
