// A request for an answer, whatever API it came by, and what comes of it. Each API has a file of its own that reads a
// ChatCall from its kind of request, runs it and writes the answer in its manner.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/http/chat_backend.h"

namespace sain::router {

/// A value: the client keeps the conversation, and sends all of it each time.
struct ChatCall {
  std::string model = "auto";  // or the name of a member
  std::vector<Turn> turns = {};
  std::string request = {};
  std::vector<Message> steps = {};  // after the request: calls of functions, and what they came to
  RequestOptions options = {};      // without `member`, which `model` says
};

/// The call for the i-th of several answers: with a seed of its own, which is a random one where the client gave none.
ChatCall nth_call(ChatCall call, uint32_t i);

/// Brings the messages of a client into the form of a conversation. What several in a row of the same role say is
/// joined by blank lines; system messages are, wherever they stand, the system prompt.
class MessageList {
 public:
  /// `role`: "system" or "developer", "user", "assistant". `path` names the message in errors. Errors, kept for
  /// finish(): kInvalidArgument (another role; an answer before any request).
  void add(std::string_view role, std::string text, const std::string& path);

  /// A call that belongs to what the assistant has said last. Errors, kept likewise: kInvalidArgument (before any
  /// request; an id that a call without a result has; arguments that are no JSON object).
  void add_call(ToolCall call, const std::string& path);

  /// What a call has come to: that of this id; where it is empty, the first of this name, if one is given, without a
  /// result. Errors, kept likewise: kInvalidArgument (there is no such call).
  void add_result(const std::string& id, const std::string& name, std::string text, const std::string& path);

  /// Errors: those of the others; kInvalidArgument (the last message is neither the user's nor a result; a call has no
  /// result).
  Status finish(ChatCall& call);

 private:
  void fail(const std::string& path, std::string_view expected);
  bool expect_results(const std::string& path);

  std::optional<Error> error_;
  std::string system_, last_role_;
  std::vector<Turn> turns_;     // the last one is yet to be answered, if last_role_ is "user" or "tool"
  std::vector<ToolCall> open_;  // calls without a result
};

/// The member that a client calls by this name; none for "auto", which is routed. Errors: kNotFound.
Result<std::optional<SpecialistId>> find_member(std::string_view model, const RegistrySnapshot& members);

/// What a call has come to.
struct ChatEnd {
  std::string text = {};
  std::vector<ToolCall> calls = {};        // of functions; nothing is said after them
  std::vector<AnsweredToken> tokens = {};  // with AnswerOptions::top_logprobs
  SpecialistId by = kAssistant;
  bool is_local = true;
  engine::FinishReason finish_reason = engine::FinishReason::kStop;
  std::string stop_string = {};  // that has ended it; empty: none
  size_t prompt_tokens = 0;      // that were read, known or not; of all steps where there are several
  size_t completion_tokens = 0;
  RequestTimings timings = {};
};

/// Called by the thread that runs the call.
struct ChatListener {
  /// A piece of the answer: valid UTF-8; and the tokens that have come since the piece before. May be empty: then
  /// nothing is lost where a specialist fails in mid-answer and somebody else begins anew.
  std::function<void(SpecialistId by, std::string_view text, std::vector<AnsweredToken> tokens)> on_text = {};
  /// The i-th call goes on by a piece of its arguments; the first piece, which may be empty, begins it. With
  /// AnswerOptions::tools.
  std::function<void(SpecialistId by, size_t i, const ToolCall& call, std::string_view arguments)> on_call = {};
  std::function<void(const Event&)> on_event = {};  // all others; may be empty
};

/// Errors: those of find_member() and of ChatTeam::handle(), but that kNotFound always means the model's name; kIo
/// where text that on_text() has been given turned out to be void.
Result<ChatEnd> run_call(ChatTeam& team, const ChatCall& call, const ChatListener& listener, std::stop_token stop);

/// As run_call(), into a stream that has listener(), is_open(), finish(ChatEnd) and fail(Error): one that is open tells
/// an error itself.
template <class Stream>
Status stream_call(ChatTeam& team, const ChatCall& call, Stream& stream, std::stop_token stop) {
  const auto end = run_call(team, call, stream.listener(), std::move(stop));
  if (!end && !stream.is_open()) return end.error();
  if (end) {
    stream.finish(*end);
  } else {
    stream.fail(end.error());
  }
  return {};
}

/// "stop", "length" or "tool_calls".
std::string_view finish_word(const ChatEnd& end);

/// What goes on, for people who wait, on one line; empty for what is not worth a line.
std::string progress_line(const Event& event, const RegistrySnapshot& members);

}  // namespace sain::router
