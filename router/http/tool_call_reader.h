// Takes the calls of functions out of an answer as it grows, in whatever way its model writes them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "router/context_manager.h"

namespace sain::router {

/// Of an answer's text; or of a call's arguments: the first piece of a call begins it, and may be empty.
struct AnswerPiece {
  std::string text;
  std::optional<size_t> call = {};  // which of ToolCallReader::calls()
};

/// A call is a JSON object with the `name` of a function that may be called, and `arguments` or `parameters`: after the
/// tag <tool_call> anywhere, or where the answer begins with it, in a list or in a fence of code or not. Anything else
/// is text. What comes between calls or after them is dropped: it was written before the calls came to anything.
/// However the answer is cut into pieces, text and calls are the same, but for the calls' ids, which are random.
class ToolCallReader {
 public:
  /// `names`: of the functions that may be called. Calls beyond `most_calls` are dropped.
  ToolCallReader(std::vector<std::string> names, size_t most_calls)
      : names_(std::move(names)), most_calls_(most_calls) {}

  /// Valid UTF-8; so are the pieces.
  std::vector<AnswerPiece> push(std::string_view text);
  /// The answer is over. A call that has not come to its name is dropped.
  std::vector<AnswerPiece> finish();

  /// So far. Arguments of the last one may be a part; what a model writes unconstrained may be no JSON.
  const std::vector<ToolCall>& calls() const { return calls_; }

 private:
  enum class State { kText, kCall, kBetween };
  enum class Opening { kNo, kMaybe, kYes };

  enum class Step { kGoesOn, kEnd, kWrong };

  void advance();
  bool read_text();
  bool read_call();
  bool read_between();
  Opening bare_call() const;
  bool begin_call(size_t n_bytes);
  Step step(char c);
  bool begin_named(const std::string& name);
  void pass_arguments();
  void say(size_t n_bytes);

  std::vector<std::string> names_;
  size_t most_calls_;
  std::vector<ToolCall> calls_;
  std::vector<AnswerPiece> pieces_;
  State state_ = State::kText;
  std::string held_;       // what is not decided yet
  bool has_text_ = false;  // so a call needs its tag

  // Of the call that is being read.
  std::string raw_;  // as it came, until its name is known
  size_t depth_ = 0;
  bool in_string_ = false, is_escaped_ = false;
  std::string field_, word_;  // whose value comes, and a key or value as written
  bool has_begun_ = false;    // its name is known
  std::string arguments_;
  size_t n_passed_ = 0;  // bytes of them
};

}  // namespace sain::router
