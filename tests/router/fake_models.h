// Models that load in no time, or as long as they are told to, and are never looked into.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "router/residency.h"

namespace sain::router {

/// Counts loads and living models; the file names "missing", "broken" and "huge" fail. A device takes those that fit
/// into what they may have of it.
struct FakeModels {
  std::atomic<int> n_loads = 0;
  std::atomic<int> n_alive = 0;
  ModelCost cost = {.weights_bytes = 100, .kv_bytes = 10};
  std::map<std::filesystem::path, ModelCost> cost_of = {};      // in place of `cost`
  std::map<std::filesystem::path, uint64_t> device_takes = {};  // so much of these, whatever fits
  bool device_takes_parts = false;  // of those that do not fit, as much as there is room for
  std::chrono::milliseconds load_time{0};
  std::atomic<bool> waits_for_stop = false;       // a load ends only when it is stopped
  std::filesystem::path waits_for_stop_of = {};   // that of this file
  std::shared_future<void> first_may_go_on = {};  // the first load gets no processor before; may be empty

  std::mutex mutex = {};  // of what follows
  std::map<const engine::Model*, uint64_t> on_device = {};

  ModelSource source() {
    ModelSource source;
    source.cost = [this](const std::filesystem::path& file) -> Result<ModelCost> {
      if (file.filename() == "missing") return make_error(ErrorCode::kNotFound, "missing: there is no such file");
      const auto own = cost_of.find(file);
      return own == cost_of.end() ? cost : own->second;
    };
    source.load = [this](const engine::LoadOptions& options) -> Result<std::shared_ptr<const engine::Model>> {
      const bool waits = waits_for_stop || options.path == waits_for_stop_of;
      const bool is_first = n_loads++ == 0;
      if (is_first && first_may_go_on.valid()) first_may_go_on.wait();
      options.on_progress(0.25);
      while (waits && !options.stop.stop_requested()) std::this_thread::yield();
      std::this_thread::sleep_for(load_time);
      if (options.stop.stop_requested()) return make_error(ErrorCode::kCancelled, "stopped");
      if (options.path.filename() == "broken") return make_error(ErrorCode::kCorrupt, "broken: bad magic");
      if (options.path.filename() == "huge") throw std::bad_alloc();
      options.on_progress(1);
      ++n_alive;
      // A pointer that is only compared, with an owner that counts.
      auto owner = std::shared_ptr<char>(new char, [this](char* p) { delete p, --n_alive; });
      const auto* model = reinterpret_cast<const engine::Model*>(owner.get());
      const auto own = cost_of.find(options.path);
      const uint64_t wanted = (own == cost_of.end() ? cost : own->second).device_weights_bytes;
      const auto taken = device_takes.find(options.path);
      const std::lock_guard lock(mutex);
      on_device[model] = taken != device_takes.end()          ? taken->second
                         : wanted <= options.max_device_bytes ? wanted
                         : device_takes_parts                 ? options.max_device_bytes
                                                              : 0;
      return std::shared_ptr<const engine::Model>(owner, model);
    };
    source.device_bytes = [this](const engine::Model& model) {
      const std::lock_guard lock(mutex);
      return on_device.at(&model);
    };
    return source;
  }
};

}  // namespace sain::router
