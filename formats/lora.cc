#include "formats/lora.h"

#include <string>
#include <unordered_map>

#include "formats/gguf_text.h"

namespace sain::formats {
namespace {

constexpr std::string_view kSuffixA = ".lora_a", kSuffixB = ".lora_b";

Status expect_value(const Metadata& metadata, std::string_view key, std::string_view expected) {
  SAIN_ASSIGN_OR_RETURN(const std::string_view found, metadata.string(key));
  if (found == expected) return {};
  return make_error(ErrorCode::kUnsupported, "{}: {}: expected {}, found {}", metadata.file(), key, quote(expected),
                    quote(found));
}

Status check_pair(const std::string& file, const LoraPair& pair) {
  if (pair.a == nullptr || pair.b == nullptr) {
    return make_error(ErrorCode::kCorrupt, "{}: tensor {}{}: expected {} with it, found none", file, escape(pair.base),
                      pair.a != nullptr ? kSuffixA : kSuffixB, pair.a != nullptr ? kSuffixB : kSuffixA);
  }
  for (const TensorInfo* tensor : {pair.a, pair.b}) {
    if (tensor->shape[2] == 1 && tensor->shape[3] == 1) continue;
    return make_error(ErrorCode::kCorrupt, "{}: tensor {}: expected a matrix, found {} dimensions", file,
                      escape(tensor->name), tensor->n_dims);
  }
  if (const size_t rank = pair.is_embedding ? pair.a->shape[0] : pair.a->shape[1]; rank != pair.rank()) {
    return make_error(ErrorCode::kCorrupt, "{}: tensor {}: expected the rank of {}, {}, found {}", file,
                      escape(pair.b->name), escape(pair.a->name), rank, pair.rank());
  }
  return {};
}

}  // namespace

Result<LoraFile> LoraFile::from_gguf(const GgufFile& file) {
  const Metadata& metadata = file.metadata();
  const std::string& name = metadata.file();
  SAIN_RETURN_IF_ERROR(expect_value(metadata, "general.type", "adapter"));
  SAIN_RETURN_IF_ERROR(expect_value(metadata, "adapter.type", "lora"));
  LoraFile lora;
  lora.file = &file;
  SAIN_ASSIGN_OR_RETURN(lora.architecture, metadata.string("general.architecture"));
  SAIN_ASSIGN_OR_RETURN(lora.alpha, metadata.f32("adapter.lora.alpha"));
  if (lora.alpha == 0) {  // for some programs that means no effect, for others a scale of 1
    return make_error(ErrorCode::kCorrupt, "{}: adapter.lora.alpha: expected another number than 0, found 0", name);
  }
  if (constexpr std::string_view kKey = "adapter.alora.invocation_tokens"; metadata.contains(kKey)) {
    return make_error(ErrorCode::kUnsupported,
                      "{}: {}: expected an adapter of all tokens, found one of those after some tokens", name, kKey);
  }

  std::unordered_map<std::string_view, size_t> index;
  for (const TensorInfo& tensor : file.tensors()) {
    const bool is_a = tensor.name.ends_with(kSuffixA);
    if (!is_a && !tensor.name.ends_with(kSuffixB)) {
      return make_error(ErrorCode::kUnsupported, "{}: tensor {}: expected a name that ends in {} or {}", name,
                        quote(tensor.name), kSuffixA, kSuffixB);
    }
    const std::string_view base = tensor.name.substr(0, tensor.name.size() - kSuffixA.size());
    const auto [at, is_new] = index.try_emplace(base, lora.pairs.size());
    if (is_new) lora.pairs.push_back({.base = base, .is_embedding = base == "token_embd.weight"});
    LoraPair& pair = lora.pairs[at->second];
    (is_a ? pair.a : pair.b) = &tensor;
  }
  if (lora.pairs.empty()) return make_error(ErrorCode::kCorrupt, "{}: expected tensors, found none", name);
  for (const LoraPair& pair : lora.pairs) SAIN_RETURN_IF_ERROR(check_pair(name, pair));
  return lora;
}

}  // namespace sain::formats
