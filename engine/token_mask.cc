#include "engine/token_mask.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>

#include "formats/grammar/automaton.h"

namespace sain::engine {
namespace {

using formats::GrammarAutomaton;
using Reading = GrammarAutomaton::Reading;

constexpr Reading kUnknown = UINT32_MAX;
constexpr size_t kWordBits = 64;
constexpr size_t kMaskBytes = size_t{64} << 20;   // of masks that are kept
constexpr size_t kRenewBytes = size_t{64} << 20;  // of the automaton, for a new generation

void allow(std::vector<uint64_t>& mask, std::span<const Token> tokens) {
  for (const Token token : tokens) mask[static_cast<size_t>(token) / kWordBits] |= uint64_t{1} << token % kWordBits;
}

}  // namespace

struct CompiledGrammar::Cache {
  explicit Cache(const formats::Grammar& grammar, const TokenTrie& trie)
      : tokens(&trie), automaton(grammar), path(trie.max_depth() + 1) {}

  std::vector<uint64_t> make_mask(Reading reading);
  bool takes_plain(Reading reading, size_t n);
  Reading after_plain(Reading reading);

  std::mutex mutex;  // of all below
  const TokenTrie* tokens;
  GrammarAutomaton automaton;
  std::unordered_map<Reading, std::vector<uint64_t>> masks;  // a bit for each token; they stay where they are
  std::vector<Reading> plain;                                // by reading: after_plain(), or kUnknown
  std::vector<Reading> path;                                 // scratch of make_mask
};

std::vector<uint64_t> CompiledGrammar::Cache::make_mask(Reading reading) {
  std::vector<uint64_t> mask((tokens->vocab_size() + kWordBits - 1) / kWordBits);
  if (automaton.can_end(reading)) allow(mask, tokens->ends());
  const std::span<const TokenTrie::Node> nodes = tokens->nodes();
  path[0] = reading;
  for (size_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    path[node.depth] = automaton.step(path[node.depth - 1], node.byte);
    if (path[node.depth] == GrammarAutomaton::kDead) {
      i = node.end;
    } else if (node.plain_height != TokenTrie::kNotPlain && takes_plain(path[node.depth], node.plain_height)) {
      allow(mask, tokens->tokens_from(i));
      i = node.end;
    } else {
      allow(mask, tokens->tokens(i++));
    }
  }
  return mask;
}

/// Whether any n plain bytes can follow, found without trying them one by one: within a string they are all alike.
bool CompiledGrammar::Cache::takes_plain(Reading reading, size_t n) {
  for (; n > 0 && reading != GrammarAutomaton::kDead; --n) {
    const Reading next = after_plain(reading);
    if (next == reading) break;
    reading = next;
  }
  return reading != GrammarAutomaton::kDead;
}

/// Where all plain bytes lead to; kDead where they do not lead to the same.
Reading CompiledGrammar::Cache::after_plain(Reading reading) {
  if (reading >= plain.size()) plain.resize(reading + 1, kUnknown);
  if (plain[reading] != kUnknown) return plain[reading];
  const Reading after_space = automaton.step(reading, ' ');
  bool is_same = after_space != GrammarAutomaton::kDead;
  for (int byte = 0; byte < 256 && is_same; ++byte) {
    const uint8_t value = static_cast<uint8_t>(byte);
    is_same = !TokenTrie::is_plain(value) || automaton.step(reading, value) == after_space;
  }
  return plain[reading] = is_same ? after_space : GrammarAutomaton::kDead;
}

CompiledGrammar::CompiledGrammar(formats::Grammar grammar, std::shared_ptr<const TokenTrie> tokens)
    : grammar_(std::move(grammar)), tokens_(std::move(tokens)) {}
CompiledGrammar::~CompiledGrammar() = default;

Status CompiledGrammar::check(const formats::Tokenizer& tokenizer) const {
  if (tokenizer.vocab_size() == tokens_->vocab_size()) return {};
  return make_error(ErrorCode::kInvalidArgument, "grammar: expected one for the model's {} tokens, found one for {}",
                    tokenizer.vocab_size(), tokens_->vocab_size());
}

std::shared_ptr<CompiledGrammar::Cache> CompiledGrammar::cache() const {
  const std::lock_guard lock(mutex_);
  const auto is_used_up = [](Cache& cache) {
    const std::lock_guard cache_lock(cache.mutex);
    return cache.automaton.bytes() > kRenewBytes || cache.automaton.is_exhausted();
  };
  if (cache_ == nullptr || is_used_up(*cache_)) cache_ = std::make_shared<Cache>(grammar_, *tokens_);
  return cache_;
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<const CompiledGrammar> grammar)
    : grammar_(std::move(grammar)), cache_(grammar_->cache()), reading_(cache_->automaton.start()) {}
GrammarMatcher::~GrammarMatcher() = default;
GrammarMatcher::GrammarMatcher(GrammarMatcher&&) noexcept = default;

/// The mask of the text so far; lasts until the next call.
std::span<const uint64_t> GrammarMatcher::allowed() {
  CompiledGrammar::Cache& cache = *cache_;
  if (const auto known = cache.masks.find(reading_); known != cache.masks.end()) return known->second;
  cache.automaton.renew_work();
  scratch_ = cache.make_mask(reading_);
  const size_t mask_bytes = scratch_.size() * sizeof(uint64_t);
  if ((cache.masks.size() + 1) * mask_bytes > kMaskBytes) return scratch_;
  return cache.masks.emplace(reading_, std::move(scratch_)).first->second;
}

Status GrammarMatcher::mask(std::span<float> logits) {
  constexpr float kForbidden = -std::numeric_limits<float>::infinity();
  std::span<const uint64_t> words;
  {
    const std::lock_guard lock(cache_->mutex);
    words = allowed();
    if (cache_->automaton.is_exhausted()) {
      return make_error(ErrorCode::kResourceExhausted, "grammar: reading this text takes more than its limits allow");
    }
  }
  if (std::ranges::all_of(words, [](uint64_t word) { return word == 0; })) {
    return make_error(ErrorCode::kInternal, "grammar: the vocabulary has no token that may follow");
  }
  for (size_t i = 0; i < words.size() && i * kWordBits < logits.size(); ++i) {
    const std::span<float> part = logits.subspan(i * kWordBits, std::min(kWordBits, logits.size() - i * kWordBits));
    if (words[i] == 0) {
      std::ranges::fill(part, kForbidden);
      continue;
    }
    for (uint64_t forbidden = ~words[i]; forbidden != 0; forbidden &= forbidden - 1) {
      const size_t bit = static_cast<size_t>(std::countr_zero(forbidden));
      if (bit < part.size()) part[bit] = kForbidden;
    }
  }
  std::ranges::fill(logits.subspan(std::min(logits.size(), words.size() * kWordBits)), kForbidden);
  return {};
}

Status GrammarMatcher::accept(Token token) {
  const std::lock_guard lock(cache_->mutex);
  GrammarAutomaton& automaton = cache_->automaton;
  const TokenTrie& tokens = grammar_->tokens();
  if (std::ranges::count(tokens.ends(), token) > 0) {
    if (automaton.can_end(reading_)) return {};
    return make_error(ErrorCode::kInvalidArgument, "grammar: the text cannot end here");
  }
  automaton.renew_work();
  Reading next = tokens.piece(token).empty() ? GrammarAutomaton::kDead : reading_;
  for (const char byte : tokens.piece(token)) next = automaton.step(next, static_cast<uint8_t>(byte));
  if (next == GrammarAutomaton::kDead) {
    return make_error(ErrorCode::kInvalidArgument, "grammar: token {} cannot follow", token);
  }
  reading_ = next;
  return {};
}

bool GrammarMatcher::is_complete() const {
  const std::lock_guard lock(cache_->mutex);
  return cache_->automaton.can_end(reading_) && !cache_->automaton.can_go_on(reading_);
}

}  // namespace sain::engine
