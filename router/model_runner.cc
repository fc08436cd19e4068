#include "router/model_runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>

#include "formats/utf8.h"
#include "router/prompt.h"
#include "router/summary.h"

namespace sain::router {
namespace {

using engine::Token;

constexpr size_t kMostOfQuestion = 600;  // bytes of what a vote is about

std::string letter(size_t i) {
  return std::string(1, static_cast<char>('A' + i));
}

engine::SessionOptions fitted(engine::SessionOptions options, const engine::Model& model) {
  options.context_length = std::min(options.context_length, model.config().context_length);
  return options;
}

/// The prompt of what is asked.
using Render = std::function<Result<std::vector<Token>>(std::span<const Message> messages)>;

Render renderer(const engine::Model& model, const AnswerOptions& options, std::time_t now, Thinking thinking) {
  if (options.is_raw)
    return [&model](std::span<const Message> messages) -> Result<std::vector<Token>> {
      const formats::Tokenizer& tokenizer = model.tokenizer();
      return with_bos(tokenizer, tokenizer.encode(messages.back().content, formats::SpecialTokens::kAsText));
    };
  return [&model, now, thinking, tools = options.tools](std::span<const Message> messages) {
    return render_prompt(model, messages, now, thinking, tools.get());
  };
}

CountTokens counter(const Render& render) {
  return [&render](std::span<const Message> messages) -> Result<size_t> {
    SAIN_ASSIGN_OR_RETURN(const std::vector<Token> tokens, render(messages));
    return tokens.size();
  };
}

/// What all prompts begin with that go on from `messages` with a request: those of two that differ from their first
/// character on.
Result<std::vector<Token>> common_beginning(const engine::Model& model, std::vector<Message> messages,
                                            std::time_t now) {
  std::vector<std::vector<Token>> prompts;
  messages.push_back({"user", {}});
  for (const char* request : {"A", "7"}) {
    messages.back().content = request;
    SAIN_ASSIGN_OR_RETURN(prompts.emplace_back(), render_prompt(model, messages, now));
  }
  prompts[0].erase(std::ranges::mismatch(prompts[0], prompts[1]).in1, prompts[0].end());
  return std::move(prompts[0]);
}

/// That of all prompts of a member.
Result<std::vector<Token>> common_beginning(const engine::Model& model, const MemberConfig& member, std::time_t now) {
  if (member.system_prompt.empty()) return common_beginning(model, std::vector<Message>(), now);
  return common_beginning(model, std::vector<Message>{{"system", member.system_prompt}}, now);
}

std::vector<std::string> stop_strings(const engine::Model& model, std::vector<std::string> own) {
  if (model.chat_template() == nullptr)
    for (std::string& stop_string : plain_stop_strings()) own.push_back(std::move(stop_string));
  return own;
}

/// Tokens that the member may think before it answers. A quarter of the context at most.
uint32_t thinking_tokens(const MemberConfig& member, const engine::Model& model, Mode mode, uint32_t context_length) {
  if (mode != Mode::kSlow) return 0;
  const uint32_t wanted = member.thinking_tokens.value_or(knows_thinking(model) ? kThinkingTokens : 0);
  return std::min(wanted, context_length / 4);
}

/// What the member thinks, as events.
class ThoughtSink : public engine::TokenSink {
 public:
  ThoughtSink(SpecialistId by, const EventSink& events) : by_(by), events_(events) {}
  void on_text(std::string_view text) override {
    if (!text.empty()) events_(StatusEvent{StatusEvent::Kind::kThinking, by_, 0, std::string(text)});
  }

