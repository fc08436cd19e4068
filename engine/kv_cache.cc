#include "engine/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace sain::engine {
namespace {

KvLayout layout_of(const ModelConfig& config, const KvCacheOptions& options) {
  KvLayout layout = {.type = options.type,
                     .n_kv_heads = config.n_kv_heads,
                     .head_dim = config.head_dim,
                     .key_bytes = kernels::kv_row_bytes(kernels::key_type(options.type), config.head_dim),
                     .value_bytes = kernels::kv_row_bytes(options.type, config.head_dim),
                     .rule = options.rule};
  for (uint32_t layer = 0; layer < options.n_layers; ++layer) {
    const KvRule rule = config.is_local[layer] ? KvRule{.window = config.sliding_window} : options.rule;
    auto group = std::ranges::find(layout.groups, rule, &KvLayout::Group::rule);
    if (group == layout.groups.end()) group = layout.groups.insert(group, {.rule = rule});
    layout.layers.push_back({static_cast<uint32_t>(group - layout.groups.begin()), group->n_layers++});
  }
  return layout;
}

/// How far back a shared prefix of a layer with a window can be cut: enough for a chat template's end of an answer.
constexpr uint64_t kRewind = 64;

}  // namespace

Result<KvCache> KvCache::create(const ModelConfig& config, const KvCacheOptions& options) {
  SAIN_CHECK(options.max_length != KvCacheOptions::kEndless || options.rule.window != 0);
  KvCache cache;
  cache.layout_ = layout_of(config, options);
  cache.prefix_.layout = cache.layout_.of_prefix();
  cache.max_length_ = options.max_length;
  for (size_t group = 0; group < cache.layout_.groups.size(); ++group) {
    const KvRule& rule = cache.layout_.groups[group].rule;
    // What a batch sees: its own positions, and those that its first one sees before itself.
    const uint64_t seen = rule.window == 0 ? UINT64_MAX : uint64_t{rule.window} + options.max_batch - 1;
    const uint64_t n_sinks = rule.n_sinks, size = std::min(options.max_length, seen);
    SAIN_ASSIGN_OR_RETURN(KvRows rows, KvRows::allocate(cache.layout_, group, n_sinks + size));
    cache.rings_.push_back({std::move(rows), n_sinks, size});
  }
  return cache;
}

size_t KvCache::bytes() const {
  size_t bytes = 0;
  for (const Ring& ring : rings_) bytes += ring.rows.memory.bytes();
  return bytes;
}

void KvCache::store(const kernels::Attention& kernels, uint32_t layer, uint64_t position, const float* key,
                    const float* value) {
  const kernels::StoreKvFn store_key = kernels.store_for_type(kernels::key_type(type()));
  const kernels::StoreKvFn store_value = kernels.store_for_type(type());
  const Ring& ring = rings_[layout_.layers[layer].group];
  for (uint32_t head = 0; head < layout_.n_kv_heads; ++head) {
    const KvRows::Pair rows = ring.rows.at(layout_, layout_.head(layer, head), ring.slot(position));
    store_key(key + head * layout_.head_dim, rows.key, layout_.head_dim);
    store_value(value + head * layout_.head_dim, rows.value, layout_.head_dim);
  }
}

void KvCache::advance(size_t n_positions) {
  length_ += n_positions;
  reached_ = std::max(reached_, length_);
}

KvRun KvCache::run(uint32_t layer, uint32_t kv_head, uint64_t begin, uint64_t end) const {
  if (const std::optional<KvRun> shared = prefix_.run(layer, kv_head, begin, end)) return *shared;
  const Ring& ring = rings_[layout_.layers[layer].group];
  const auto [keys, values] = ring.rows.at(layout_, layout_.head(layer, kv_head), ring.slot(begin));
  return {keys, values, begin, std::min(end, ring.run_end(begin))};
}

bool KvCache::truncate(uint64_t n_positions) {
  if (n_positions >= length_) return true;
  for (size_t group = 0; group < rings_.size(); ++group) {
    if (!keeps(group, n_positions)) return false;
  }
  prefix_.truncate(std::min(n_positions, prefix_.length()));
  length_ = n_positions;
  if (length_ == prefix_.length()) reached_ = length_;
  return true;
}

/// Whether all that the position after the first n_positions sees is still there.
bool KvCache::keeps(size_t group, uint64_t n_positions) const {
  const uint64_t begin = layout_.groups[group].rule.window_begin(n_positions);
  if (!prefix_.keeps(group, begin, std::min(n_positions, prefix_.length()))) return false;
  const Ring& ring = rings_[group];
  const uint64_t first = std::max({begin, prefix_.length(), ring.n_sinks});
  return first >= n_positions || first + ring.size >= reached_;
}

Result<KvPrefix> KvCache::share() {
  const auto& [window, n_sinks] = layout_.rule;
  if (window != 0 && length_ > uint64_t{n_sinks} + window) {
    return make_error(ErrorCode::kInvalidArgument, "a stream of {} tokens has forgotten some: {} would be complete",
                      length_, n_sinks + window);
  }
  if (length_ == prefix_.length()) return prefix_;
  if (prefix_.pieces.size() < kMaxPieces) {
    SAIN_ASSIGN_OR_RETURN(auto segment, copy_from(prefix_.length()));
    prefix_.pieces.push_back({std::move(segment), length_});
  } else {
    SAIN_ASSIGN_OR_RETURN(auto segment, copy_from(0));
    prefix_.pieces.assign({{std::move(segment), length_}});
  }
  reached_ = length_;
  return prefix_;
}

/// The positions from `begin` on, of each group those that later positions see, and kRewind more where they are there.
Result<std::shared_ptr<const KvSegment>> KvCache::copy_from(uint64_t begin) const {
  std::vector<uint64_t> firsts;
  for (size_t group = 0; group < layout_.groups.size(); ++group) {
    const uint64_t seen = prefix_.layout.groups[group].rule.window_begin(length_);
    const uint64_t overwritten = reached_ - std::min(reached_, rings_[group].size);
    const uint64_t kept = overwritten > prefix_.length() ? overwritten : prefix_.first_kept(group);
    firsts.push_back(std::max(begin, std::min(seen, std::max(kept, seen - std::min(seen, kRewind)))));
  }
  return KvSegment::copy(layout_, firsts, length_, [this](auto... where) { return run(where...); });
}

bool KvCache::adopt(const KvPrefix& prefix) {
  if (prefix.length() > max_length_ || !(prefix.layout == prefix_.layout)) return false;
  prefix_ = prefix;
  length_ = reached_ = prefix.length();
  return true;
}

}  // namespace sain::engine
