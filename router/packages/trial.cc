#include "router/packages/trial.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "router/model_runner.h"
#include "router/monitoring/process_memory.h"
#include "router/packages/metric.h"

namespace sain::router {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kOfReference = 0.9;
constexpr double kChance = 0.05;

/// The text of an answer is in its Answer too.
class NoSink : public engine::TokenSink {
 public:
  void on_text(std::string_view /*text*/) override {}
};

/// One member with its model in memory, asked questions that know nothing of each other.
class Candidate {
 public:
  static Result<Candidate> load(const MemberConfig& member, engine::ThreadPool& pool, const TrialOptions& options) {
    Candidate candidate;
    Config config;
    config.assistant = member;
    config.assistant.sampling.temperature = 0;
    candidate.registry_ = std::make_unique<Registry>(config);
    const Clock::time_point start = Clock::now();
    SAIN_ASSIGN_OR_RETURN(
        engine::Model model,
        engine::Model::load({.path = member.model, .isa = options.session.tuning.isa, .stop = options.stop}));
    candidate.load_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    candidate.model_ = std::make_unique<engine::Model>(std::move(model));
    candidate.runner_ = std::make_unique<ModelRunner>(*candidate.registry_, pool, *candidate.model_, options.session,
                                                      ConversationPolicy::kStop);
    return candidate;
  }

  /// Which questions it answers rightly.
  Result<std::vector<bool>> ask(const std::vector<Question>& questions, const TrialOptions& options) {
    std::vector<bool> right;
    for (const Question& question : questions) {
      Conversation conversation;
      NoSink sink;
      SAIN_ASSIGN_OR_RETURN(const Answer answer, runner_->answer(
                                                     kAssistant, *model_, conversation, {.text = question.prompt},
                                                     options.stop, [](const Event&) {}, sink));
      if (options.stop.stop_requested()) return make_error(ErrorCode::kCancelled, "the trial was stopped");
      right.push_back(is_right(answer.text, question.answers));
      first_token_ms.push_back(answer.timings.first_token_ms);
      decode_tokens += answer.timings.decode_tokens;
      decode_ms += answer.timings.decode_ms;
      if (options.progress) options.progress(static_cast<double>(right.size()) / static_cast<double>(questions.size()));
    }
    return right;
  }

  uint64_t kv_bytes(engine::ThreadPool& pool, engine::SessionOptions options) const {
    options.context_length = std::min(options.context_length, model_->config().context_length);
    const auto session = engine::Session::create(*model_, pool, options);
    return session ? session->kv_bytes() : 0;
  }

  double load_ms = 0;
  std::vector<double> first_token_ms;
  uint64_t decode_tokens = 0;
  double decode_ms = 0;

 private:
  Candidate() = default;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<engine::Model> model_;
  std::unique_ptr<ModelRunner> runner_;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

/// Why the score is not good enough; empty if it is.
std::string shortcoming(const Metric& metric, double share) {
  if (share < metric.minimum)
    return fmt::format("{}: expected at least {}, found {}", metric.name, percent(metric.minimum), percent(share));
  if (share < kOfReference * metric.reference)
    return fmt::format("{}: expected at least {}, nine tenths of the reference's{} {}, found {}", metric.name,
                       percent(kOfReference * metric.reference),
                       metric.reference_name.empty() ? "" : " (" + metric.reference_name + ")",
                       percent(metric.reference), percent(share));
  return {};
}

/// The questions of both versions, so that none is lost that an update should still answer.
std::vector<Question> all_questions(const Metric& mine, const Metric& others) {
  std::vector<Question> questions = mine.questions;
  for (const Question& question : others.questions)
    if (std::ranges::find(questions, question.prompt, &Question::prompt) == questions.end())
      questions.push_back(question);
  return questions;
}

}  // namespace

Result<PackageReport> try_package(const InstalledPackage& package, const std::optional<InstalledPackage>& active,
                                  engine::ThreadPool& pool, const TrialOptions& options) {
  const auto say = [&](const std::string& line) {
    if (options.say) options.say(line);
  };
  const Metric& metric = package.manifest.metric;
  const MemberConfig& member = package.manifest.member;
  PackageReport report;
  std::vector<bool> right;
  const std::vector<Question> questions = active ? all_questions(metric, active->manifest.metric) : metric.questions;
  {
    const uint64_t before = rss_bytes();
    SAIN_ASSIGN_OR_RETURN(Candidate candidate, Candidate::load(member, pool, options));
    say(fmt::format("{} {} is asked {} questions", member.name, member.version, questions.size()));
    SAIN_ASSIGN_OR_RETURN(right, candidate.ask(questions, options));
    report.kv_bytes = candidate.kv_bytes(pool, options.session);
    // Sessions last for an answer: what the last one took is counted as what the next one will.
    const uint64_t after = rss_bytes();
    report.memory_bytes = after - std::min(before, after) + report.kv_bytes;
    report.load_ms = candidate.load_ms;
    report.first_token_ms = median(candidate.first_token_ms);
    if (candidate.decode_ms > 0)
      report.decode_tps = 1e3 * static_cast<double>(candidate.decode_tokens) / candidate.decode_ms;
  }
  if (options.room_bytes > 0 && report.memory_bytes > options.room_bytes)
    return make_error(ErrorCode::kResourceExhausted,
                      "{} {}: expected at most {} MiB, which is left of the budget, found {}", member.name,
                      member.version, options.room_bytes >> 20, report.memory_bytes >> 20);
  const std::vector<bool> own(right.begin(), right.begin() + static_cast<std::ptrdiff_t>(metric.questions.size()));
  const Score found = score(own);
  report.score = found.share;
  report.standard_error = found.standard_error;

  std::string wrong = shortcoming(metric, report.score);
  if (active && wrong.empty()) {
    say(fmt::format("{} {}, which is active, is asked the same", member.name, active->manifest.member.version));
    auto candidate = Candidate::load(active->manifest.member, pool, options);
    auto before = candidate ? candidate->ask(questions, options) : Result<std::vector<bool>>(candidate.error());
    if (options.stop.stop_requested()) return make_error(ErrorCode::kCancelled, "the trial was stopped");
    if (!before) {
      say(before.error().message);  // an update is what it needs
    } else if (const double chance = chance_of_drop(*before, right); chance < kChance) {
      wrong = fmt::format("answers {} of {} questions rightly, version {} {} (a chance of {:.3f})",
                          std::ranges::count(right, true), right.size(), active->manifest.member.version,
                          std::ranges::count(*before, true), chance);
    }
  }
  if (!wrong.empty() && !options.is_forced)
    return make_error(ErrorCode::kUnsupported, "{} {}: {}", member.name, member.version, wrong);
  if (!wrong.empty()) say(wrong);

  if (options.assistant) {
    say("the assistant is asked the same");
    SAIN_ASSIGN_OR_RETURN(Candidate assistant, Candidate::load(*options.assistant, pool, options));
    SAIN_ASSIGN_OR_RETURN(const std::vector<bool> answers, assistant.ask(metric.questions, options));
    report.assistant_score = score(answers).share;
    if (*report.assistant_score >= report.score)
      say(fmt::format("{} {} is no better than the assistant ({} of its questions, {})", member.name, member.version,
                      percent(report.score), percent(*report.assistant_score)));
  }
  return report;
}

}  // namespace sain::router
