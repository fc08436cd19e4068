#include "router/http/tool_call_reader.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "router/privacy/audit_log.h"
#include "router/tool_set.h"

namespace sain::router {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

bool is_blank(char c) {
  return kBlank.find(c) != std::string_view::npos;
}

/// Bytes of `text` before blanks at its end and what may become `tag`.
size_t without_beginning_of(std::string_view tag, std::string_view text) {
  for (size_t n = std::min(text.size(), tag.size() - 1); n > 0; --n)
    if (tag.starts_with(text.substr(text.size() - n))) {
      text.remove_suffix(n);
      break;
    }
  return text.find_last_not_of(kBlank) + 1;
}

/// The text that a JSON string, as it is written, stands for; as it is where it is none.
std::string unquoted(const std::string& written) {
  const auto json = nlohmann::json::parse(written, nullptr, false);
  return json.is_string() ? json.get<std::string>() : written;
}

}  // namespace

std::vector<AnswerPiece> ToolCallReader::push(std::string_view text) {
  held_ += text;
  advance();
  return std::exchange(pieces_, {});
}

std::vector<AnswerPiece> ToolCallReader::finish() {
  if (state_ == State::kText) say(held_.size());
  return std::exchange(pieces_, {});
}

void ToolCallReader::advance() {
  for (bool goes_on = true; goes_on && !held_.empty();) {
    if (state_ == State::kText) {
      goes_on = read_text();
    } else {
      goes_on = state_ == State::kCall ? read_call() : read_between();
    }
  }
}

// Each of the three says whether there is more to be made of what is held.

bool ToolCallReader::read_text() {
  const Opening opening = has_text_ ? Opening::kNo : bare_call();
  if (opening == Opening::kYes) return begin_call(held_.find('{'));
  if (const size_t tag = held_.find(kCallOpen); tag != std::string::npos) {
    say(std::string_view(held_).substr(0, tag).find_last_not_of(kBlank) + 1);
    return begin_call(held_.find(kCallOpen) + kCallOpen.size());
  }
  if (opening == Opening::kNo) say(without_beginning_of(kCallOpen, held_));
  return false;
}

bool ToolCallReader::read_call() {
  for (size_t i = 0; i < held_.size(); ++i) {
    switch (step(held_[i])) {
      case Step::kGoesOn:
        break;
      case Step::kEnd:
        if (arguments_.empty()) arguments_ = "{}";
        if (arguments_.starts_with('"')) arguments_ = unquoted(arguments_);
        pass_arguments();
        held_.erase(0, i + 1);
        state_ = State::kBetween;
        return true;
      case Step::kWrong:
        state_ = calls_.empty() ? State::kText : State::kBetween;
        held_.insert(0, raw_);
        if (calls_.empty()) {
          say(raw_.size() + i);
        } else {
          held_.erase(0, raw_.size() + i);
        }
        return true;
    }
  }
  if (!has_begun_) raw_ += held_;
  held_.clear();
  if (has_begun_ && !arguments_.starts_with('"')) pass_arguments();
  return false;
}

bool ToolCallReader::read_between() {
  const size_t next = held_.find_first_of("<[{`");  // what a call may begin with
  held_.erase(0, next);
  if (held_.empty()) return false;
  if (held_.starts_with(kCallOpen)) return begin_call(kCallOpen.size());
  const Opening opening = bare_call();
  if (opening == Opening::kYes) return begin_call(held_.find('{'));
  if (opening == Opening::kMaybe || kCallOpen.starts_with(held_)) return false;
  held_.erase(0, 1);
  return true;
}

/// Whether what is held is the beginning of a call without its tag.
ToolCallReader::Opening ToolCallReader::bare_call() const {
  static constexpr std::array<std::string_view, 4> kFences = {"", "```json", "```", "<tools>"};
  static constexpr std::array<std::string_view, 2> kHeads = {"{\"name\":\"", "{\"type\":\"function\",\"name\":\""};
  std::string words;  // names have no blanks
  std::ranges::copy_if(held_, std::back_inserter(words), [](char c) { return !is_blank(c); });
  Opening opening = words.empty() ? Opening::kMaybe : Opening::kNo;
  for (const std::string_view fence : kFences)
    for (const std::string_view list : {"", "["})
      for (const std::string_view head : kHeads)
        for (const std::string& name : names_) {
          const std::string call = fmt::format("{}{}{}{}\"", fence, list, head, name);
          if (words.starts_with(call)) return Opening::kYes;
          if (call.starts_with(words)) opening = Opening::kMaybe;
        }
  return opening;
}

/// A call begins after so many bytes. Always true.
bool ToolCallReader::begin_call(size_t n_bytes) {
  raw_ = held_.substr(0, n_bytes);
  held_.erase(0, n_bytes);
  state_ = State::kCall;
  depth_ = n_passed_ = 0;
  in_string_ = is_escaped_ = has_begun_ = false;
  field_.clear();
  word_.clear();
  arguments_.clear();
  return true;
}

/// Takes the next character of an object, of which strings, brackets and fields are all that is understood.
ToolCallReader::Step ToolCallReader::step(char c) {
  const bool is_first = depth_ == 0, was_in_string = in_string_;
  if (in_string_) {
    in_string_ = is_escaped_ || c != '"';
    is_escaped_ = !is_escaped_ && c == '\\';
  } else if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if (!is_first && (c == '}' || c == ']')) {
    --depth_;
  }
  if (is_first) return c == '{' || is_blank(c) ? Step::kGoesOn : Step::kWrong;
  const bool is_outside = depth_ <= 1 && !in_string_ && !was_in_string;  // of nested values and strings
  if (is_outside && is_blank(c)) return Step::kGoesOn;
  if (is_outside && c == ':' && field_.empty()) {
    field_ = unquoted(std::exchange(word_, {}));
  } else if (depth_ == 0 || (is_outside && c == ',')) {
    const bool is_wrong = field_ == "name" && !has_begun_ && !begin_named(unquoted(word_));
    field_.clear();
    word_.clear();
    if (is_wrong || (depth_ == 0 && !has_begun_)) return Step::kWrong;
    if (depth_ == 0) return Step::kEnd;
  } else {
    const bool is_argument = field_ == "arguments" || field_ == "parameters";
    (is_argument ? arguments_ : word_) += c;
  }
  return Step::kGoesOn;
}

/// The call is one of `name`. False: there is no such function, or no room for another call.
bool ToolCallReader::begin_named(const std::string& name) {
  if (calls_.size() == most_calls_ || std::ranges::find(names_, name) == names_.end()) return false;
  has_begun_ = true;
  pieces_.push_back({{}, calls_.size()});
  calls_.push_back({"call_" + make_opaque_id(), name, {}});
  return true;
}

void ToolCallReader::pass_arguments() {
  const std::string more = arguments_.substr(std::exchange(n_passed_, arguments_.size()));
  const size_t call = calls_.size() - 1;
  if (more.empty()) return;
  if (pieces_.empty() || pieces_.back().call != call) pieces_.push_back({{}, call});
  pieces_.back().text += more;
  calls_.back().arguments += more;
}

void ToolCallReader::say(size_t n_bytes) {
  if (n_bytes == 0) return;
  has_text_ = true;
  pieces_.push_back({held_.substr(0, n_bytes)});
  held_.erase(0, n_bytes);
}

}  // namespace sain::router
