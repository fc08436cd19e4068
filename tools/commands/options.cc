#include "tools/commands/options.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/cache_dir.h"
#include "engine/tuning_file.h"
#include "formats/json_schema.h"
#include "formats/utf8.h"
#include "router/catalog.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

struct KvTypeName {
  std::string_view name;
  engine::KvType type;
};
constexpr KvTypeName kKvTypes[] = {
    {"f16", engine::KvType::kF16}, {"q8", engine::KvType::kQ8_0}, {"q4", engine::KvType::kQ4_0}};

/// All of `text` as a number of T, or nothing.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

Status RunOptions::check() const {
  if (device == "cpu") return {};
  if (exact) return make_error(ErrorCode::kInvalidArgument, "--exact: expected --device cpu, found {}", device);
  if (kv != "" && kv != "f16")
    return make_error(ErrorCode::kInvalidArgument, "--kv {}: expected --device cpu, found {}", kv, device);
  if (!adapter.empty())
    return make_error(ErrorCode::kInvalidArgument, "--adapter: expected --device cpu, found {}", device);
  return {};
}

Result<std::shared_ptr<engine::Accelerator>> RunOptions::open_device() const {
  if (device == "cpu" || gpu_layers == 0) return nullptr;
  return engine::Accelerator::open(device, {.most_layers = gpu_layers, .warn = [](const std::string& message) {
                                              fmt::print(stderr, "sain: warning: {}\n", message);
                                            }});
}

engine::Tuning RunOptions::tuning() const {
  const Result<engine::Tuning> found = engine::local_tuning();
  if (!found) fmt::print(stderr, "sain: warning: {}; the defaults are used\n", found.error().message);
  engine::Tuning tuning = found ? *found : engine::Tuning();
  if (threads != 0) tuning.n_threads = threads;
  return tuning;
}

engine::SessionOptions RunOptions::session(uint32_t context_length, const engine::Tuning& tuning) const {
  engine::SessionOptions options = {.context_length = context_length, .precision = precision(), .tuning = tuning};
  const auto type = std::ranges::find(kKvTypes, kv, &KvTypeName::name);
  if (type != std::end(kKvTypes)) options.kv_type = type->type;
  if (window != 0) {
    options.context_length = sinks + window;
    options.policy = engine::ContextPolicy::kStream;
    options.n_sinks = sinks;
  }
  return options;
}

Result<std::shared_ptr<const engine::Adapter>> RunOptions::load_adapter(const engine::Model& model) const {
  if (adapter.empty()) return nullptr;
  return engine::Adapter::load(adapter, model, adapter_scale);
}

void add_run_options(CLI::App& command, RunOptions& options) {
  command
      .add_option("-t,--threads", options.threads,
                  "Threads to compute with (default: as tuned, else the physical cores)")
      ->check(in_range(1u, 1024u))
      ->type_name("N");
  add_backend_options(command, options);
}

void add_backend_options(CLI::App& command, RunOptions& options) {
  command
      .add_option(
          "--device", options.device,
          "Where to compute: cpu, or a GPU as `sain devices` lists it; vulkan: the first one; vulkan:0,1: both, "
          "layers divided between them")
      ->capture_default_str()
      ->type_name("DEVICE");
  command
      .add_option("--gpu-layers", options.gpu_layers,
                  "At most N of a model's layers on the GPU, the rest on the CPU (default: as many as it has room for)")
      ->type_name("N");
  command
      .add_option("--kv", options.kv,
                  "Type of the KV cache: f16, q8 (half of its memory), q4 (keys in 8 bits, values in 4: two fifths) "
                  "(default: f16, or with --exact fp32)")
      ->check(CLI::IsMember({"f16", "q8", "q4"}).description(""))
      ->type_name("TYPE");
  command.add_flag("--exact", options.exact, "Reference precision: fp32 activations and KV cache; slower");
  command.add_flag("--no-sidecar", options.no_sidecar,
                   "Pack the weights into memory at each load, with no file of them beside the model");
}

CLI::Option* add_stream_options(CLI::App& command, RunOptions& options, CLI::Option* context) {
  CLI::Option* window = command.add_option(
      "--window", options.window, "Go on without end: keep the newest W tokens and the sinks, forget those between");
  window->check(in_range(1u, 1u << 30))->type_name("W");
  if (context != nullptr) window->excludes(context);
  command.add_option("--sinks", options.sinks, "With --window: the first N tokens are kept for ever")
      ->check(in_range(0u, 1u << 30))
      ->capture_default_str()
      ->type_name("N")
      ->needs(window);
  return window;
}

