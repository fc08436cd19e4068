// A model's own chat template (Jinja), run by an interpreter with bounded loops and output.
#pragma once

#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "formats/jinja/limits.h"
#include "formats/result.h"
#include "formats/tokenizer.h"

namespace sain::formats {

/// What a template sees. Every string in `messages`, `tools` and `extra` is untrusted text, except for a message's role
/// where that is one of the words that chat formats know ("user", "tool", ...): some templates build a special token
/// around it.
struct ChatTemplateInput {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();  // [{"role": ..., "content": ...}, ...]
  nlohmann::ordered_json tools;                                       // null, or an array of function schemas
  bool add_generation_prompt = true;
  std::string bos_token;
  std::string eos_token;
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();  // further variables, e.g. enable_thinking
  std::time_t now = 0;                                              // what strftime_now() formats (local time)
};

/// Rendered text, which remembers what came from the template and what from its input.
struct RenderedPrompt {
  struct Span {
    size_t begin;  // bytes into text
    size_t end;
    bool from_template;
  };
  std::string text;
  std::vector<Span> spans;  // in order, adjoining, covering all of text

  /// For Tokenizer::encode: special tokens only where the template wrote them. Points into `text`.
  std::vector<TextSegment> segments() const;
};

/// Immutable after compile(); safe to share between threads.
class ChatTemplate {
 public:
  /// Parses `source`. Errors: kCorrupt with `name`, line and what was expected; kUnsupported for Jinja that no chat
  /// template uses (include, import, extends, ...).
  static Result<ChatTemplate> compile(std::string_view source, std::string_view name);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  /// Errors: kInvalidArgument with the text of raise_exception() or the failing line; kResourceExhausted when the
  /// template exceeds its bounds (steps, output bytes, recursion).
  Result<RenderedPrompt> render(const ChatTemplateInput& input, const TemplateLimits& limits = {}) const;

  /// Whether its source has this text in it, a variable's name or a tag: a guess at what the template knows of.
  bool mentions(std::string_view text) const;

 private:
  struct State;
  explicit ChatTemplate(std::unique_ptr<State>);
  std::unique_ptr<State> state_;
};

}  // namespace sain::formats
