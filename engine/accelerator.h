// Devices besides the CPU that models can be computed on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "engine/backend.h"
#include "engine/tuning.h"
#include "formats/result.h"

namespace sain::engine {

class Model;
struct Weights;

/// Of what a device has no room for the CPU computes the first layers.
struct BackendOptions {
  ThreadPool* pool = nullptr;  // for these; outlives the backend
  Tuning tuning = {};
  uint32_t max_length = 0;  // positions that there will be, at most, unless there is a window
  KvRule rule = {};         // of layers with no window of their own
};

struct UploadOptions {
  uint64_t max_bytes = UINT64_MAX;                        // of the device's memory, that the weights may take
  std::function<void(double fraction)> on_progress = {};  // 0 to 1, called from the loading thread; may be empty
  std::stop_token stop = {};                              // a stop request ends the load with kCancelled
};

/// A model's weights on a device, shared by its sessions. Thread-safe.
class DeviceModel {
 public:
  virtual ~DeviceModel() = default;

  /// `model` is the one that this was made of, and outlives the backend. Errors: kResourceExhausted (no room on the
  /// device), kUnsupported, what the device says.
  virtual Result<std::unique_ptr<Backend>> create_backend(const Model& model, const BackendOptions& options) const = 0;
  virtual uint64_t bytes() const = 0;  // of the device's memory
  virtual const std::string& name() const = 0;

  /// The device has let a session down, which says so in one line and goes on with the CPU; from now on all do.
  void fail(const Error& error) const {
    if (!has_failed_.exchange(true)) warn(error, "goes on");
  }
  bool has_failed() const { return has_failed_; }

  /// There is no room for a session, which the CPU takes; the first one says so.
  void turn_away(const Error& error) const {
    if (!has_turned_away_.exchange(true)) warn(error, "takes who does not fit");
  }

 protected:
  explicit DeviceModel(std::function<void(const std::string&)> warn) : warn_(std::move(warn)) {}

 private:
  void warn(const Error& error, std::string_view what_cpu_does) const {
    if (warn_) warn_(fmt::format("{}: {}; the CPU {}", name(), error.message, what_cpu_does));
  }

  std::function<void(const std::string&)> warn_;
  mutable std::atomic<bool> has_failed_ = false, has_turned_away_ = false;
};

struct AcceleratorOptions {
  uint32_t most_layers = UINT32_MAX;                          // of a model that it computes; the CPU does the others
  std::function<void(const std::string& message)> warn = {};  // hears of what goes wrong later, from any thread
};

/// An open device, or several that share a model's layers. Thread-safe: sessions take turns, and loads go on beside
/// them.
class Accelerator {
 public:
  /// `id` as `sain devices` lists them ("vulkan:1"), or several ("vulkan:0,1"); "vulkan" is the first. Errors:
  /// kInvalidArgument (no such name), kNotFound (no such device; the message has those that there are), kUnsupported
  /// (built without).
  static Result<std::shared_ptr<Accelerator>> open(std::string_view id, AcceleratorOptions options = {});
  virtual ~Accelerator() = default;

  /// Brings the weights there, or those of as many of the last layers as there is room for, which a warning says. An
  /// error leaves nothing behind: kResourceExhausted, kUnsupported, kCancelled, what the device says.
  virtual Result<std::shared_ptr<const DeviceModel>> load(const Model& model, const UploadOptions& options) = 0;
  /// What these would take of its memory.
  virtual uint64_t bytes_of(const Weights& weights) const = 0;
  virtual const std::string& name() const = 0;   // of the hardware
  virtual uint64_t used_bytes() const = 0;       // of its memory, by this
  virtual uint64_t available_bytes() const = 0;  // of its memory, for this in all, as it was when it was opened
};

}  // namespace sain::engine