void add_adapter_options(CLI::App& command, RunOptions& options) {
  CLI::Option* adapter = command.add_option("--adapter", options.adapter,
                                            "A LoRA adapter of the model, a GGUF file: added to its weights");
  adapter->type_name("FILE");
  command.add_option("--adapter-scale", options.adapter_scale, "How much of it: 1 as it was trained, 0 nothing")
      ->capture_default_str()
      ->type_name("X")
      ->needs(adapter);
}

std::filesystem::path prefix_folder() {
  return engine::cache_dir() / "prefixes";
}

std::shared_ptr<engine::PrefixStore> prefix_store() {
  engine::PrefixStoreOptions options;
  options.directory = prefix_folder();
  options.warn = [](const std::string& message) { fmt::print(stderr, "sain: warning: {}\n", message); };
  return std::make_shared<engine::PrefixStore>(options);
}

void add_model_option(CLI::App& command, std::string& model) {
  command.add_option("-m,--model", model, "A GGUF file, or a name that `sain models list` shows")
      ->required()
      ->type_name("FILE");
}

Result<LoadedModel> load_model(std::string_view name_or_path, const RunOptions& run, kernels::Isa isa,
                               std::stop_token stop) {
  SAIN_ASSIGN_OR_RETURN(const std::shared_ptr<engine::Accelerator> accelerator, run.open_device());
  const auto start = std::chrono::steady_clock::now();
  SAIN_ASSIGN_OR_RETURN(const std::filesystem::path path, router::resolve_model(name_or_path));
  ProgressBar bar("loading " + path.filename().string());
  SAIN_ASSIGN_OR_RETURN(engine::Model model,
                        engine::Model::load({.path = path,
                                             .isa = isa,
                                             .packing = run.packing(),
                                             .accelerator = accelerator,
                                             .on_progress = [&](double fraction) { bar.show_fraction(fraction); },
                                             .stop = stop}));
  bar.clear();
  for (const std::string& warning : model.warnings()) fmt::print(stderr, "sain: warning: {}\n", warning);
  LoadedModel loaded{.model = std::make_unique<engine::Model>(std::move(model))};
  loaded.load_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return loaded;
}

void SamplerFlags::add_to(CLI::App& command) {
  const auto add = [&](const char* name, auto& value, const char* help, const char* type) {
    return command.add_option(name, value, help)->capture_default_str()->type_name(type)->group("Sampling");
  };
  add("--temp,--temperature", options_.temperature, "Randomness; 0 always takes the most likely token", "T");
  add("--seed", options_.seed, "The same seed gives the same answer", "SEED")
      ->check(CLI::NonNegativeNumber.description(""));
  add("--top-k", options_.top_k, "Only the K most likely tokens; 0: off", "K");
  add("--top-p", options_.top_p, "Only the most likely tokens that together have probability P", "P");
  add("--min-p", options_.min_p, "Only tokens at least P times as likely as the most likely", "P");
  add("--typical-p", options_.typical_p, "Locally typical sampling with mass P", "P");
  add("--repetition-penalty", options_.repetition_penalty, "Makes tokens used before less likely; 1: off", "X");
  add("--frequency-penalty", options_.frequency_penalty, "Taken off a token's logit for each earlier use", "X");
  add("--presence-penalty", options_.presence_penalty, "Taken off a token's logit if used before", "X");
  add("--penalty-last-n", options_.penalty_last_n, "Tokens that the three penalties look back on; -1: all", "N");
  add("--dry-multiplier", options_.dry_multiplier, "Strength of DRY, which stops verbatim repetition; 0: off", "X");
  add("--dry-base", options_.dry_base, "DRY grows by this factor with each repeated token", "X");
  add("--dry-allowed-length", options_.dry_allowed_length, "Repetitions shorter than this are free of DRY", "N");
  add("--dry-last-n", options_.dry_last_n, "Tokens that DRY looks back on; -1: all", "N");
  command.add_option("--dry-breaker", options_.dry_breakers, "Text that ends a repetition for DRY; may be given again")
      ->type_name("TEXT")
      ->group("Sampling")
      ->allow_extra_args(false);
  command.add_option("--logit-bias", logit_bias_, "Added to a token's logit, -inf forbids it; may be given again")
      ->type_name("ID=BIAS")
      ->group("Sampling")
      ->allow_extra_args(false);
}

