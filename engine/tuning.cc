#include "engine/tuning.h"

namespace sain::engine {

std::span<const TuningField> tuning_fields() {
  using kernels::kMaxTileBlocks, kernels::kTileBlocksStep;
  static constexpr TuningField kFields[] = {
      {"n_threads", &Tuning::n_threads, 0, 1024, 1},
      {"spin_us", &Tuning::spin_us, 0, 10'000, 1},  // beyond 10 ms it burns a core for nothing
      {"ranges_per_thread", &Tuning::ranges_per_thread, 1, 64, 1},
      {"activation_mib", &Tuning::activation_mib, 1, 256, 1},
      {"tile_blocks", &Tuning::tile_blocks, kTileBlocksStep, kMaxTileBlocks, kTileBlocksStep},
      {"read_ahead_bytes", &Tuning::read_ahead_bytes, 0, 1 << 16, 64},
  };
  return kFields;
}

std::string TuningField::bounds() const {
  const std::string what = step == 1 ? "an integer" : fmt::format("a multiple of {}", step);
  return fmt::format("{} from {} to {}", what, least, most);
}

std::string tuning_changes(const Tuning& tuning) {
  const Tuning defaults;
  std::string changes;
  if (tuning.isa != defaults.isa) changes = fmt::format("isa {}", kernels::isa_name(tuning.isa));
  for (const TuningField& field : tuning_fields()) {
    if (tuning.*field.value == defaults.*field.value) continue;
    changes += fmt::format("{}{} {}", changes.empty() ? "" : ", ", field.name, tuning.*field.value);
  }
  return changes;
}

Status check_tuning(const Tuning& tuning) {
  for (const TuningField& field : tuning_fields()) {
    if (field.allows(tuning.*field.value)) continue;
    return make_error(ErrorCode::kInvalidArgument, "tuning.{}: expected {}, found {}", field.name, field.bounds(),
                      tuning.*field.value);
  }
  return {};
}

}  // namespace sain::engine