 private:
  SpecialistId by_;
  const EventSink& events_;
};

/// Tells whoever asked of each token, in the model's own words.
class TokenReporter : public engine::TokenSink {
 public:
  TokenReporter(const formats::Tokenizer& tokenizer, const AnswerOptions& options, engine::TokenSink& next)
      : tokenizer_(tokenizer), options_(options), next_(next) {}
  void on_text(std::string_view text) override { next_.on_text(text); }
  void on_token(const engine::ChosenToken& token) override {
    next_.on_token(token);
    if (!options_.on_token) return;
    AnsweredToken told{piece(token.token), token.logprob, {}};
    for (const engine::TokenLogprob& other : token.top) told.top.push_back({piece(other.token), other.logprob});
    options_.on_token(told);
  }

 private:
  std::string piece(Token token) const { return tokenizer_.piece(token, formats::SpecialTokens::kParse); }

  const formats::Tokenizer& tokenizer_;
  const AnswerOptions& options_;
  engine::TokenSink& next_;
};

/// Of a thought and the answer after it.
engine::Timings sum(const engine::Timings& thought, engine::Timings answer) {
  answer.first_token_ms += thought.prefill_ms + thought.decode_ms;
  answer.prefill_tokens += thought.prefill_tokens;
  answer.prefill_ms += thought.prefill_ms;
  answer.decode_tokens += thought.decode_tokens;
  answer.decode_ms += thought.decode_ms;
  answer.decode_passes += thought.decode_passes;
  return answer;
}

}  // namespace

ModelRunner::ModelRunner(const Registry& registry, engine::ThreadPool& pool, const engine::Model& assistant,
                         const engine::SessionOptions& options, ConversationPolicy policy)
    : registry_(&registry), pool_(&pool), assistant_(&assistant), options_(options), policy_(policy) {
  options_.policy =
      policy == ConversationPolicy::kStream ? engine::ContextPolicy::kStream : engine::ContextPolicy::kStop;
}

Result<engine::Session> ModelRunner::session(const engine::Model& model) const {
  return engine::Session::create(model, *pool_, fitted(options_, model));
}

/// With the member's adapter, if it has one.
Result<engine::Session> ModelRunner::session(const MemberConfig& member, const engine::Model& model,
                                             bool is_repeatable) const {
  engine::SessionOptions options = fitted(options_, model);
  options.is_repeatable = is_repeatable;
  if (!member.adapter.empty()) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<const engine::Adapter>& adapter = adapters_[member.name];
    if (adapter == nullptr) {
      SAIN_ASSIGN_OR_RETURN(adapter, engine::Adapter::load(member.adapter, model, member.adapter_scale));
    }
    options.adapter = adapter;
  }
  return engine::Session::create(model, *pool_, options);
}

uint64_t ModelRunner::adapter_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& [name, adapter] : adapters_) bytes += adapter == nullptr ? 0 : adapter->bytes();
  return bytes;
}

/// That keeps an answer to the form it shall have; nullptr where it may have any.
Result<std::shared_ptr<const engine::CompiledGrammar>> ModelRunner::grammar(const engine::Model& model,
                                                                            const AnswerOptions& answer) const {
  std::shared_ptr<const AnswerForm> form = answer.form;
  if (answer.tools != nullptr) {
    SAIN_ASSIGN_OR_RETURN(form, call_form(*answer.tools, tool_style(model.chat_template())));
  }
  return form == nullptr ? nullptr : forms_.compile(model, *form);
}

Status ModelRunner::prepare(SpecialistId id, const engine::Model& model, std::stop_token stop) const {
  const std::time_t now = std::time(nullptr);
  const MemberConfig& member = registry_->member(id);
  SAIN_ASSIGN_OR_RETURN(engine::Session session, this->session(member, model));
  SAIN_ASSIGN_OR_RETURN(const std::vector<Token> beginning, common_beginning(model, member, now));
  return keep_beginning(session, member, now, beginning, stop);
}

