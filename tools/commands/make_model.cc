// sain make-model: a file of random weights, for benches and tests at sizes that nobody wants to download.
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/thread_pool.h"
#include "formats/gguf.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"
#include "tools/interrupt.h"
#include "tools/make_model/model_file.h"
#include "tools/make_model/model_spec.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

struct Options {
  std::string out, preset;
  ModelSpec spec;
  unsigned threads = 0;
  bool json = false;
};

Status make_model(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const ModelSpec spec, with_defaults(options.spec, options.preset));
  const Interrupt interrupt;
  engine::ThreadPool pool(options.threads);
  ProgressBar bar("writing " + options.out);
  const auto start = std::chrono::steady_clock::now();
  SAIN_ASSIGN_OR_RETURN(
      const std::filesystem::path path,
      synthetic_model(spec, pool)
          .write(options.out, {.on_progress = [&](uint64_t done, uint64_t total) { bar.show_bytes(done, total); },
                               .stop = interrupt.token()}));
  bar.clear();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  SAIN_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(path));
  uint64_t n_parameters = 0;
  for (const formats::TensorInfo& tensor : file.tensors()) n_parameters += tensor.n_elements();
  if (options.json) {
    const nlohmann::ordered_json json = {{"file", path.string()},
                                         {"bytes", file.file_bytes()},
                                         {"parameters", n_parameters},
                                         {"architecture", spec.arch},
                                         {"type", spec.type},
                                         {"seed", spec.seed},
                                         {"layers", spec.n_layers},
                                         {"width", spec.d_model},
                                         {"ff", spec.d_ff},
                                         {"heads", spec.n_heads},
                                         {"kv_heads", spec.n_kv_heads},
                                         {"head_dim", spec.head_dim},
                                         {"vocab", spec.vocab_size},
                                         {"context", spec.context_length},
                                         {"tied", spec.tied},
                                         {"seconds", seconds}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("{}: {}, {:.2f} G parameters, {} in {:.1f} s\n", path.string(), format_bytes(file.file_bytes()),
               static_cast<double>(n_parameters) / 1e9, spec.type, seconds);
  }
  return finish_output();
}

template <class Names>
std::string joined(const Names& items) {
  std::string list;
  for (const auto& item : items) list += fmt::format("{}{}", list.empty() ? "" : " ", item.name);
  return list;
}

}  // namespace

void add_make_model_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  ModelSpec& spec = options->spec;
  CLI::App* command = app.add_subcommand("make-model", "Write a GGUF model of random weights, for benches and tests");
  command->add_option("out", options->out, "The file to write; one of that name is replaced once the new one is whole")
      ->required()
      ->type_name("OUT");
  command->add_option("--preset", options->preset, "Dimensions by name: " + joined(model_presets()))->type_name("NAME");
  command->add_option("--type", spec.type, "Of the matrices: " + joined(weight_types()))
      ->capture_default_str()
      ->type_name("TYPE");
  command->add_option("--seed", spec.seed, "The same seed gives the same bytes")
      ->check(CLI::NonNegativeNumber.description(""))
      ->capture_default_str()
      ->type_name("SEED");
  command->add_option("-t,--threads", options->threads, "Threads to compute with (default: the physical cores)")
      ->check(in_range(1u, 1024u))
      ->type_name("N");
  command->add_flag("--json", options->json, "Print one JSON object");
  const auto dimension = [&](const char* flag, uint32_t& value, const char* help) {
    command->add_option(flag, value, help)
        ->check(CLI::PositiveNumber.description(""))
        ->type_name("N")
        ->group("Dimensions");
  };
  command->add_option("--arch", spec.arch, "llama, qwen2, qwen3 or gemma3")
      ->capture_default_str()
      ->type_name("ARCH")
      ->group("Dimensions");
  dimension("--layers", spec.n_layers, "Layers");
  dimension("--width", spec.d_model, "Width of the hidden state");
  dimension("--ff", spec.d_ff, "Width of the feed-forward part");
  dimension("--heads", spec.n_heads, "Attention heads");
  dimension("--kv-heads", spec.n_kv_heads, "Heads of keys and values (default: --heads)");
  dimension("--head-dim", spec.head_dim, "Width of a head (default: --width over --heads)");
  dimension("--vocab", spec.vocab_size, "Tokens, at least 257 (default: 32000)");
  dimension("--context", spec.context_length, "The longest context (default: 131072)");
  command->add_flag("--tied", spec.tied, "The embedding is the output matrix too; gemma3 is always so")
      ->group("Dimensions");
  command->footer(
      "1b is 16 layers of 2048 (ff 8192, 32 heads on 8 of 64, 32000 tokens), 5b 36 of 3584 (ff 9728, 28 on 4 of 128,\n"
      "49152 tokens): 622 MB and 2.91 GB at q4_0, their output matrix not tied to the embedding; tiny is for tests.\n"
      "A dimension beside --preset replaces the preset's. q4_k_m and q5_k_m give attn_v and ffn_down of some layers "
      "and\n"
      "the output more bits; every other type is that of all matrices.\n"
      "Examples:\n"
      "  sain make-model 5b-q4_0.gguf --preset 5b --type q4_0 --seed 1\n"
      "  sain make-model odd.gguf --layers 4 --width 576 --ff 1536 --heads 9 --kv-heads 3 --type q4_k_m");
  command->callback([options, &exit_code] {
    const Status status = make_model(*options);
    exit_code = status ? kSuccess : fail("make-model", status.error());
  });
}

}  // namespace sain::tools
