// sain tokenize, sain detokenize: a model's tokens of a text, and back.
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_text.h"
#include "formats/tokenizer.h"
#include "router/catalog.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"

namespace sain::tools {
namespace {

using formats::SpecialTokens;
using formats::Token;
using formats::Tokenizer;

struct Options {
  std::string model, file = "-", text, tokens;
  bool special = false;
  bool json = false;

  SpecialTokens specials() const { return special ? SpecialTokens::kParse : SpecialTokens::kAsText; }
};

/// Reads the metadata alone: the weights stay on disk.
Result<Tokenizer> load_tokenizer(std::string_view name_or_path) {
  SAIN_ASSIGN_OR_RETURN(const std::filesystem::path path, router::resolve_model(name_or_path));
  SAIN_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(path));
  SAIN_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::from_metadata(file.metadata()));
  for (const std::string& warning : tokenizer.warnings()) fmt::print(stderr, "sain: warning: {}\n", warning);
  return tokenizer;
}

Status flush_output() {
  if (std::fflush(stdout) == 0) return {};
  return make_error(ErrorCode::kIo, "standard output: the result could not be written");
}

Status tokenize(const Options& options, bool text_given) {
  SAIN_ASSIGN_OR_RETURN(const Tokenizer tokenizer, load_tokenizer(options.model));
  std::string text = options.text;
  if (text_given) {
    SAIN_RETURN_IF_ERROR(check_utf8("TEXT", text));
  } else {
    SAIN_ASSIGN_OR_RETURN(text, read_text(options.file));
  }
  const std::vector<Token> tokens = tokenizer.encode(text, options.specials());
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"tokens", tokens}}.dump());
    return flush_output();
  }
  fmt::print("{:>8}  {}\n", "TOKEN", "TEXT");
  for (const Token token : tokens) {
    fmt::print("{:>8}  {}\n", token, formats::quote(tokenizer.piece(token, SpecialTokens::kParse)));
  }
  return flush_output();
}

/// Token ids between commas and white space, perhaps in brackets: what `sain tokenize` or a script prints.
std::string as_list(std::string_view text) {
  constexpr std::string_view kBetween = ", \t\r\n[]";
  std::string list;
  for (size_t begin = text.find_first_not_of(kBetween); begin < text.size();) {
    const size_t end = std::min(text.find_first_of(kBetween, begin), text.size());
    if (!list.empty()) list += ',';
    list += text.substr(begin, end - begin);
    begin = text.find_first_not_of(kBetween, end);
  }
  return list;
}

/// The decoded text; where it is broken UTF-8 and must not be, repaired.
std::string decode(const Tokenizer& tokenizer, const std::vector<Token>& tokens, const Options& options) {
  if (!options.json) return tokenizer.decode(tokens, options.specials());
  formats::StreamDecoder decoder(tokenizer, options.specials());
  std::string text;
  for (const Token token : tokens) text += decoder.push(token);
  return text + decoder.flush();
}

Status detokenize(const Options& options, bool tokens_given) {
  std::string list = options.tokens;
  if (!tokens_given) {
    SAIN_ASSIGN_OR_RETURN(list, read_text("-"));
  }
  list = as_list(list);
  std::vector<Token> tokens;
  if (!list.empty()) {
    SAIN_ASSIGN_OR_RETURN(tokens, parse_tokens(list));
  }
  SAIN_ASSIGN_OR_RETURN(const Tokenizer tokenizer, load_tokenizer(options.model));
  for (const Token token : tokens) {
    if (token >= 0 && static_cast<size_t>(token) < tokenizer.vocab_size()) continue;
    return make_error(ErrorCode::kInvalidArgument, "--tokens: expected ids from 0 to {}, found {}",
                      tokenizer.vocab_size() - 1, token);
  }
  const std::string text = decode(tokenizer, tokens, options);
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"text", text}}.dump());
  } else {
    std::fwrite(text.data(), 1, text.size(), stdout);  // exactly these bytes, into a file or a pipe
    if (isatty(STDOUT_FILENO)) fmt::print("\n");
  }
  return flush_output();
}

}  // namespace

void add_tokenize_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens of a text (no BOS is added)");
  add_model_option(*command, options->model);
  CLI::Option* text =
      command->add_option("text", options->text, "The text (default: standard input)")->type_name("TEXT");
  command->add_option("-f,--file", options->file, "Read the text from a file; - is standard input")
      ->type_name("FILE")
      ->excludes(text);
  command->add_flag("--special", options->special, "Read control tokens such as <|im_end|> in the text as such");
  command->add_flag("--json", options->json, "Print one JSON object: {\"tokens\": [ID, ...]}");
  command->footer(
      "Examples:\n"
      "  sain tokenize -m smollm2-135m-instruct \"Hello, world!\"\n"
      "  sain tokenize -m gemma-3-270m -f book.txt --json");
  command->callback([options, text, &exit_code] {
    const Status status = tokenize(*options, text->count() > 0);
    exit_code = status ? kSuccess : fail("tokenize", status.error());
  });
}

void add_detokenize_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("detokenize", "Show the text of tokens");
  add_model_option(*command, options->model);
  CLI::Option* tokens =
      command->add_option("--tokens", options->tokens, "Token ids: 1,2,3 (default: standard input)")->type_name("IDS");
  command->add_flag("--special", options->special, "Show control tokens too");
  command->add_flag("--json", options->json, "Print one JSON object: {\"text\": TEXT}, broken UTF-8 replaced");
  command->footer(
      "Example:\n"
      "  sain detokenize -m smollm2-135m-instruct --tokens 19556,28,905,17");
  command->callback([options, tokens, &exit_code] {
    const Status status = detokenize(*options, tokens->count() > 0);
    exit_code = status ? kSuccess : fail("detokenize", status.error());
  });
}

}  // namespace sain::tools
