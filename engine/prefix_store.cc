#include "engine/prefix_store.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "engine/prefix_file.h"
#include "formats/sha256.h"

namespace sain::engine {
namespace {

namespace fs = std::filesystem;
using formats::Token;

constexpr const char* kExtension = ".gguf";

uint64_t common_length(std::span<const Token> a, std::span<const Token> b) {
  const size_t n = std::min(a.size(), b.size());
  return static_cast<uint64_t>(std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(n), b.begin()).first -
                               a.begin());
}

/// A snapshot, or what a program that died in the middle of writing one has left.
bool is_ours(const fs::path& path) {
  return path.extension() == kExtension || path.filename().string().starts_with(".sain-");
}

Result<KvPrefix> read(const fs::path& path, const KvLayout& layout) {
  SAIN_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(path));
  auto prefix = read_prefix(file, layout);
  SAIN_RETURN_IF_ERROR(file.status());
  return prefix;
}

Result<PrefixFileHeader> read_header(const fs::path& path) {
  SAIN_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(path));
  auto header = read_prefix_header(file);
  SAIN_RETURN_IF_ERROR(file.status());
  return header;
}

std::string short_hash(std::span<const std::byte> bytes) {
  return formats::sha256_hex(bytes).substr(0, 32);
}

}  // namespace

PrefixKey PrefixKey::of(const ModelIdentity& model, bool is_exact, const KvLayout& layout, std::string_view variant) {
  const std::string text =
      fmt::format("{} {} {} {} {} {}{}{}", model.fingerprint, model.bytes, model.modified, is_exact,
                  static_cast<int>(layout.type), layout.layers.size(), variant.empty() ? "" : " ", variant);
  return {short_hash(std::as_bytes(std::span(text))), layout.of_prefix()};
}

std::optional<KvPrefix> PrefixStore::find(const PrefixKey& key, std::span<const Token> tokens, uint64_t at_least) {
  const std::lock_guard lock(mutex_);
  for (;;) {
    uint64_t best = std::max<uint64_t>(at_least, 1) - 1;
    Entry* entry = nullptr;
    for (Entry& candidate : entries_) {
      if (candidate.id != key.id) continue;
      const uint64_t n = common_length(candidate.tokens, tokens);
      if (n > best && candidate.prefix.keeps(n)) best = n, entry = &candidate;
    }
    std::vector<Snapshot>& known = snapshots(key.id);
    auto snapshot = known.end();
    for (auto candidate = known.begin(); candidate != known.end(); ++candidate) {
      const uint64_t n = common_length(candidate->tokens, tokens);
      if (n > best && candidate->keeps(key.layout, n)) best = n, snapshot = candidate;
    }
    if (snapshot != known.end()) {
      auto prefix = read(snapshot->path, key.layout);
      if (!prefix) {
        warn(prefix.error().message);
        std::error_code ignored;
        fs::remove(snapshot->path, ignored);
        known.erase(snapshot);
        continue;
      }
      std::error_code ignored;
      fs::last_write_time(snapshot->path, fs::file_time_type::clock::now(), ignored);
      put_locked(key, snapshot->tokens, *prefix);
      prefix->truncate(best);
      return *std::move(prefix);
    }
    if (entry == nullptr) return std::nullopt;
    entry->last_used = ++clock_;
    KvPrefix prefix = entry->prefix;
    prefix.truncate(best);
    return prefix;
  }
}

void PrefixStore::put(const PrefixKey& key, std::span<const Token> tokens, const KvPrefix& prefix) {
  const std::lock_guard lock(mutex_);
  put_locked(key, tokens, prefix);
}

void PrefixStore::put_locked(const PrefixKey& key, std::span<const Token> tokens, const KvPrefix& prefix) {
  for (Entry& entry : entries_) {
    if (entry.id != key.id || common_length(entry.tokens, tokens) < tokens.size()) continue;
    if (!entry.prefix.keeps(tokens.size())) continue;
    entry.last_used = ++clock_;
    return;
  }
  // What the new one can stand for goes.
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.id == key.id && common_length(entry.tokens, tokens) == entry.tokens.size() &&
           prefix.keeps(entry.tokens.size());
  });
  entries_.push_back({key.id, {tokens.begin(), tokens.end()}, prefix, ++clock_});
  while (memory_bytes_locked() > options_.memory_bytes) {
    entries_.erase(std::ranges::min_element(entries_, {}, &Entry::last_used));
  }
}