Result<engine::SamplerOptions> SamplerFlags::options() const {
  engine::SamplerOptions options = options_;
  for (const std::string& pair : logit_bias_) {
    const size_t equals = pair.find('=');
    const auto token = parse_number<formats::Token>(std::string_view(pair).substr(0, equals));
    const auto bias =
        equals == std::string::npos ? std::nullopt : parse_number<float>(std::string_view(pair).substr(equals + 1));
    if (!token || !bias) {
      return make_error(ErrorCode::kInvalidArgument, "--logit-bias: expected ID=BIAS, found '{}'", pair);
    }
    options.logit_bias.emplace_back(*token, *bias);
  }
  // The vocabulary is not known yet: Sampler::create() checks the ids again.
  SAIN_RETURN_IF_ERROR(engine::Sampler::validate(options, std::numeric_limits<formats::Token>::max()));
  return options;
}

Result<std::vector<formats::Token>> parse_tokens(std::string_view list) {
  std::vector<formats::Token> tokens;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t comma = std::min(list.find(',', begin), list.size());
    const std::string_view item = trimmed(list.substr(begin, comma - begin));
    const auto token = parse_number<formats::Token>(item);
    if (!token) {
      return make_error(ErrorCode::kInvalidArgument,
                        "--tokens: expected token ids as in 1,2,3, found '{}' as number {}", item, tokens.size() + 1);
    }
    tokens.push_back(*token);
    begin = comma + 1;
  }
  return tokens;
}

void GrammarFlags::add_to(CLI::App& command) {
  CLI::Option* grammar =
      command.add_option("--grammar", grammar_, "A file with a grammar (GBNF) that the answer follows");
  grammar->type_name("FILE");
  CLI::Option* schema =
      command.add_option("--json-schema", schema_, "A file with a JSON Schema: the answer is JSON that fits");
  schema->type_name("FILE")->excludes(grammar);
  command.add_flag("--json-object", any_object_, "The answer is a JSON object")->excludes(grammar)->excludes(schema);
}

Result<std::optional<formats::Grammar>> GrammarFlags::read() const {
  if (any_object_) return std::optional(formats::json_object_grammar());
  const std::string& path = grammar_.empty() ? schema_ : grammar_;
  if (path.empty()) return std::optional<formats::Grammar>();
  const auto in_file = [&](const Error& error) { return make_error(error.code, "{}: {}", path, error.message); };
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text(path));
  if (!grammar_.empty()) {
    auto grammar = formats::Grammar::parse(text);
    return grammar ? Result(std::optional(*std::move(grammar))) : in_file(grammar.error());
  }
  try {
    auto grammar = formats::json_schema_grammar(nlohmann::ordered_json::parse(text));
    return grammar ? Result(std::optional(*std::move(grammar))) : in_file(grammar.error());
  } catch (const nlohmann::json::parse_error& error) {
    return make_error(ErrorCode::kInvalidArgument, "{}: {}", path, error.what());
  }
}

Status check_utf8(std::string_view what, std::string_view text) {
  const size_t valid = formats::valid_utf8_prefix(text);
  if (valid == text.size()) return {};
  return make_error(ErrorCode::kInvalidArgument, "{}: expected UTF-8, found the byte 0x{:02x} at offset {}", what,
                    static_cast<unsigned char>(text[valid]), valid);
}

Result<std::string> read_text(const std::string& path) {
  constexpr size_t kMost = size_t{256} << 20;
  const bool is_stdin = path == "-";
  const std::string name = is_stdin ? "standard input" : path;
  const std::unique_ptr<FILE, int (*)(FILE*)> file(is_stdin ? stdin : std::fopen(path.c_str(), "rb"),
                                                   [](FILE* f) { return f == stdin ? 0 : std::fclose(f); });
  if (!file) {
    return make_error(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "{}: {}", name, std::strerror(errno));
  }
  std::string text;
  std::vector<char> buffer(1 << 16);
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    text.append(buffer.data(), n);
    if (text.size() > kMost) {
      return make_error(ErrorCode::kResourceExhausted, "{}: expected at most {} MiB of text", name, kMost >> 20);
    }
  }
  if (std::ferror(file.get())) return make_error(ErrorCode::kIo, "{}: {}", name, std::strerror(errno));
  SAIN_RETURN_IF_ERROR(check_utf8(name, text));
  return text;
}

}  // namespace sain::tools
