#include "router/answer_form.h"

#include <algorithm>

#include "engine/model_identity.h"

namespace sain::router {
namespace {

/// The entry that `is_it`, moved to the end, where make() puts it if there is none.
template <class T, class F, class G>
T& use(std::vector<T>& entries, size_t most, F&& is_it, G&& make) {
  auto found = std::ranges::find_if(entries, is_it);
  if (found == entries.end()) {
    if (entries.size() == most) entries.erase(entries.begin());
    return entries.emplace_back(make());
  }
  std::rotate(found, found + 1, entries.end());
  return entries.back();
}

}  // namespace

std::shared_ptr<const engine::CompiledGrammar> FormCache::compile(const engine::Model& model, const AnswerForm& form) {
  const std::string id = engine::ModelIdentity::of(model.file()).fingerprint;
  const auto is_it = [&](const Form& known) { return known.model == id && known.text == form.text; };
  std::shared_ptr<Tokens> tokens;
  {
    const std::lock_guard lock(mutex_);
    tokens = use(
                 vocabularies_, kMostVocabularies, [&](const Vocabulary& known) { return known.model == id; },
                 [&] {
                   return Vocabulary{id, std::make_shared<Tokens>()};
                 })
                 .tokens;
  }
  std::call_once(tokens->once, [&] { tokens->trie = std::make_shared<engine::TokenTrie>(model.tokenizer()); });
  const std::lock_guard lock(mutex_);
  return use(forms_, kMostForms, is_it,
             [&] {
               return Form{id, form.text, std::make_shared<engine::CompiledGrammar>(form.grammar, tokens->trie)};
             })
      .grammar;
}

void FormCache::clear() {
  const std::lock_guard lock(mutex_);
  forms_.clear();
}

}  // namespace sain::router
