#include "router/http/conversations.h"

#include <charconv>

#include "router/conversations/conversation_export.h"
#include "router/http/api_error.h"
#include "router/http/chat_call.h"
#include "router/http/conversation_answer.h"
#include "router/http/json_body.h"
#include "router/http/query.h"
#include "router/protocol/message.h"

namespace sain::router {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view kPath = "/v1/conversations";
constexpr size_t kMostListed = 1000, kListed = 200;
constexpr size_t kMostTitleBytes = 200;

Status send_json(const ordered_json& value, ResponseWriter& writer) {
  writer.send({.body = to_line(value) + "\n"});
  return {};
}

Status send_nothing(ResponseWriter& writer) {
  writer.send({.status = 204, .content_type = {}});
  return {};
}

/// The body's "title"; empty where there is none.
Result<std::string> read_title(std::string_view text) {
  if (text.empty()) return std::string();
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(text));
  std::optional<Error> error;
  Fields fields(body, "", error);
  std::string title = fields.has("title") ? fields.some_text("title") : std::string();
  if (title.size() > kMostTitleBytes) fields.fail("title", fmt::format("at most {} bytes", kMostTitleBytes));
  if (error) return *std::move(error);
  return title;
}

/// Of the last question. `messages` has none: npos.
size_t last_question(const std::vector<StoredMessage>& messages) {
  for (size_t i = messages.size(); i-- > 0;)
    if (!messages[i].answer) return i;
  return std::string::npos;
}

/// Tells that the answer is no longer running.
class RunningAnswer {
 public:
  RunningAnswer(LiveConversations& live, const std::string& id) : live_(live), id_(id), stops_(live.begin(id)) {}
  ~RunningAnswer() {
    if (stops_) live_.end(id_);
  }
  RunningAnswer(const RunningAnswer&) = delete;
  RunningAnswer& operator=(const RunningAnswer&) = delete;

  bool has_begun() const { return stops_.has_value(); }
  std::stop_source& stops() { return *stops_; }

 private:
  LiveConversations& live_;
  const std::string& id_;
  std::optional<std::stop_source> stops_;
};

}  // namespace

Result<ConversationCall> parse_conversation_call(std::string_view text) {
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(text));
  std::optional<Error> error;
  Fields fields(body, "", error);
  ConversationCall call;
  const bool is_again = fields.has("regenerate") && fields.flag("regenerate");
  if (!is_again) {
    call.text = fields.some_text("text");
    if (call.text.find_first_not_of(" \t\r\n") == std::string::npos) fields.fail("text", "more than spaces");
  }
  if (fields.has("model")) call.model = fields.some_text("model");
  if (fields.has("mode")) call.mode = fields.one_of("mode", Mode::kSlow);
  if (error) return *std::move(error);
  return call;
}

Status KeptConversations::answer(const HttpRequest& request, const ChatBackend& backend, ResponseWriter& writer) {
  const bool is_get = request.method == "GET" || request.method == "HEAD";
  std::string_view rest = std::string_view(request.path).substr(kPath.size());
  Status status;
  if (rest.empty()) {
    status = is_get ? list(request, writer) : create(request, writer);
  } else {
    rest.remove_prefix(1);
    const std::string id(rest.substr(0, rest.find('/')));
    rest.remove_prefix(id.size());
    status = answer_one(id, rest, request, backend, writer);
  }
  if (status || status.error().code != ErrorCode::kNotFound || writer.has_begun()) return status;
  writer.send(error_response({404, status.error().message}));  // which is not about a model
  return {};
}

Status KeptConversations::list(const HttpRequest& request, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const auto search, query_value(request.query, "search"));
  SAIN_ASSIGN_OR_RETURN(const auto limit_text, query_value(request.query, "limit"));
  size_t limit = kListed;
  if (limit_text) {
    const char* end = limit_text->data() + limit_text->size();
    if (const auto [rest, failed] = std::from_chars(limit_text->data(), end, limit);
        failed != std::errc() || rest != end || limit == 0 || limit > kMostListed)
      return make_error(ErrorCode::kInvalidArgument, "limit: expected 1 to {}, found {}", kMostListed, *limit_text);
  }
  SAIN_ASSIGN_OR_RETURN(const auto conversations, store_->list(search.value_or(""), limit));
  ordered_json data = ordered_json::array();
  for (const ConversationInfo& info : conversations) data.push_back(to_json(info));
  return send_json({{"object", "list"}, {"data", std::move(data)}}, writer);
}

Status KeptConversations::create(const HttpRequest& request, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const std::string title, read_title(request.body));
  SAIN_ASSIGN_OR_RETURN(const ConversationInfo info, store_->create(title));
  return send_json(to_json(info), writer);
}

