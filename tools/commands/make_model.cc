// sain make-model: a file of random weights, for benches and tests at sizes that nobody wants to download.
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>

#include "engine/thread_pool.h"
#include "formats/gguf.h"
#include "router/catalog.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"
#include "tools/interrupt.h"
#include "tools/make_model/adapter_file.h"
#include "tools/make_model/model_file.h"
#include "tools/make_model/model_spec.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

struct Options {
  std::string out, preset;
  ModelSpec spec;
  std::string adapter_of;  // empty: a model
  uint32_t rank = 16;
  unsigned threads = 0;
  bool json = false;
};

struct Written {
  std::string path;
  uint64_t bytes = 0, n_parameters = 0;
  double seconds = 0;
};

Result<Written> write(const formats::GgufWriter& writer, const std::string& out, std::stop_token stop) {
  ProgressBar bar("writing " + out);
  const auto start = std::chrono::steady_clock::now();
  SAIN_ASSIGN_OR_RETURN(
      const std::filesystem::path path,
      writer.write(out,
                   {.on_progress = [&](uint64_t done, uint64_t total) { bar.show_bytes(done, total); }, .stop = stop}));
  bar.clear();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  SAIN_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(path));
  Written written = {path.string(), file.file_bytes(), 0, seconds};
  for (const formats::TensorInfo& tensor : file.tensors()) written.n_parameters += tensor.n_elements();
  return written;
}

Status make_model(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const ModelSpec spec, with_defaults(options.spec, options.preset));
  const Interrupt interrupt;
  engine::ThreadPool pool(options.threads);
  SAIN_ASSIGN_OR_RETURN(const Written written, write(synthetic_model(spec, pool), options.out, interrupt.token()));
  if (options.json) {
    const nlohmann::ordered_json json = {{"file", written.path},
                                         {"bytes", written.bytes},
                                         {"parameters", written.n_parameters},
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
                                         {"seconds", written.seconds}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("{}: {}, {:.2f} G parameters, {} in {:.1f} s\n", written.path, format_bytes(written.bytes),
               static_cast<double>(written.n_parameters) / 1e9, spec.type, written.seconds);
  }
  return finish_output();
}

Status make_adapter(const Options& options) {
  const std::string& type = options.spec.type;
  const WeightType* found = find_weight_type(type);
  if (found == nullptr || dtype_info(found->dtype).block_size != 1) {
    return make_error(ErrorCode::kInvalidArgument, "--type: expected one of f32, f16, bf16 for an adapter, found '{}'",
                      type);
  }
  SAIN_ASSIGN_OR_RETURN(const std::filesystem::path path, router::resolve_model(options.adapter_of));
  SAIN_ASSIGN_OR_RETURN(const formats::GgufFile base, formats::GgufFile::open(path));
  const Interrupt interrupt;
  SAIN_ASSIGN_OR_RETURN(
      const Written written,
      write(synthetic_adapter(base, options.rank, found->dtype, options.spec.seed), options.out, interrupt.token()));
  if (options.json) {
    const nlohmann::ordered_json json = {{"file", written.path},
                                         {"bytes", written.bytes},
                                         {"parameters", written.n_parameters},
                                         {"adapter_of", path.string()},
                                         {"type", type},
                                         {"seed", options.spec.seed},
                                         {"rank", options.rank},
                                         {"seconds", written.seconds}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("{}: {}, {:.2f} M parameters of rank {} in {:.1f} s\n", written.path, format_bytes(written.bytes),
               static_cast<double>(written.n_parameters) / 1e6, options.rank, written.seconds);
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
  CLI::App* command =
      app.add_subcommand("make-model", "Write a GGUF model, or adapter, of random weights, for benches and tests");
  command->add_option("out", options->out, "The file to write; one of that name is replaced once the new one is whole")
      ->required()
      ->type_name("OUT");
  command->add_option("--preset", options->preset, "Dimensions by name: " + joined(model_presets()))->type_name("NAME");
  CLI::Option* type = command->add_option("--type", spec.type, "Of the matrices: " + joined(weight_types()));
  type->capture_default_str()->type_name("TYPE");
  command->add_option("--seed", spec.seed, "The same seed gives the same bytes")
      ->check(CLI::NonNegativeNumber.description(""))
      ->capture_default_str()
      ->type_name("SEED");
  command->add_option("-t,--threads", options->threads, "Threads to compute with (default: the physical cores)")
      ->check(in_range(1u, 1024u))
      ->type_name("N");
  command->add_flag("--json", options->json, "Print one JSON object");
  CLI::Option* adapter_of = command->add_option(
      "--adapter-of", options->adapter_of, "Make a LoRA adapter of this model instead, of type f16 (or f32, bf16)");
  adapter_of->type_name("MODEL")->group("Adapters")->excludes("--preset");
  command->add_option("--rank", options->rank, "Of the adapter")
      ->check(in_range(1u, 1u << 16))
      ->capture_default_str()
      ->type_name("R")
      ->needs(adapter_of)
      ->group("Adapters");
  const auto dimension = [&](const char* flag, uint32_t& value, const char* help) {
    command->add_option(flag, value, help)
        ->check(CLI::PositiveNumber.description(""))
        ->type_name("N")
        ->group("Dimensions")
        ->excludes(adapter_of);
  };
  command->add_option("--arch", spec.arch, "llama, qwen2, qwen3 or gemma3")
      ->capture_default_str()
      ->type_name("ARCH")
      ->group("Dimensions")
      ->excludes(adapter_of);
  dimension("--layers", spec.n_layers, "Layers");
  dimension("--width", spec.d_model, "Width of the hidden state");
  dimension("--ff", spec.d_ff, "Width of the feed-forward part");
  dimension("--heads", spec.n_heads, "Attention heads");
  dimension("--kv-heads", spec.n_kv_heads, "Heads of keys and values (default: --heads)");
  dimension("--head-dim", spec.head_dim, "Width of a head (default: --width over --heads)");
  dimension("--vocab", spec.vocab_size, "Tokens, at least 257 (default: 32000)");
  dimension("--context", spec.context_length, "The longest context (default: 131072)");
  command->add_flag("--tied", spec.tied, "The embedding is the output matrix too; gemma3 is always so")
      ->group("Dimensions")
      ->excludes(adapter_of);
  command->footer(
      "1b is 16 layers of 2048 (ff 8192, 32 heads on 8 of 64, 32000 tokens), 5b 36 of 3584 (ff 9728, 28 on 4 of 128,\n"
      "49152 tokens): 622 MB and 2.91 GB at q4_0, their output matrix not tied to the embedding; tiny is for tests.\n"
      "A dimension beside --preset replaces the preset's. q4_k_m and q5_k_m give attn_v and ffn_down of some layers "
      "and\n"
      "the output more bits; every other type is that of all matrices.\n"
      "Examples:\n"
      "  sain make-model 5b-q4_0.gguf --preset 5b --type q4_0 --seed 1\n"
      "  sain make-model odd.gguf --layers 4 --width 576 --ff 1536 --heads 9 --kv-heads 3 --type q4_k_m\n"
      "  sain make-model adapter.gguf --adapter-of smollm2-135m-instruct --rank 16");
  command->callback([options, type, &exit_code] {
    if (!options->adapter_of.empty() && type->count() == 0) options->spec.type = "f16";
    const Status status = options->adapter_of.empty() ? make_model(*options) : make_adapter(*options);
    exit_code = status ? kSuccess : fail("make-model", status.error());
  });
}

}  // namespace sain::tools
