#include "engine/model.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <span>

#include "engine/cpu/batcher.h"
#include "engine/thread_pool.h"

namespace sain::engine {
namespace {

using formats::ChatTemplate;
using formats::GgufFile;
using formats::Tokenizer;

/// Brings `bytes` into memory, and this process's view of them: a page that only the disk has written is still a fault
/// to the processor of a virtual machine, which would be paid in the first forward pass. Touching is what does it, with
/// the pages around each one at once where they are in memory: madvise(MADV_POPULATE_READ) takes half as long again,
/// page by page. What goes wrong Model::status() says.
void read_pages(std::span<const std::byte> bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (size_t at = 0; at < bytes.size(); at += page) {
    [[maybe_unused]] const volatile std::byte touched = bytes[at];
  }
}

/// Asks for pages of 2 MiB. A file system with large folios (XFS, Btrfs, ext4 since Linux 6.16) then reads such pieces,
/// and to map one costs no more than to map 4 KiB: 2.9 GB that are in the page cache take 3 ms instead of 60, and
/// letting go of them 4 instead of 75. Others leave everything as it is.
void ask_for_huge_pages(std::span<const std::byte> bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t before = reinterpret_cast<uintptr_t>(bytes.data()) % page;
  madvise(const_cast<std::byte*>(bytes.data() - before), bytes.size() + before, MADV_HUGEPAGE);
}

/// Lets go of the whole pages inside `bytes` of a mapped file.
void drop_pages(std::span<const std::byte> bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t at = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t begin = (at + page - 1) / page * page, end = (at + bytes.size()) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

/// Brings every page of the matrices into memory, with all threads, so that the first token waits neither for the disk
/// nor for faults. Stops at a request.
template <class Progress>
Status read_weights(const Weights& weights, const LoadOptions& options, Progress&& on_progress) {
  constexpr size_t kStep = size_t{8} << 20;  // bytes between progress reports and looks at the stop token
  std::vector<std::span<const std::byte>> steps;
  size_t total = 0;
  weights.for_each_matrix([&](const WeightMatrix& m) {
    const std::span<const std::byte> all(m.packed != nullptr ? m.packed : m.data, m.rows * row_bytes(m.dtype, m.cols));
    for (size_t at = 0; at < all.size(); at += kStep)
      steps.push_back(all.subspan(at, std::min(kStep, all.size() - at)));
    total += all.size();
    ask_for_huge_pages(all);
  });
  std::atomic<size_t> done = 0;
  ThreadPool().parallel_for(steps.size(), 1, [&](unsigned thread, size_t begin, size_t) {
    if (options.stop.stop_requested()) return;
    read_pages(steps[begin]);
    const size_t so_far = done += steps[begin].size();
    if (thread == 0) on_progress(static_cast<double>(so_far) / static_cast<double>(total));
  });
  if (options.stop.stop_requested()) {
    return make_error(ErrorCode::kCancelled, "{}: loading was cancelled", options.path.string());
  }
  on_progress(1);
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
    const auto report = [&](double fraction) {
      if (options.on_progress) options.on_progress(fraction);
    };
    // What is in the page cache is read in less time than it is brought to a device, what is on disk in more.
    const double share = options.accelerator != nullptr ? 0.5 : 1;
    LoadOptions to_memory = options;
    to_memory.on_progress = [&](double fraction) { report(share * fraction); };
    auto model = load(file, to_memory);
    if (model && options.accelerator != nullptr) {
      const auto while_uploading = [&](double fraction) { report(share + (1 - share) * fraction); };
      SAIN_RETURN_IF_ERROR(
          model->bring_to(*options.accelerator, {options.max_device_bytes, while_uploading, options.stop}));
      report(1);
    }
    SAIN_RETURN_IF_ERROR(model ? model->status() : file.status());  // zeros look like damage, or like nothing at all
    return model;
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kResourceExhausted, "{}: not enough memory to load the model", options.path.string());
  }
}

/// Takes `file` over where it succeeds. There is somebody to report progress to.
Result<Model> Model::load(GgufFile& file, const LoadOptions& options) {
  SAIN_ASSIGN_OR_RETURN(ModelConfig config, ModelConfig::from_metadata(file.metadata()));
  SAIN_ASSIGN_OR_RETURN(Weights weights, Weights::from_file(file, config));
  SAIN_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::from_metadata(file.metadata()));
  std::vector<std::string> warnings = tokenizer.warnings();
  std::optional<ChatTemplate> chat_template = read_chat_template(file, warnings);
  // Packing, where it is needed, takes longer than reading.
  double packed_fraction = 0;
  const auto while_packing = [&](double fraction) { options.on_progress(packed_fraction = 0.8 * fraction); };
  const auto while_reading = [&](double fraction) {
    options.on_progress(packed_fraction + (1 - packed_fraction) * fraction);
  };
  SAIN_ASSIGN_OR_RETURN(PackedWeights packed,
                        PackedWeights::create(file, weights, {options.packing, while_packing, options.stop}, warnings));
  SAIN_RETURN_IF_ERROR(read_weights(weights, options, while_reading));
  return Model(std::move(file), std::move(config), std::move(weights), std::move(packed), std::move(tokenizer),
               std::move(chat_template), std::move(warnings),
               kernels::select_kernels(kernels::detect_isa(options.isa)));
}

Model::Model(GgufFile file, ModelConfig config, Weights weights, PackedWeights packed, Tokenizer tokenizer,
             std::optional<ChatTemplate> chat_template, std::vector<std::string> warnings, kernels::KernelSet kernels)
    : file_(std::move(file)),
      config_(std::move(config)),
      weights_(std::move(weights)),
      packed_(std::move(packed)),
      tokenizer_(std::move(tokenizer)),
      chat_template_(std::move(chat_template)),
      warnings_(std::move(warnings)),
      kernels_(kernels),
      batchers_(std::make_shared<cpu::Batchers>()) {}

/// Errors: kCancelled. With others the CPU does it, and a warning says so.
Status Model::bring_to(Accelerator& accelerator, const UploadOptions& options) {
  auto device = accelerator.load(*this, options);
  if (!device && device.error().code == ErrorCode::kCancelled) {
    return make_error(ErrorCode::kCancelled, "{}: {}", file_.path().string(), device.error().message);
  }
  if (!device) {
    warnings_.push_back(fmt::format("{}: {}; the CPU does it", accelerator.name(), device.error().message));
    return {};
  }
  device_ = *std::move(device);
  // What is there need not be in memory here too. Where it is read again after all it comes from the file.
  weights_.for_each_matrix([&](const WeightMatrix& m) {
    if (m.packed == nullptr || packed_.is_mapped())
      drop_pages({m.packed != nullptr ? m.packed : m.data, m.rows * row_bytes(m.dtype, m.cols)});
  });
  return {};
}

Status Model::status() const {
  SAIN_RETURN_IF_ERROR(file_.status());
  return packed_.status();
}

}  // namespace sain::engine
