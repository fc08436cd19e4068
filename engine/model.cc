#include "engine/model.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <span>

namespace sain::engine {
namespace {

using formats::ChatTemplate;
using formats::GgufFile;
using formats::Tokenizer;

/// Brings every page of the matrices into memory, so that the first token does not wait for the disk. Stops at a
/// request.
template <class Progress>
Status read_weights(Weights& weights, const LoadOptions& options, Progress&& on_progress) {
  constexpr size_t kStep = size_t{8} << 20;  // bytes between progress reports and looks at the stop token
  std::vector<std::span<const std::byte>> parts;
  size_t total = 0, done = 0;
  weights.for_each_matrix([&](const WeightMatrix& m) {
    parts.emplace_back(m.packed != nullptr ? m.packed : m.data, m.rows * row_bytes(m.dtype, m.cols));
    total += parts.back().size();
  });
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const std::span<const std::byte> part : parts) {
    for (size_t begin = 0; begin < part.size(); begin += kStep) {
      if (options.stop.stop_requested()) {
        return make_error(ErrorCode::kCancelled, "{}: loading was cancelled", options.path.string());
      }
      const std::byte* first = part.data() + begin;
      const size_t bytes = std::min(kStep, part.size() - begin), before = reinterpret_cast<uintptr_t>(first) % page;
      void* aligned = const_cast<std::byte*>(first - before);
      if (madvise(aligned, bytes + before, MADV_POPULATE_READ) != 0) {  // older than Linux 5.14
        madvise(aligned, bytes + before, MADV_WILLNEED);
      }
      done += bytes;
      on_progress(static_cast<double>(done) / static_cast<double>(total));
    }
  }
  return {};
}

/// A template that does not compile costs the chat, not the model: it becomes a warning.
std::optional<ChatTemplate> read_chat_template(const GgufFile& file, std::vector<std::string>& warnings) {
  constexpr const char* kKey = "tokenizer.chat_template";
  if (!file.metadata().contains(kKey)) return std::nullopt;
  const auto source = file.metadata().string(kKey);
  if (!source) {
    warnings.push_back(source.error().message);
    return std::nullopt;
  }
  auto compiled = ChatTemplate::compile(*source, fmt::format("{}: {}", file.path().string(), kKey));
  if (!compiled) {
    warnings.push_back(compiled.error().message);
    return std::nullopt;
  }
  return *std::move(compiled);
}

}  // namespace

Result<Model> Model::load(const LoadOptions& options) {
  try {
    SAIN_ASSIGN_OR_RETURN(GgufFile file, GgufFile::open(options.path));
    SAIN_ASSIGN_OR_RETURN(ModelConfig config, ModelConfig::from_metadata(file.metadata()));
    SAIN_ASSIGN_OR_RETURN(Weights weights, Weights::from_file(file, config));
    SAIN_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::from_metadata(file.metadata()));
    std::vector<std::string> warnings = tokenizer.warnings();
    std::optional<ChatTemplate> chat_template = read_chat_template(file, warnings);
    // Packing, where it is needed, takes longer than reading.
    double packed_fraction = 0;
    const auto report = [&](double fraction) {
      if (options.on_progress) options.on_progress(fraction);
    };
    const auto while_packing = [&](double fraction) { report(packed_fraction = 0.8 * fraction); };
    const auto while_reading = [&](double fraction) { report(packed_fraction + (1 - packed_fraction) * fraction); };
    SAIN_ASSIGN_OR_RETURN(
        PackedWeights packed,
        PackedWeights::create(file, weights, {options.packing, while_packing, options.stop}, warnings));
    SAIN_RETURN_IF_ERROR(read_weights(weights, options, while_reading));
    return Model(std::move(file), std::move(config), std::move(weights), std::move(packed), std::move(tokenizer),
                 std::move(chat_template), std::move(warnings),
                 kernels::select_kernels(kernels::detect_isa(options.isa)));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kResourceExhausted, "{}: not enough memory to load the model", options.path.string());
  }
}

}  // namespace sain::engine