/// Unless it is known, computes what all prompts of the member begin with as a part of its own, and keeps it for ever.
Status ModelRunner::keep_beginning(engine::Session& session, const MemberConfig& member, std::time_t now,
                                   std::span<const Token> prompt, const std::stop_token& stop) const {
  if (options_.prefixes == nullptr || (session.n_tokens() > 0 && session.continues(prompt))) return {};
  SAIN_ASSIGN_OR_RETURN(const std::vector<Token> beginning, common_beginning(session.model(), member, now));
  const uint64_t n_known = session.resume(prompt);
  if (n_known + 1 >= beginning.size() || beginning.size() > session.context_length() ||
      !std::ranges::equal(beginning, prompt.first(std::min(prompt.size(), beginning.size()))))
    return {};
  const auto logits = session.prefill(std::span(beginning).subspan(n_known), stop);
  if (logits) session.keep(engine::Keep::kDisk);
  return {};  // whoever goes on sees a request to stop
}

void ModelRunner::forget() const {
  if (options_.prefixes != nullptr) options_.prefixes->clear();
  forms_.clear();
}

Result<Answer> ModelRunner::answer(SpecialistId id, const engine::Model& model, Conversation& conversation,
                                   const MemberRequest& asked, std::stop_token stop, const EventSink& events,
                                   engine::TokenSink& sink) const {
  const auto start = std::chrono::steady_clock::now();
  ContextManager& context = conversation.context;
  const MemberConfig& registered = registry_->member(id);
  const MemberConfig member = with(registered, asked.answer);
  const engine::SessionOptions options = fitted(options_, model);
  const bool is_stream = policy_ == ConversationPolicy::kStream;
  const bool is_own_stream = is_stream && id == kAssistant;
  // Exact answers are repeatable in any case.
  const bool is_repeatable = asked.answer.is_repeatable && !is_stream && options.precision == engine::Precision::kFast;
  const std::time_t now = std::time(nullptr);
  const uint32_t answer_tokens = std::min(member.max_tokens, options.context_length / 2);
  // The assistant's stream could not take a thought back.
  const uint32_t thought_tokens =
      is_own_stream ? 0 : thinking_tokens(member, model, asked.mode, options.context_length);
  const Thinking thinking = thought_tokens > 0 ? Thinking::kFirst : Thinking::kNone;
  const Render render = renderer(model, asked.answer, now, thinking);
  SAIN_ASSIGN_OR_RETURN(const auto grammar, this->grammar(model, asked.answer));
  const engine::GenerateOptions generate = {
      .max_tokens = is_stream || asked.answer.max_tokens ? member.max_tokens : answer_tokens,
      .stop_strings = asked.answer.is_raw ? member.stop_strings : stop_strings(model, member.stop_strings),
      .sampler = member.sampling,
      .grammar = grammar,
      .keep_prompt = is_repeatable ? engine::Keep::kMemory : engine::Keep::kNowhere,
      .top_logprobs = asked.answer.top_logprobs ? asked.answer.top_logprobs : asked.top_logprobs,
      .priority = conversation.priority};

  const FitOptions fit = {.policy = is_stream ? policy_ : conversation.policy.value_or(policy_),
                          .budget = options.context_length - answer_tokens - thought_tokens,
                          .count_tokens = counter(render),
                          .summarise = [&](std::span<const Turn> turns) -> Result<std::string> {
                            events(StatusEvent{StatusEvent::Kind::kSummarising, kAssistant, 0, {}});
                            SAIN_ASSIGN_OR_RETURN(engine::Session session, this->session(*assistant_));
                            return summarise(session, turns, now, conversation.priority, stop);
                          }};
  ContextWindow window;
  std::vector<Token> prompt;
  if (is_own_stream && conversation.stream) {
    SAIN_ASSIGN_OR_RETURN(window, context.build(member.system_prompt, asked.text, SIZE_MAX, fit.count_tokens));
    SAIN_ASSIGN_OR_RETURN(prompt, render(window.messages));
  }
  // A stream that goes on takes what is new, however long the conversation; anything else takes what fits.
  if (prompt.empty() || !conversation.stream->continues(prompt)) {
    auto fits = context.fit(member.system_prompt, asked.text, fit);
    if (!fits && fits.error().code == ErrorCode::kResourceExhausted)
      return make_error(ErrorCode::kInvalidArgument, "{} (context_length {}, less {} for the answer)",
                        fits.error().message, options.context_length, answer_tokens);
    if (!fits) return std::move(fits).error();
    window = *std::move(fits);
    // The assistant's stream begins with what is left, and the next request must continue it.
    if (is_own_stream) context.drop(window.n_dropped_turns);
    SAIN_ASSIGN_OR_RETURN(prompt, render(window.messages));
  }

  std::optional<engine::Session> own;
  std::optional<engine::Session>& session = is_own_stream ? conversation.stream : own;
  if (!session) {
    SAIN_ASSIGN_OR_RETURN(session, this->session(member, model, is_repeatable));
  }
  if (!is_repeatable) SAIN_RETURN_IF_ERROR(keep_beginning(*session, registered, now, prompt, stop));
  const uint64_t n_known = session->resume(prompt);
  events(HandoffEvent{id, context.turns().size() - window.n_dropped_turns, prompt.size(), n_known,
                      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count()});
  TokenReporter reporter(model.tokenizer(), asked.answer, sink);
  AnswerFilter filter(reporter, thinking);
  ThoughtEnd thought = {{prompt.begin() + static_cast<std::ptrdiff_t>(n_known), prompt.end()}, {}};
  if (thinking == Thinking::kFirst) {
    ThoughtSink thoughts(id, events);
    SAIN_ASSIGN_OR_RETURN(thought, think(*session, thought.tokens, generate, thought_tokens, stop, thoughts));
  }
  auto generation = session->generate(thought.tokens, generate, stop, filter);
  if (!generation) {
    session.reset();
    return std::move(generation).error();
  }
  filter.finish();
  if (!is_own_stream) session->keep(engine::Keep::kMemory);
  if (session->n_tokens() > session->context_length()) {
    context.forgets(Forgetting::kStreamed,
                    fmt::format("The conversation has outgrown the context: only its first {} tokens and the newest {} "
                                "are kept.",
                                options.n_sinks, session->context_length() - options.n_sinks));
  }
  return Answer{filter.text(),
                generation->finish_reason,
                window.n_dropped_turns,
                {session->history().size(), session->context_length()},
                sum(thought.timings, generation->timings),
                thought.n_tokens + generation->tokens.size(),
                generation->stop_string};
}

