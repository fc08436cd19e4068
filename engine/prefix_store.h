// Beginnings of conversations that have been computed, so that no other one has to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kv_prefix.h"
#include "engine/model_identity.h"
#include "formats/tokenizer.h"

namespace sain::engine {

/// Whose rows they are: of which model and adapter, computed how, and what they look like.
struct PrefixKey {
  std::string id;   // hexadecimal digits
  KvLayout layout;  // see KvLayout::of_prefix

  /// `variant`: an Adapter::id(), and whatever else makes other bits of the same tokens; empty: nothing.
  static PrefixKey of(const ModelIdentity& model, bool is_exact, const KvLayout& layout, std::string_view variant = {});
};

struct PrefixStoreOptions {
  uint64_t memory_bytes = uint64_t{256} << 20;
  std::filesystem::path directory = {};                       // of snapshots, made when needed; empty: there are none
  uint64_t disk_bytes = uint64_t{1} << 30;                    // of snapshots, of all models
  std::function<void(const std::string& message)> warn = {};  // a snapshot that could not be read or written
};

/// Prefixes in memory, of all conversations that share theirs here, and snapshots of some on disk, which outlive the
/// program. When there is no more room for either, what was used longest ago goes first. Thread-safe; reading a
/// snapshot holds up the others who ask.
class PrefixStore {
 public:
  explicit PrefixStore(PrefixStoreOptions options) : options_(std::move(options)) {}

  /// Of what is known, that which begins as `tokens` does for the longest: not less than `at_least` tokens. A snapshot
  /// that is damaged is a warning, and is removed.
  std::optional<KvPrefix> find(const PrefixKey& key, std::span<const formats::Token> tokens, uint64_t at_least);

  /// `prefix` has as many positions as there are tokens.
  void put(const PrefixKey& key, std::span<const formats::Token> tokens, const KvPrefix& prefix);

  /// Writes a snapshot; nothing where one holds the same already.
  void save(const PrefixKey& key, std::span<const formats::Token> tokens, const KvPrefix& prefix);

  /// Leaves nothing in memory. Snapshots stay.
  void clear();

  uint64_t memory_bytes() const;  // in use

 private:
  struct Entry {
    std::string id;
    std::vector<formats::Token> tokens;
    KvPrefix prefix;
    uint64_t last_used;
  };
  struct Snapshot {
    std::filesystem::path path;
    std::vector<formats::Token> tokens;
    std::vector<uint64_t> firsts;

    bool keeps(const KvLayout& layout, uint64_t n_positions) const;
  };

  std::vector<Snapshot>& snapshots(const std::string& id);
  void put_locked(const PrefixKey& key, std::span<const formats::Token> tokens, const KvPrefix& prefix);
  uint64_t memory_bytes_locked() const;
  void make_room_on_disk(const std::filesystem::path& newest);
  void warn(const std::string& message) const;

  PrefixStoreOptions options_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
  std::map<std::string, std::vector<Snapshot>> snapshots_;  // by id, of those that have been asked for
  uint64_t clock_ = 0;
};

}  // namespace sain::engine
