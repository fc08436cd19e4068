#include "engine/model.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace sain::engine {
namespace {

using formats::ChatTemplate;
using formats::GgufFile;
using formats::TensorInfo;
using formats::Tokenizer;

/// Touches every page of the tensors, so that the first token does not wait for the disk. Stops at a request.
Status read_tensors(const GgufFile& file, const LoadOptions& options) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  constexpr size_t kStep = size_t{8} << 20;  // bytes between progress reports and looks at the stop token
  size_t total = 0, done = 0;
  for (const TensorInfo& tensor : file.tensors()) total += tensor.bytes;
  unsigned sum = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    for (size_t begin = 0; begin < tensor.bytes; begin += kStep) {
      if (options.stop.stop_requested()) {
        return make_error(ErrorCode::kCancelled, "{}: loading was cancelled", file.path().string());
      }
      const size_t end = std::min(begin + kStep, tensor.bytes);
      const std::byte* aligned = tensor.data + begin - reinterpret_cast<uintptr_t>(tensor.data + begin) % page;
      madvise(const_cast<std::byte*>(aligned), static_cast<size_t>(tensor.data + end - aligned), MADV_WILLNEED);
      for (size_t i = begin; i < end; i += page) sum += static_cast<unsigned>(tensor.data[i]);
      done += end - begin;
      if (options.on_progress) options.on_progress(static_cast<double>(done) / static_cast<double>(total));
    }
  }
  [[maybe_unused]] volatile unsigned keep = sum;
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
    SAIN_RETURN_IF_ERROR(read_tensors(file, options));
    return Model(std::move(file), std::move(config), std::move(weights), std::move(tokenizer), std::move(chat_template),
                 std::move(warnings), kernels::select_kernels(kernels::detect_isa(options.isa)));
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kResourceExhausted, "{}: not enough memory to load the model", options.path.string());
  }
}

}  // namespace sain::engine
