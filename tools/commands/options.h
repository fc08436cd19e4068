// Options that several commands share: which model, how it runs, how tokens are chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/adapter.h"
#include "engine/model.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "engine/tuning.h"
#include "formats/grammar.h"
#include "formats/result.h"

namespace sain::tools {

/// Checks that an option's value is from `low` to `high`, without cluttering --help as CLI::Range does.
template <class T>
CLI::Validator in_range(T low, T high) {
  return CLI::Range(low, high).description("");
}

/// What the command line says about running models.
struct RunOptions {
  unsigned threads = 0;  // 0: what the tuning says
  std::string device = "cpu";
  uint32_t gpu_layers = UINT32_MAX;
  std::string kv;  // empty: by precision
  bool exact = false;
  bool no_sidecar = false;
  uint32_t sinks = 4;
  uint32_t window = 0;  // 0: no stream
  std::string adapter;  // a file; empty: none
  float adapter_scale = 1;

  /// Errors: kInvalidArgument for what cannot go together.
  Status check() const;
  /// That of --device; null where it is the CPU. What goes wrong with it later is a warning on stderr. Errors: those of
  /// Accelerator::open().
  Result<std::shared_ptr<engine::Accelerator>> open_device() const;
  engine::Precision precision() const { return exact ? engine::Precision::kExact : engine::Precision::kFast; }

  /// A session of `context_length` tokens (0: the engine's choice), or where --window is given an endless one of its
  /// window and sinks.
  engine::SessionOptions session(uint32_t context_length, const engine::Tuning& tuning) const;
  engine::Packing packing() const {
    if (exact) return engine::Packing::kNone;
    return no_sidecar ? engine::Packing::kMemory : engine::Packing::kSidecar;
  }

  /// That of --adapter; null without it.
  Result<std::shared_ptr<const engine::Adapter>> load_adapter(const engine::Model& model) const;

  /// What `sain tune` found for this machine, else the defaults; -t stands above it. A file that cannot be used is a
  /// warning on stderr.
  engine::Tuning tuning() const;
};

/// -t, --device, --gpu-layers, --kv, --exact, --no-sidecar.
void add_run_options(CLI::App& command, RunOptions& options);

/// The same without -t.
void add_backend_options(CLI::App& command, RunOptions& options);

/// --sinks, --window; returns the latter. `context`: the option that says how long the context is, which they do too;
/// or nullptr.
CLI::Option* add_stream_options(CLI::App& command, RunOptions& options, CLI::Option* context);

/// --adapter, --adapter-scale.
void add_adapter_options(CLI::App& command, RunOptions& options);

/// Where snapshots of prefixes are kept, in the cache folder.
std::filesystem::path prefix_folder();

/// Snapshots in prefix_folder(); what goes wrong with them is a warning on stderr.
std::shared_ptr<engine::PrefixStore> prefix_store();

/// -m: a path or a name of the catalogue.
void add_model_option(CLI::App& command, std::string& model);

/// A model ready to run, and how long that took.
struct LoadedModel {
  std::unique_ptr<engine::Model> model;
  double load_ms = 0;  // without opening the device
};

/// Resolves `name_or_path` and loads it as `run` says, with kernels for `isa` and a progress bar on a terminal; prints
/// the model's warnings to stderr.
Result<LoadedModel> load_model(std::string_view name_or_path, const RunOptions& run, kernels::Isa isa,
                               std::stop_token stop);

/// The sampler's options as flags.
class SamplerFlags {
 public:
  void add_to(CLI::App& command);

  /// Errors: kInvalidArgument naming the option and its value.
  Result<engine::SamplerOptions> options() const;

 private:
  engine::SamplerOptions options_;
  std::vector<std::string> logit_bias_;
};

/// What an answer has to follow: --grammar, --json-schema, --json-object.
class GrammarFlags {
 public:
  void add_to(CLI::App& command);

  /// Reads what is asked for; nothing without these options. Errors: those of read_text(), of formats::Grammar::parse()
  /// and of formats::json_schema_grammar(); kInvalidArgument (no JSON, with the place).
  Result<std::optional<formats::Grammar>> read() const;

 private:
  std::string grammar_, schema_;  // files
  bool any_object_ = false;
};

/// "1,2,3" as token ids; spaces around them are fine. Errors: kInvalidArgument (not a list of integers).
Result<std::vector<formats::Token>> parse_tokens(std::string_view list);

/// The content of a file, or of standard input for "-". Errors: kNotFound, kIo, kInvalidArgument (not UTF-8, with
/// the place), kResourceExhausted (over 256 MiB).
Result<std::string> read_text(const std::string& path);

/// `text` if it is valid UTF-8. `what` names its source in the error.
Status check_utf8(std::string_view what, std::string_view text);

}  // namespace sain::tools