Result<size_t> ModelRunner::count_tokens(SpecialistId id, const engine::Model& model, const ContextManager& context,
                                         const MemberRequest& asked) const {
  const MemberConfig member = with(registry_->member(id), asked.answer);
  const Render render = renderer(model, asked.answer, std::time(nullptr), Thinking::kNone);
  SAIN_ASSIGN_OR_RETURN(const ContextWindow window,
                        context.build(member.system_prompt, asked.text, SIZE_MAX, counter(render)));
  return window.n_tokens;
}

void ModelRunner::settle(Conversation& conversation, std::stop_token stop) const {
  if (policy_ != ConversationPolicy::kCompact) return;
  const MemberConfig& member = registry_->member(kAssistant);
  const uint32_t context_length = fitted(options_, *assistant_).context_length;
  const std::time_t now = std::time(nullptr);
  const Render render = renderer(*assistant_, {}, now, Thinking::kNone);
  bool is_full = false;
  const FitOptions fit = {.policy = policy_,
                          .budget = (context_length - std::min(member.max_tokens, context_length / 2)) / 4 * 3,
                          .count_tokens = counter(render),
                          .summarise = [&](std::span<const Turn> turns) -> Result<std::string> {
                            is_full = true;
                            SAIN_ASSIGN_OR_RETURN(engine::Session session, this->session(*assistant_));
                            return summarise(session, turns, now, engine::TurnPriority::kBackground, stop);
                          }};
  ContextManager settled = conversation.context;
  auto window = settled.fit(member.system_prompt, {}, fit);
  if (!is_full || !window || window->n_dropped_turns > 0) return;
  conversation.context = std::move(settled);
  window->messages.pop_back();  // the request that is to come
  const auto beginning = common_beginning(*assistant_, std::move(window->messages), now);
  auto session = this->session(member, *assistant_);
  if (!beginning || !session) return;
  const uint64_t n_known = session->resume(*beginning);
  if (session->prefill(std::span(*beginning).subspan(n_known), stop)) session->keep(engine::Keep::kMemory);
}

