#include "tools/terminal/chat_view.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "tools/terminal/safe_text.h"

namespace sain::tools {
namespace {

bool can_dim(int fd) {
  const char* term = std::getenv("TERM");
  return isatty(fd) == 1 && std::getenv("NO_COLOR") == nullptr && term != nullptr && std::strcmp(term, "dumb") != 0;
}

}  // namespace

ChatView::ChatView() : dims_stdout_(can_dim(STDOUT_FILENO)), dims_stderr_(can_dim(STDERR_FILENO)) {}

void ChatView::on_event(const router::Event& event) {
  std::visit([this](const auto& e) { on(e); }, event);
}

void ChatView::on(const router::RouteEvent&) {
  is_answering_ = false;
}

void ChatView::on(const router::PlanEvent& event) {
  steps_ = event.steps;
}

void ChatView::on(const router::StepEvent& event) {
  waiting_.reset();
  end_line();
  is_answering_ = false;
  if (event.index < steps_.size()) {
    note(fmt::format("Step {} of {}, {}: {}", event.index + 1, steps_.size(), name(steps_[event.index].target),
                     safe_text(steps_[event.index].request)));
  } else {
    note("All together:");
  }
}

void ChatView::on(const router::StatusEvent& event) {
  switch (event.kind) {
    case router::StatusEvent::Kind::kAcknowledged:
      note(event.text);
      waiting_ = std::make_unique<ProgressBar>("Loading " + name(event.member));
      break;
    case router::StatusEvent::Kind::kLoading:
      if (waiting_) waiting_->show_fraction(event.fraction);
      break;
    case router::StatusEvent::Kind::kReady:
      waiting_.reset();
      end_talk();
      break;
    case router::StatusEvent::Kind::kThinking:
      if (!is_talking_) note(name(event.member) + " thinks:");
      [[fallthrough]];
    case router::StatusEvent::Kind::kTalking:
      waiting_.reset();
      is_talking_ = true;
      fmt::print(stderr, "{}", dim(safe_text(event.text), true));
      std::fflush(stderr);
      break;
    case router::StatusEvent::Kind::kSummarising:
      waiting_ = std::make_unique<ProgressBar>("Summarising the conversation");
      waiting_->show_fraction(0);
      break;
  }
}

void ChatView::on(const router::HandoffEvent&) {}

void ChatView::on(const router::TokenEvent& event) {
  const std::string text = safe_text(event.text);
  if (text.empty()) return;
  waiting_.reset();
  end_talk();
  if (!is_answering_) std::fputs(dim(name(event.by) + ": ", false).c_str(), stdout);
  is_answering_ = true;
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  ends_line_ = text.back() == '\n';
}

void ChatView::on(const router::FallbackEvent& event) {
  waiting_.reset();
  end_line();
  note(event.text + " (" + event.reason + ")");
  is_answering_ = false;
}

void ChatView::on(const router::ForgetEvent& event) {
  waiting_.reset();
  end_line();
  note(event.text);
}

void ChatView::on(const router::DoneEvent& event) {
  waiting_.reset();
  end_line();
  if (!event.is_local) note("(answered in the cloud, not on this machine)");
  if (event.finish_reason == engine::FinishReason::kCancelled) note("(stopped)");
  if (event.finish_reason == engine::FinishReason::kLength) note("(cut at max_tokens)");
  if (event.finish_reason == engine::FinishReason::kContext) note("(cut: the context is full)");
  if (event.context.limit > 0)
    note(fmt::format("context {} of {} tokens", event.context.n_tokens, event.context.limit));
}

void ChatView::on(const router::ErrorEvent& event) {
  waiting_.reset();
  end_line();
  note("no answer: " + event.error.message);
}

void ChatView::end_talk() {
  if (std::exchange(is_talking_, false)) fmt::print(stderr, "\n");
}

void ChatView::note(std::string_view text) {
  end_talk();
  std::fflush(stdout);  // what was said before, where both go to one place
  fmt::print(stderr, "{}\n", dim(safe_text(text), true));
}

void ChatView::end_line() {
  if (is_answering_ && !ends_line_) std::fputc('\n', stdout);
  std::fflush(stdout);
  ends_line_ = true;
}

std::string ChatView::dim(std::string_view text, bool on_stderr) const {
  const bool dims = on_stderr ? dims_stderr_ : dims_stdout_;
  return dims ? fmt::format("\033[2m{}\033[0m", text) : std::string(text);
}

std::string ChatView::name(router::SpecialistId id) const {
  return safe_text(id == router::kAssistant ? registry_->assistant_name : registry_->names[index(id)]);
}

}  // namespace sain::tools
