#include "router/summary.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "formats/utf8.h"
#include "router/prompt.h"

namespace sain::router {
namespace {

constexpr uint32_t kMaxTokens = 200;

class NullSink : public engine::TokenSink {
 public:
  void on_text(std::string_view) override {}
};

/// "name: text", with at most `max_bytes` of the text.
std::string line(std::string_view name, std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return fmt::format("{}: {}\n", name, text);
  return fmt::format("{}: {} ...\n", name, formats::utf8_beginning(text, max_bytes));
}

/// The conversation as one text with the request after it. A small model keeps more of what was said than when it is
/// asked as the next turn of the conversation: then it goes on as before, and repeats its last answer.
Message request_for(std::span<const Turn> turns, size_t max_bytes) {
  std::string text;
  for (const Turn& turn : turns) {
    if (turn.request != kSummaryRequest) text += line("User", turn.request, max_bytes);
    text += line("Assistant", turn.answer, max_bytes);
  }
  return {"user", fmt::format("{}\n{}", text, kSummaryRequest)};
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t first = std::min(text.find_first_not_of(kBlank), text.size());
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

}  // namespace

Result<std::string> summarise(engine::Session& session, std::span<const Turn> turns, std::time_t now,
                              engine::TurnPriority priority, std::stop_token stop) {
  engine::GenerateOptions options = {.max_tokens = std::min(kMaxTokens, session.context_length() / 8),
                                     .priority = priority};
  if (session.model().chat_template() == nullptr) options.stop_strings = plain_stop_strings();
  std::vector<formats::Token> prompt;
  for (size_t max_bytes = size_t{1} << 16; max_bytes >= 16; max_bytes /= 2) {
    const Message request = request_for(turns, max_bytes);
    SAIN_ASSIGN_OR_RETURN(prompt, render_prompt(session.model(), {&request, 1}, now));
    if (prompt.size() + options.max_tokens <= session.context_length()) break;
  }
  session.reset();
  NullSink sink;
  SAIN_ASSIGN_OR_RETURN(const engine::Generation generation, session.generate(prompt, options, stop, sink));
  if (generation.finish_reason == engine::FinishReason::kCancelled)
    return make_error(ErrorCode::kCancelled, "writing it was stopped");
  const std::string_view summary = trimmed(generation.text);
  if (summary.empty()) return make_error(ErrorCode::kInternal, "the assistant wrote nothing");
  return std::string(summary);
}

}  // namespace sain::router
