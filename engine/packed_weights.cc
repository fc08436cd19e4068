#include "engine/packed_weights.h"

#include <sys/mman.h>

#include <span>
#include <string_view>
#include <unordered_set>

#include "engine/cache_dir.h"
#include "engine/model_identity.h"
#include "engine/thread_pool.h"
#include "formats/gguf_writer.h"
#include "kernels/pack/pack.h"

namespace sain::engine {
namespace {

namespace fs = std::filesystem;
using formats::GgufFile;
using formats::GgufWriter;
using formats::Metadata;

constexpr const char* kArchitecture = "sain-packed";
constexpr uint32_t kVersion = 1;       // of kernels/packed.h
constexpr uint32_t kAlignment = 4096;  // a tensor begins a page

/// The matrices that have a packed form, each once.
std::vector<WeightMatrix*> packable(Weights& weights) {
  std::vector<WeightMatrix*> out;
  std::unordered_set<const std::byte*> seen;
  weights.for_each_matrix([&](WeightMatrix& m) {
    if (m && kernels::is_packable(m.dtype) && seen.insert(m.data).second) out.push_back(&m);
  });
  return out;
}

size_t packed_bytes(const WeightMatrix& m) {
  return kernels::packed_groups(m.rows) * kernels::packed_group_bytes(m.dtype, m.cols);
}

/// Packs groups [first, first + out.size() / group bytes) of `m` on all threads of `pool`, and gives the pages of the
/// model's file that were read for it back to the page cache: a model costs memory once.
void pack_groups(const WeightMatrix& m, size_t first, std::span<std::byte> out, ThreadPool& pool) {
  const size_t group_bytes = kernels::packed_group_bytes(m.dtype, m.cols);
  const kernels::PackGroup pack = kernels::select_pack(m.dtype).group;
  pool.parallel_for(out.size() / group_bytes, 4, [&](unsigned, size_t begin, size_t end) {
    for (size_t g = begin; g < end; ++g) {
      const size_t row = (first + g) * kernels::kPackedRows;
      pack(m.row(row), std::min(kernels::kPackedRows, m.rows - row), m.cols, out.data() + g * group_bytes);
    }
  });
  constexpr uintptr_t kPage = 4096;
  const size_t row = first * kernels::kPackedRows;
  const size_t end_row = std::min(m.rows, row + out.size() / group_bytes * kernels::kPackedRows);
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(m.row(row)) + kPage - 1) / kPage * kPage;
  const uintptr_t end = reinterpret_cast<uintptr_t>(m.row(end_row)) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

/// Whether `sidecar` was made from `source` as it is now, of the layout that this program reads.
bool belongs(const GgufFile& sidecar, const ModelIdentity& source, const std::vector<WeightMatrix*>& matrices) {
  const Metadata& m = sidecar.metadata();
  const auto is = [](auto result, auto expected) { return result && *result == expected; };
  if (!is(m.string("general.architecture"), std::string_view(kArchitecture)) ||
      !is(m.u32("sain.packed.version"), kVersion) || !is(m.u64("sain.packed.source.bytes"), source.bytes) ||
      !is(m.string("sain.packed.source.modified"), std::string_view(std::to_string(source.modified))) ||
      !is(m.string("sain.packed.source.fingerprint"), std::string_view(source.fingerprint))) {
    return false;
  }
  for (const WeightMatrix* matrix : matrices) {
    const formats::TensorInfo* tensor = sidecar.find_tensor(matrix->name);
    if (tensor == nullptr || tensor->dtype != matrix->dtype || tensor->bytes != packed_bytes(*matrix) ||
        tensor->shape[0] != matrix->cols * kernels::kPackedRows) {
      return false;
    }
  }
  return true;
}

Status write_sidecar(const fs::path& path, const GgufFile& model, const ModelIdentity& source,
                     const std::vector<WeightMatrix*>& matrices, const PackOptions& options, ThreadPool& pool) {
  std::stop_source stop;  // also where the model cannot be read any more: the file would be one of zeros
  const std::stop_callback forward(options.stop, [&stop] { stop.request_stop(); });
  GgufWriter writer;
  writer.set("general.architecture", kArchitecture);
  writer.set("sain.packed.version", kVersion);
  writer.set("sain.packed.source.bytes", source.bytes);
  writer.set("sain.packed.source.modified", std::to_string(source.modified));
  writer.set("sain.packed.source.fingerprint", source.fingerprint);
  for (const WeightMatrix* m : matrices) {
    writer.add_tensor(m->name, m->dtype, {m->cols * kernels::kPackedRows, kernels::packed_groups(m->rows)},
                      [&, m](uint64_t first, std::span<std::byte> out) {
                        pack_groups(*m, first, out, pool);
                        if (!model.status()) stop.request_stop();
                      });
  }
  formats::GgufWriteOptions write;
  write.alignment = kAlignment;
  write.stop = stop.get_token();
  if (options.on_progress) {
    write.on_progress = [&](uint64_t done, uint64_t total) {
      options.on_progress(static_cast<double>(done) / static_cast<double>(total));
    };
  }
  const auto written = writer.write(path, write);
  SAIN_RETURN_IF_ERROR(model.status());
  if (!written) return written.error();
  return {};
}

/// An embedding that is the output too is looked up in its packed form: no page of the other one stays in memory.
void share_output(Weights& weights) {
  if (weights.token_embedding.data == weights.output.data) weights.token_embedding.packed = weights.output.packed;
}

}  // namespace

fs::path PackedWeights::sidecar_path(const fs::path& model) {
  return model.string() + ".packed";
}

Result<PackedWeights> PackedWeights::create(const GgufFile& source, Weights& weights, const PackOptions& options,
                                            std::vector<std::string>& warnings) {
  PackedWeights out;
  const std::vector<WeightMatrix*> matrices = packable(weights);
  if (matrices.empty() || options.packing == Packing::kNone) return out;
  for (const WeightMatrix* m : matrices) out.bytes_ += packed_bytes(*m);

  ModelIdentity identity;
  std::vector<fs::path> paths;  // best first
  if (options.packing == Packing::kSidecar) {
    identity = ModelIdentity::of(source);
    const std::string name = source.path().filename().string() + "." + identity.fingerprint.substr(0, 16) + ".packed";
    paths = {sidecar_path(source.path()), cache_dir() / "packed" / name};
  }
  const auto use = [&](const fs::path& path) {
    auto file = GgufFile::open(path);
    if (!file || !belongs(*file, identity, matrices)) return false;
    out.file_ = *std::move(file);
    for (WeightMatrix* m : matrices) m->packed = out.file_->find_tensor(m->name)->data;
    share_output(weights);
    return true;
  };
  for (const fs::path& path : paths) {
    if (use(path)) return out;
  }

  ThreadPool pool;
  std::string reasons;
  for (const fs::path& path : paths) {
    std::error_code ignored;  // the write says it better
    if (path != paths.front()) fs::create_directories(path.parent_path(), ignored);
    const Status written = write_sidecar(path, source, identity, matrices, options, pool);
    SAIN_RETURN_IF_ERROR(source.status());
    if (written && use(path)) return out;
    if (!written && written.error().code == ErrorCode::kCancelled) return written.error();
    if (!written) reasons += (reasons.empty() ? "" : "; ") + written.error().message;
  }
  if (!reasons.empty()) warnings.push_back("the packed weights stay in memory, and will be packed again: " + reasons);

  SAIN_ASSIGN_OR_RETURN(out.memory_, AlignedBuffer::allocate(out.bytes_, "packed weights", Pages::kHuge));
  std::byte* next = out.memory_.as<std::byte>();
  for (WeightMatrix* m : matrices) {
    if (options.stop.stop_requested()) {
      return make_error(ErrorCode::kCancelled, "{}: loading was cancelled", source.path().string());
    }
    pack_groups(*m, 0, {next, packed_bytes(*m)}, pool);
    m->packed = next;
    next += packed_bytes(*m);
    if (options.on_progress) {
      options.on_progress(static_cast<double>(next - out.memory_.as<std::byte>()) / static_cast<double>(out.bytes_));
    }
  }
  share_output(weights);
  return out;
}

}  // namespace sain::engine