/// `what` is the path behind the id.
Status KeptConversations::answer_one(const std::string& id, std::string_view what, const HttpRequest& request,
                                     const ChatBackend& backend, ResponseWriter& writer) {
  constexpr std::string_view kMessage = "/messages/", kFeedback = "/feedback";
  const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : request.method;
  if (what.empty() && method == "GET") {
    SAIN_ASSIGN_OR_RETURN(const StoredConversation conversation, store_->read(id));
    return send_json(to_json(conversation), writer);
  }
  if (what.empty() && method == "PATCH") {
    SAIN_ASSIGN_OR_RETURN(const std::string title, read_title(request.body));
    if (title.empty()) return make_error(ErrorCode::kInvalidArgument, "title: expected a text");
    SAIN_RETURN_IF_ERROR(store_->rename(id, title));
    return send_nothing(writer);
  }
  if (what.empty() && method == "DELETE") return remove(id, backend, writer);
  if (what == "/export" && method == "GET") return export_one(id, request, writer);
  if (what == "/messages" && method == "POST") return go_on(id, request, backend, writer);
  if (what == "/answer" && method == "DELETE") {
    live_.stop(id);
    return send_nothing(writer);
  }
  if (what.starts_with(kMessage) && what.ends_with(kFeedback) && what.size() > kMessage.size() + kFeedback.size() &&
      method == "PUT") {
    what.remove_prefix(kMessage.size());
    what.remove_suffix(kFeedback.size());
    return rate(id, what, request, writer);
  }
  return make_error(ErrorCode::kNotFound, "there is no {} {}", method, request.path);
}

Status KeptConversations::export_one(const std::string& id, const HttpRequest& request, ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const auto format, query_value(request.query, "format"));
  if (format && format != "json" && format != "markdown")
    return make_error(ErrorCode::kInvalidArgument, "format: expected json or markdown, found {}", *format);
  SAIN_ASSIGN_OR_RETURN(const StoredConversation conversation, store_->read(id));
  const bool is_markdown = format == "markdown";
  const std::string text =
      is_markdown ? to_markdown(conversation)
                  : to_json(conversation).dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  writer.send({.content_type = is_markdown ? "text/markdown; charset=utf-8" : "application/json",
               .body = text,
               .headers = {{"Content-Disposition", fmt::format("attachment; filename=\"conversation-{}.{}\"",
                                                               conversation.info.id, is_markdown ? "md" : "json")}}});
  return {};
}

Status KeptConversations::go_on(const std::string& id, const HttpRequest& request, const ChatBackend& backend,
                                ResponseWriter& writer) {
  SAIN_ASSIGN_OR_RETURN(const ConversationCall call, parse_conversation_call(request.body));
  const std::shared_ptr<ChatTeam> team = backend.team();
  AskedQuestion asked = {.conversation = id, .options = {.mode = call.mode}};
  SAIN_ASSIGN_OR_RETURN(asked.options.member, find_member(call.model, team->members()));
  RunningAnswer running(live_, asked.conversation);
  if (!running.has_begun()) {
    writer.send(error_response({409, "an answer is running in this conversation: wait for it, or stop it"}));
    return {};
  }
  SAIN_ASSIGN_OR_RETURN(StoredConversation stored, store_->read(id));
  if (!call.text.empty()) {
    auto added = store_->add_question(id, call.text);
    if (!added && added.error().code == ErrorCode::kNotFound) return std::move(added).error();
    // A full disk costs no answer. That nothing of it is kept is told at its end, when storing it fails as well.
    stored.messages.push_back(added ? *std::move(added) : StoredMessage{.text = call.text});
  }
  const size_t question = last_question(stored.messages);
  if (question == std::string::npos)
    return make_error(ErrorCode::kInvalidArgument, "regenerate: expected a conversation with a question");
  asked.question = stored.messages[question];
  auto conversation = live_.take_before(stored, question, team->members());
  const std::stop_callback has_left(writer.left(), [&running] { running.stops().request_stop(); });
  const int64_t answer = answer_question(asked, *store_, *conversation, *team, running.stops().get_token(), writer);
  if (answer != 0) live_.keep(id, answer, std::move(conversation));
  return {};
}

Status KeptConversations::rate(const std::string& id, std::string_view answer, const HttpRequest& request,
                               ResponseWriter& writer) {
  int64_t number = 0;
  if (std::from_chars(answer.data(), answer.data() + answer.size(), number).ptr != answer.data() + answer.size())
    return make_error(ErrorCode::kNotFound, "there is no answer {}", answer);
  SAIN_ASSIGN_OR_RETURN(const json body, parse_json_object(request.body));
  std::optional<Error> error;
  std::optional<Feedback> feedback;  // null takes it back
  if (Fields fields(body, "", error); fields.has("feedback")) feedback = fields.one_of("feedback", Feedback::kDown);
  if (error) return *std::move(error);
  SAIN_RETURN_IF_ERROR(store_->rate(id, number, feedback));
  return send_nothing(writer);
}

Status KeptConversations::remove(const std::string& id, const ChatBackend& backend, ResponseWriter& writer) {
  live_.stop(id);
  live_.drop(id);
  SAIN_RETURN_IF_ERROR(store_->remove(id));
  if (backend.forget) backend.forget();
  return send_nothing(writer);
}

}  // namespace sain::router
