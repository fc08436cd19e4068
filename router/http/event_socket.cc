#include "router/http/event_socket.h"

#include <atomic>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "router/http/json_body.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

/// One thread reads messages, another one answers.
class EventSocket {
 public:
  EventSocket(const ChatBackend& backend, const TakePlace& take_place, MessageChannel& channel)
      : backend_(backend), take_place_(take_place), channel_(channel) {
    conversation_.policy = ConversationPolicy::kCompact;  // it is ours to shorten
  }

  void run() {
    const std::stop_callback when_left(channel_.left(), [this] { stop_answer(); });
    while (const auto message = channel_.receive()) {
      const Status read = take(*message);
      if (!read) report(read.error());
    }
    if (answering_.joinable()) answering_.join();
  }

 private:
  Status take(const std::string& text) {
    SAIN_ASSIGN_OR_RETURN(nlohmann::json message, parse_json_object(text));
    if (message.value("event", nlohmann::json()) == "cancel") {
      stop_answer();
      return {};
    }
    message.emplace("mode", "auto");
    message.emplace("priority", "interactive");
    SAIN_ASSIGN_OR_RETURN(RequestMessage request, parse_request(message));
    if (is_answering_) return make_error(ErrorCode::kInvalidArgument, "the request before has no answer yet");
    std::shared_ptr<void> place;
    if (const auto refused = take_place_(place))
      return make_error(ErrorCode::kResourceExhausted, "{}", refused->message);
    if (answering_.joinable()) answering_.join();
    begin_answer(std::move(request), std::move(place));
    return {};
  }

  void begin_answer(RequestMessage request, std::shared_ptr<void> place) {
    std::stop_source stop;
    {
      const std::lock_guard lock(mutex_);
      stop_ = stop;
    }
    if (channel_.left().stop_requested()) stop.request_stop();
    is_answering_ = true;
    answering_ = std::thread([this, request = std::move(request), place = std::move(place), stop]() mutable {
      const std::shared_ptr<ChatTeam> team = backend_.team();
      // Errors are events too. The last one is sent when the next request may come.
      std::string last;
      const auto send = [&](const Event& event) {
        std::string line = to_line(to_json(event, team->members()));
        if (std::holds_alternative<DoneEvent>(event) || std::holds_alternative<ErrorEvent>(event)) {
          last = std::move(line);
        } else {
          this->send(line);
        }
      };
      (void)team->handle(conversation_, request.text, request.options, send, stop.get_token());
      place.reset();
      is_answering_ = false;
      this->send(last);
    });
  }

  void stop_answer() {
    const std::lock_guard lock(mutex_);
    stop_.request_stop();
  }

  void report(const Error& error) { send(to_line(to_json(ErrorEvent{error}, backend_.team()->members()))); }

  void send(const std::string& line) {
    const std::lock_guard lock(sending_);
    channel_.send(line);
  }

  const ChatBackend& backend_;
  const TakePlace& take_place_;
  MessageChannel& channel_;
  std::mutex sending_;
  Conversation conversation_;  // of the thread that answers
  std::thread answering_;
  std::atomic<bool> is_answering_ = false;
  std::mutex mutex_;
  std::stop_source stop_;  // of the request that is being answered
};

}  // namespace

Status answer_event_socket(const ChatBackend& backend, const TakePlace& take_place, ResponseWriter& writer) {
  MessageChannel* const channel = writer.accept_websocket();
  if (channel != nullptr) {
    EventSocket(backend, take_place, *channel).run();
  } else if (!writer.has_begun()) {
    return make_error(ErrorCode::kInvalidArgument, "this is for WebSockets: Upgrade: websocket");
  }
  return {};
}

}  // namespace sain::router