void PrefixStore::save(const PrefixKey& key, std::span<const Token> tokens, const KvPrefix& prefix) {
  if (options_.directory.empty()) return;
  const std::lock_guard lock(mutex_);
  std::vector<Snapshot>& known = snapshots(key.id);
  const bool is_known = std::ranges::any_of(known, [&](const Snapshot& snapshot) {
    return common_length(snapshot.tokens, tokens) == tokens.size() && snapshot.keeps(key.layout, tokens.size());
  });
  if (is_known) return;
  uint64_t bytes = 0;
  for (size_t group = 0; group < key.layout.groups.size(); ++group) {
    bytes += key.layout.bytes(group, tokens.size() - prefix.first_kept(group));
  }
  if (bytes > options_.disk_bytes) {
    return warn(fmt::format("{}: a snapshot of {} tokens takes {} MiB, and {} are allowed for all",
                            options_.directory.string(), tokens.size(), bytes >> 20, options_.disk_bytes >> 20));
  }
  std::error_code ignored;  // the write says it better
  fs::create_directories(options_.directory, ignored);
  const fs::path path = options_.directory / (key.id + "-" + short_hash(std::as_bytes(tokens)) + kExtension);
  if (const Status written = write_prefix_file(path, key.id, tokens, prefix); !written) {
    return warn(written.error().message);
  }
  Snapshot snapshot = {path, {tokens.begin(), tokens.end()}, {}};
  for (size_t group = 0; group < key.layout.groups.size(); ++group) {
    snapshot.firsts.push_back(prefix.first_kept(group));
  }
  std::erase_if(known, [&](const Snapshot& other) { return other.path == path; });
  known.push_back(std::move(snapshot));
  make_room_on_disk(path);
}

void PrefixStore::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

uint64_t PrefixStore::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return memory_bytes_locked();
}

uint64_t PrefixStore::memory_bytes_locked() const {
  std::set<const KvSegment*> segments;
  uint64_t bytes = 0;
  for (const Entry& entry : entries_) {
    for (const KvPrefix::Piece& piece : entry.prefix.pieces) {
      if (segments.insert(piece.segment.get()).second) bytes += piece.segment->bytes();
    }
  }
  return bytes;
}

bool PrefixStore::Snapshot::keeps(const KvLayout& layout, uint64_t n_positions) const {
  if (firsts.size() != layout.groups.size()) return true;  // reading it will say so
  for (size_t group = 0; group < firsts.size(); ++group) {
    if (firsts[group] > layout.groups[group].rule.window_begin(n_positions)) return false;
  }
  return true;
}

/// Those of a model on disk, which are looked for once: what other programs write later is found by them.
std::vector<PrefixStore::Snapshot>& PrefixStore::snapshots(const std::string& id) {
  const auto [found, is_new] = snapshots_.try_emplace(id);
  if (!is_new || options_.directory.empty()) return found->second;
  std::error_code error;
  for (const fs::directory_entry& file : fs::directory_iterator(options_.directory, error)) {
    const std::string name = file.path().filename().string();
    if (!name.starts_with(id + "-") || file.path().extension() != kExtension) continue;
    auto header = read_header(file.path());
    if (header && header->id == id) {
      found->second.push_back({file.path(), std::move(header->tokens), std::move(header->firsts)});
      continue;
    }
    warn(header ? fmt::format("{}: sain.prefix.id: expected {}, found {}", file.path().string(), id, header->id)
                : header.error().message);
    std::error_code ignored;
    fs::remove(file.path(), ignored);
  }
  return found->second;
}

/// Removes what was used longest ago until the rest fits, but not the newest.
void PrefixStore::make_room_on_disk(const fs::path& newest) {
  struct File {
    fs::path path;
    fs::file_time_type last_used;
    uint64_t bytes;
  };
  std::vector<File> files;
  uint64_t total = 0;
  std::error_code error;
  for (const fs::directory_entry& file : fs::directory_iterator(options_.directory, error)) {
    if (!is_ours(file.path())) continue;
    const uint64_t bytes = file.file_size(error);
    const auto last_used = file.last_write_time(error);
    if (error) continue;  // gone in the meantime
    total += bytes;
    if (file.path() != newest) files.push_back({file.path(), last_used, bytes});
  }
  std::ranges::sort(files, {}, &File::last_used);
  for (const File& file : files) {
    if (total <= options_.disk_bytes) return;
    fs::remove(file.path, error);
    total -= file.bytes;
    for (auto& [id, known] : snapshots_) {
      std::erase_if(known, [&](const Snapshot& snapshot) { return snapshot.path == file.path; });
    }
  }
}

void PrefixStore::warn(const std::string& message) const {
  if (options_.warn) options_.warn(message);
}

}  // namespace sain::engine
