#include "formats/grammar.h"

#include "formats/grammar/parser.h"

namespace sain::formats {

Result<Grammar> Grammar::parse(std::string_view text) {
  return GrammarParser(text).parse();
}

}  // namespace sain::formats
