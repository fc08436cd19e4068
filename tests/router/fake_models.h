// Models that load in no time and are never looked into.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "router/residency.h"

namespace sain::router {

/// Counts loads and living models; the file names "missing" and "broken" fail.
struct FakeModels {
  std::atomic<int> n_loads = 0;
  std::atomic<int> n_alive = 0;
  ModelCost cost = {.weights_bytes = 100, .kv_bytes = 10};

  ModelSource source() {
    ModelSource source;
    source.cost = [this](const std::filesystem::path& file) -> Result<ModelCost> {
      if (file.filename() == "missing") return make_error(ErrorCode::kNotFound, "missing: there is no such file");
      return cost;
    };
    source.load = [this](const engine::LoadOptions& options) -> Result<std::shared_ptr<const engine::Model>> {
      ++n_loads;
      options.on_progress(0.25);
      if (options.stop.stop_requested()) return make_error(ErrorCode::kCancelled, "stopped");
      if (options.path.filename() == "broken") return make_error(ErrorCode::kCorrupt, "broken: bad magic");
      if (options.path.filename() == "huge") throw std::bad_alloc();
      options.on_progress(1);
      ++n_alive;
      // A pointer that is only compared, with an owner that counts.
      auto owner = std::shared_ptr<char>(new char, [this](char* p) { delete p, --n_alive; });
      return std::shared_ptr<const engine::Model>(owner, reinterpret_cast<const engine::Model*>(owner.get()));
    };
    return source;
  }
};

}  // namespace sain::router
