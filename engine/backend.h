// Where a session's passes are computed: the CPU, or a device that holds a copy of the weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>

#include "engine/kv_prefix.h"
#include "engine/thread_pool.h"
#include "formats/result.h"
#include "formats/tokenizer.h"
#include "kernels/matrix_view.h"

namespace sain::engine {

class Sampler;

/// The keys and values of one conversation, and the passes that append to them. Used by one thread at a time.
class Backend {
 public:
  static constexpr size_t kMaxLogits = 64;  // rows of one logits()

  Backend() = default;
  Backend(const Backend&) = delete;
  virtual ~Backend() = default;

  /// Tokens that an append() takes at most, and of how many of them logits() can then be had from the first on; of the
  /// last one they always can.
  virtual size_t max_batch() const = 0;
  virtual size_t max_scored_batch() const = 0;
  /// Up to so many tokens get the same bits in one append() that each would get alone, from length() on. At least 1.
  virtual size_t alike_batch() const { return 1; }
  /// Whether others took part in the last pass, as far as passes are shared.
  virtual bool is_shared() const { return false; }
  /// Of the turns that it takes from now on where sessions share what computes them.
  virtual void set_priority(TurnPriority) {}
  /// Of how many of an append()'s last tokens logits will be wanted, from now on: 1 where nobody has said. Others can
  /// be had as well, but cost a pass over the output matrix of their own.
  virtual void set_n_scored(size_t) {}

  /// Takes `tokens` (1 to max_batch(), of the vocabulary) through the model at the positions from length() on, for
  /// which there must be room. Errors, all of which leave length() as it was: kCancelled (`stop`); what a device says.
  virtual Status append(std::span<const formats::Token> tokens, const std::stop_token& stop) = 0;

  /// Logits of the last append()'s tokens [first, first + count), at most kMaxLogits: (count, vocab_size), which may be
  /// overwritten, until the next call. Errors: what a device says.
  virtual Result<MatrixView<float>> logits(size_t first, size_t count) = 0;

  /// The token of the greatest logit after the last append(), the lowest id of equals, where that is known without the
  /// logits.
  virtual std::optional<formats::Token> likeliest() const { return std::nullopt; }

  /// The token that `sampler` would choose by the logits after the last append(), where that is known without them;
  /// then one of its draws() is used up. What comes later may be at work already: that is forgotten where another token
  /// is appended, or another sampler asks. Errors, for which nothing is used up: what a device says.
  virtual Result<std::optional<formats::Token>> sample(Sampler&) { return std::nullopt; }

  virtual uint64_t length() const = 0;  // positions that hold a token
  /// Forgets all but the first n_positions. False, and nothing changes, where what the next one needs is not there any
  /// more.
  virtual bool truncate(uint64_t n_positions) = 0;
  virtual size_t bytes() const = 0;  // of keys and values

  /// What its prefixes look like; nullptr where it has none to share, and then it does neither of what follows.
  virtual const KvLayout* layout() const { return nullptr; }
  /// As KvCache::share() and KvCache::adopt().
  virtual Result<KvPrefix> share() { return make_error(ErrorCode::kUnsupported, "this device shares no prefixes"); }
  virtual bool adopt(const KvPrefix&) { return false; }
};

}  // namespace sain::engine
