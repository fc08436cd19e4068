// The file in which `sain tune` keeps what is best on this machine: tuning.json in the cache folder.
//
//   {"version": 1,
//    "machine": {"cores": 2, "cpu": "AMD EPYC (cpu family 25, model 17)", "isa": "avx512"},
//    "tuning": {"isa": "auto", "n_threads": 0, "spin_us": 50, ...},           what is not there has its default
//    "measured": {"model": ..., "default": {...}, "tuned": {...}}}            tokens a second, for people
//
// It counts where version and machine are this program's and this machine's; elsewhere, as in a home folder that
// several machines share, it is as if it were not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "engine/tuning.h"
#include "formats/result.h"

namespace sain::engine {

/// What a tuning is good for.
struct MachineIdentity {
  std::string cpu;                           // its name, family and model, in ASCII
  uint32_t n_cores = 1;                      // that this process may use
  kernels::Isa isa = kernels::Isa::kScalar;  // the best that it runs

  bool operator==(const MachineIdentity&) const = default;
};

/// `root` is for tests: where proc/cpuinfo is.
MachineIdentity identify_machine(const std::filesystem::path& root = "/");

/// Every field by its name, as the file has them.
nlohmann::ordered_json to_json(const Tuning& tuning);

struct TuningFile {
  MachineIdentity machine = {};
  Tuning tuning = {};
  struct Speed {
    double prefill_tps = 0, decode_tps = 0;
  };
  std::string model = {};  // which was measured
  Speed before = {}, after = {};
};

/// The tuning in `text`, or nothing where it is for another machine or another version. `text` is hostile until
/// checked. Errors: kCorrupt naming `file`, the field and its value.
Result<std::optional<Tuning>> parse_tuning(std::string_view text, std::string_view file, const MachineIdentity& here);

/// Errors: those of parse_tuning; kIo; kCorrupt for a file of more than 64 KiB. Where there is no file: nothing.
Result<std::optional<Tuning>> read_tuning(const std::filesystem::path& file, const MachineIdentity& here);

/// Replaces the file at once or not at all; makes its folder. Errors: kIo, kNotFound.
Status write_tuning(const std::filesystem::path& file, const TuningFile& content);

/// The environment variable SAIN_TUNING, else tuning.json in cache_dir(); nothing where SAIN_TUNING is "off".
std::optional<std::filesystem::path> tuning_path();

/// What this process should use: the file of tuning_path() where it is for this machine, else the defaults. With the
/// environment variable SAIN_ISA, which a person set for this run, the file has no say about that. Errors: those of
/// read_tuning.
Result<Tuning> local_tuning();

}  // namespace sain::engine
