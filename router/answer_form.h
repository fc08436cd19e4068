// The form that a request asks its answer to have: JSON that fits a schema, any JSON object, or a grammar.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/model.h"
#include "engine/token_mask.h"
#include "formats/grammar.h"

namespace sain::router {

/// Whoever answers, whatever its tokens.
struct AnswerForm {
  formats::Grammar grammar;
  std::string text;  // what it was made of: the same text is the same form
};

/// Forms for the vocabularies of models, the last few that were asked for: what one answer has found out about them
/// serves the next. Thread-safe; who asks for a model's vocabulary while it is read, which takes 0.03 to 0.7 s, waits
/// for that, and nobody else does.
class FormCache {
 public:
  std::shared_ptr<const engine::CompiledGrammar> compile(const engine::Model& model, const AnswerForm& form);

  /// A form may say what its request is about.
  void clear();

 private:
  static constexpr size_t kMostVocabularies = 4, kMostForms = 4;  // a form may hold 100 MiB

  struct Tokens {
    std::once_flag once;
    std::shared_ptr<const engine::TokenTrie> trie;
  };
  struct Vocabulary {
    std::string model;  // ModelIdentity::fingerprint
    std::shared_ptr<Tokens> tokens;
  };
  struct Form {
    std::string model, text;
    std::shared_ptr<const engine::CompiledGrammar> grammar;
  };

  std::mutex mutex_;
  std::vector<Vocabulary> vocabularies_;  // what was used last is last
  std::vector<Form> forms_;               // likewise
};

}  // namespace sain::router
