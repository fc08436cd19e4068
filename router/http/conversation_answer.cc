#include "router/http/conversation_answer.h"

#include <chrono>
#include <utility>

#include "router/conversations/conversation_export.h"
#include "router/http/sse_writer.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kBetweenSaves{1};
constexpr std::string_view kBetweenSteps = "\n\n";

AnswerState state_of(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kCancelled:
      return AnswerState::kCancelled;
    case engine::FinishReason::kLength:
    case engine::FinishReason::kContext:
      return AnswerState::kCut;
    default:
      return AnswerState::kComplete;
  }
}

/// Follows the events of one answer.
class AnswerStream {
 public:
  AnswerStream(const AskedQuestion& asked, ConversationStore& store, const RegistrySnapshot& members,
               ResponseWriter& writer)
      : asked_(asked), store_(store), members_(members), sse_(writer) {
    sse_.data({{"event", "question"}, {"id", asked.question.id}});
  }

  void on_event(const Event& event) {
    std::visit([this](const auto& one) { follow(one); }, event);
    sse_.data(to_json(event, members_));
  }

  /// The id of the answer, now that there is no more to come.
  int64_t finish() {
    if (!is_done_) {
      if (answer_.id != 0) tell(store_.remove_answers(asked_.conversation, asked_.question.id));
      return 0;
    }
    if (is_blank() || !tell(save())) return 0;
    sse_.data({{"event", "stored"}, {"message", to_json(answer_)}});
    return answer_.id;
  }

 private:
  void follow(const RouteEvent& route) {
    details_.by = name(route.decision.target);
    details_.cause = to_string(route.decision.cause);
    details_.reason = route.decision.reason;
    details_.confidence = route.decision.confidence;
  }
  void follow(const StepEvent& step) {
    if (step.index > 0) answer_.text += kBetweenSteps;
    step_begin_ = answer_.text.size();
  }
  void follow(const TokenEvent& token) {
    details_.by = name(token.by);
    answer_.text += token.text;
    if (Clock::now() < next_save_ || is_blank()) return;
    [[maybe_unused]] const Status saved = save();  // the last one tells what is wrong
    next_save_ = Clock::now() + kBetweenSaves;
  }
  void follow(const FallbackEvent& fallback) {
    details_.by = name(fallback.to);
    answer_.text.resize(step_begin_);
  }
  void follow(const DoneEvent& done) {
    is_done_ = true;
    details_.state = state_of(done.finish_reason);
    details_.by = name(done.by);
    details_.is_local = done.is_local;
    details_.context = done.context;
    details_.timings = done.timings;
  }
  template <class Other>
  void follow(const Other&) {}

  Status save() {
    answer_.answer = details_;
    return store_.save_answer(asked_.conversation, asked_.question.id, answer_);
  }
  bool tell(const Status& status) {
    if (!status) sse_.data(to_json(ErrorEvent{status.error()}, members_));
    return status.has_value();
  }
  bool is_blank() const { return answer_.text.find_first_not_of(" \t\r\n") == std::string::npos; }
  const std::string& name(SpecialistId id) const { return members_.names[index(id)]; }

  const AskedQuestion& asked_;
  ConversationStore& store_;
  const RegistrySnapshot& members_;
  SseWriter sse_;
  StoredMessage answer_;
  AnswerDetails details_;
  size_t step_begin_ = 0;  // of the text
  bool is_done_ = false;
  Clock::time_point next_save_ = Clock::now() + kBetweenSaves;
};

}  // namespace

int64_t answer_question(const AskedQuestion& asked, ConversationStore& store, Conversation& conversation,
                        ChatTeam& team, std::stop_token stop, ResponseWriter& writer) {
  AnswerStream stream(asked, store, team.members(), writer);
  // An error has been told of by its event.
  [[maybe_unused]] const Status handled = team.handle(
      conversation, asked.question.text, asked.options, [&stream](const Event& event) { stream.on_event(event); },
      std::move(stop));
  return stream.finish();
}

}  // namespace sain::router
