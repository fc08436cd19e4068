#include "engine/tensor_loader.h"

#include <cmath>
#include <cstring>

#include "formats/mapped_file.h"

namespace sain::engine {

using formats::TensorInfo;

Status TensorLoader::matrix(const std::string& name, size_t rows, size_t cols, WeightMatrix& out, Presence presence) {
  SAIN_ASSIGN_OR_RETURN(const TensorInfo* tensor, find(name, cols, rows, presence));
  if (tensor == nullptr) return {};
  out = {.name = tensor->name, .data = tensor->data, .dtype = tensor->dtype, .rows = rows, .cols = cols};
  bytes_ += tensor->bytes;
  return {};
}

Status TensorLoader::vector(const std::string& name, size_t n, WeightVector& out, Presence presence) {
  SAIN_ASSIGN_OR_RETURN(const TensorInfo* tensor, find(name, n, 1, presence));
  if (tensor == nullptr) return {};
  if (tensor->dtype != DType::kF32) {
    return make_error(ErrorCode::kUnsupported, "{}: tensor {}: expected type F32, found {}", file_.path().string(),
                      name, dtype_info(tensor->dtype).name);
  }
  out.resize(n);
  const formats::SparseReads sparse({tensor->data, tensor->bytes});
  std::memcpy(out.data(), tensor->data, n * sizeof(float));
  bytes_ += tensor->bytes;
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(out[i])) {
      return make_error(ErrorCode::kCorrupt, "{}: tensor {}: element {}: expected a finite number, found {}",
                        file_.path().string(), name, i, out[i]);
    }
  }
  return {};
}

/// nullptr for an optional tensor that is not there.
Result<const TensorInfo*> TensorLoader::find(const std::string& name, size_t row_length, size_t rows,
                                             Presence presence) {
  const TensorInfo* tensor = file_.find_tensor(name);
  if (tensor == nullptr) {
    if (presence == Presence::kOptional) return nullptr;
    return make_error(ErrorCode::kNotFound, "{}: tensor {} is missing", file_.path().string(), name);
  }
  if (tensor->shape[0] != row_length || tensor->shape[1] != rows || tensor->shape[2] != 1 || tensor->shape[3] != 1) {
    return make_error(ErrorCode::kCorrupt, "{}: tensor {}: expected shape [{}, {}], found [{}, {}, {}, {}]",
                      file_.path().string(), name, row_length, rows, tensor->shape[0], tensor->shape[1],
                      tensor->shape[2], tensor->shape[3]);
  }
  used_.insert(tensor->name);
  return tensor;
}

}  // namespace sain::engine
