// The file, little-endian: 8 bytes "SAINFEAT", u32 version, u32 n_features, u64 n_entries, 32 bytes key, of each entry
// u64[2] XXH3-128 of its text and f32 features[n_features], and u64 XXH3-64 of all that stands before.
#include "router/feature_cache.h"

#include <xxhash.h>

#include <bit>
#include <cstring>
#include <string>
#include <system_error>

#include "formats/atomic_file.h"
#include "formats/mapped_file.h"

namespace sain::router {
namespace {

static_assert(std::endian::native == std::endian::little, "the file holds the machine's own numbers");

constexpr uint32_t kVersion = 1;

struct Header {
  char magic[8] = {'S', 'A', 'I', 'N', 'F', 'E', 'A', 'T'};
  uint32_t version = kVersion;
  uint32_t n_features = 0;
  uint64_t n_entries = 0;
  HeadKey key = {};
};

void append(std::string& out, const void* bytes, size_t n) {
  out.append(static_cast<const char*>(bytes), n);
}

}  // namespace

FeatureCache FeatureCache::load(std::filesystem::path file, const HeadKey& key, uint32_t n_features) {
  FeatureCache cache(std::move(file), key, n_features);
  const auto mapped = formats::MappedFile::open(cache.file_);
  if (!mapped) return cache;
  std::string_view in(reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size());
  uint64_t checksum = 0;
  Header found, expected;
  if (in.size() < sizeof found + sizeof checksum) return cache;
  std::memcpy(&found, in.data(), sizeof found);
  std::memcpy(&checksum, in.data() + in.size() - sizeof checksum, sizeof checksum);
  in.remove_suffix(sizeof checksum);
  const size_t entry_bytes = sizeof(Hash) + n_features * sizeof(float);
  expected.n_features = n_features;
  expected.n_entries = (in.size() - sizeof found) / entry_bytes;
  expected.key = key;
  if (std::memcmp(&found, &expected, sizeof found) != 0 || XXH3_64bits(in.data(), in.size()) != checksum) return cache;
  for (in.remove_prefix(sizeof found); in.size() >= entry_bytes; in.remove_prefix(entry_bytes)) {
    Hash hash;
    std::memcpy(&hash, in.data(), sizeof hash);
    std::vector<float>& features = cache.entries_[hash].features;
    features.resize(n_features);
    std::memcpy(features.data(), in.data() + sizeof hash, n_features * sizeof(float));
  }
  return cache;
}

Result<std::span<const float>> FeatureCache::get(std::string_view text, const Compute& compute) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  const Hash key = {hash.low64, hash.high64};
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    SAIN_ASSIGN_OR_RETURN(std::vector<float> features, compute(text));
    found = entries_.emplace(key, Entry{std::move(features)}).first;
    has_grown_ = true;
  }
  found->second.is_used = true;
  return std::span<const float>(found->second.features);
}

Status FeatureCache::save() {
  const bool has_shrunk = std::erase_if(entries_, [](const auto& entry) { return !entry.second.is_used; }) > 0;
  for (auto& [hash, entry] : entries_) entry.is_used = false;
  if (!has_grown_ && !has_shrunk) return {};
  Header header;
  header.n_features = n_features_;
  header.n_entries = entries_.size();
  header.key = key_;
  std::string out;
  append(out, &header, sizeof header);
  for (const auto& [hash, entry] : entries_) {
    append(out, &hash, sizeof hash);
    append(out, entry.features.data(), entry.features.size() * sizeof(float));
  }
  const uint64_t checksum = XXH3_64bits(out.data(), out.size());
  append(out, &checksum, sizeof checksum);
  std::error_code error;
  std::filesystem::create_directories(file_.parent_path(), error);  // if it fails, so does what follows
  SAIN_RETURN_IF_ERROR(formats::write_atomically(file_, out));
  has_grown_ = false;
  return {};
}

}  // namespace sain::router