void ModelRunner::talk(SpecialistId id, std::string_view request, std::stop_token stop, engine::TokenSink& sink) const {
  constexpr size_t kMostBytes = 400;  // of the request
  constexpr uint32_t kMostTokens = 48;
  const Message message = {
      "user", fmt::format("I asked: \"{}\"\nA {} specialist will answer in a moment. Until then tell me in one short "
                          "sentence what this is about.",
                          formats::utf8_beginning(request, kMostBytes), registry_->snapshot().names[index(id)])};
  const auto prompt = render_prompt(*assistant_, {&message, 1}, std::time(nullptr));
  auto session = this->session(*assistant_);
  if (!prompt || !session) return;
  const engine::GenerateOptions options = {.max_tokens = kMostTokens,
                                           .stop_strings = stop_strings(*assistant_, {"\n"})};
  // What goes wrong here costs nothing but the talk.
  [[maybe_unused]] const auto generation = session->generate(*prompt, options, std::move(stop), sink);
}

Result<std::vector<double>> ModelRunner::vote(std::string_view request, std::span<const SpecialistId> members,
                                              std::stop_token stop) const {
  std::string question =
      fmt::format("A user asks: \"{}\"\n\nWho should answer?\n", formats::utf8_beginning(request, kMostOfQuestion));
  for (size_t i = 0; i < members.size(); ++i)
    question += fmt::format("{}: {} ({})\n", letter(i), registry_->snapshot().names[index(members[i])],
                            registry_->member(members[i]).description);
  return choose(question, members.size(), std::move(stop));
}

double ModelRunner::name_vote(std::string_view text, std::string_view candidate) const {
  const auto votes = choose(
      fmt::format("Text: \"{}\"\n\nWhat is \"{}\" in it?\nA: the name of a person\nB: something else\n",
                  formats::utf8_beginning(text, kMostOfQuestion), formats::utf8_beginning(candidate, kMostOfQuestion)),
      2, {});
  return votes ? votes->front() : -1;
}

/// The probabilities of the letters that stand for a question's `n` answers, by the logits of one token.
Result<std::vector<double>> ModelRunner::choose(const std::string& question, size_t n, std::stop_token stop) const {
  std::vector<Token> letters;
  for (size_t i = 0; i < n; ++i) {
    const std::vector<Token> tokens = assistant_->tokenizer().encode(letter(i), formats::SpecialTokens::kAsText);
    if (tokens.empty()) return make_error(ErrorCode::kUnsupported, "the assistant has no token for {}", letter(i));
    letters.push_back(tokens.back());
  }
  const Message message = {"user", question + "Answer with one letter."};
  SAIN_ASSIGN_OR_RETURN(const std::vector<Token> prompt, render_prompt(*assistant_, {&message, 1}, std::time(nullptr)));
  SAIN_ASSIGN_OR_RETURN(engine::Session session, this->session(*assistant_));
  SAIN_ASSIGN_OR_RETURN(const std::span<const float> logits, session.prefill(prompt, std::move(stop)));
  double greatest = -INFINITY, sum = 0;
  for (const Token token : letters) greatest = std::max(greatest, double{logits[static_cast<size_t>(token)]});
  std::vector<double> votes;
  for (const Token token : letters)
    sum += votes.emplace_back(std::exp(double{logits[static_cast<size_t>(token)]} - greatest));
  for (double& vote : votes) vote /= sum;
  return votes;
}

}  // namespace sain::router
