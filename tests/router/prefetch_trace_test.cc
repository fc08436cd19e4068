// R33: how often the specialist that is asked for is in memory already, over 200 conversations of several turns.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <thread>

#include "router/coordinator.h"
#include "tests/router/fake_models.h"

namespace sain::router {
namespace {

constexpr uint64_t kSeed = 20260101;
constexpr int kConversations = 200;
const std::array<const char*, 6> kSpecialists = {"coding",      "writing",  "reasoning",
                                                 "translation", "commerce", "learning"};

/// What people of a kind do: turns go on as before, go to what usually comes next, to the assistant, or anywhere.
struct Habit {
  std::array<size_t, 6> next;  // of each specialist, as an index of kSpecialists
  size_t first;
};
constexpr std::array<Habit, 4> kHabits = {{
    {{2, 3, 0, 1, 1, 0}, 0},  // a developer: code, what it computes, code
    {{5, 3, 5, 1, 1, 2}, 5},  // a student: explanations and problems
    {{1, 3, 4, 4, 1, 1}, 4},  // a shop: products, their texts, translations
    {{1, 3, 1, 1, 1, 1}, 1},  // a writer: text and translation
}};

/// Names to ask, one a turn.
std::vector<std::string> conversation(const Habit& habit, std::mt19937_64& random) {
  const auto chance = [&random](double p) { return std::uniform_real_distribution<>()(random) < p; };
  std::vector<std::string> names;
  size_t at = habit.first;
  const size_t n_turns = 4 + random() % 7;
  while (names.size() < n_turns) {
    if (chance(0.25)) {
      names.emplace_back("assistant");
      continue;
    }
    names.emplace_back(kSpecialists[at]);
    if (chance(0.5)) continue;  // goes on as before
    at = chance(0.8) ? habit.next[at] : random() % kSpecialists.size();
  }
  return names;
}

struct Counts {
  double all = 0, switches = 0;  // shares of requests to a specialist, and to another one than before, that found it
};

/// `constancy`: the chance that the next conversation is of the same kind as the last one.
Counts replay(double constancy, bool prefetch) {
  Config config;
  config.assistant = {.name = "Ada", .model = "/m/assistant"};
  FakeModels models;  // as large, in MiB, as the 1B assistant and 5B specialists, in a budget of 8 GiB
  models.cost_of["/m/assistant"] = {.weights_bytes = 700, .kv_bytes = 130};
  models.cost = {.weights_bytes = 2900, .kv_bytes = 250};
  std::vector<std::filesystem::path> files = {"/m/assistant"};
  for (const char* name : kSpecialists) {
    files.push_back(std::string("/m/") + name);
    config.specialists.push_back({.name = name, .model = files.back().string()});
  }
  const Registry registry(config);
  Residency residency(models.source(), files, {.budget_bytes = 8192});
  const auto assistant = residency.acquire(kAssistant, {.is_pinned = true});
  Transitions transitions;
  CoordinatorParts parts;
  parts.classify = [](std::string_view) { return Classification{}; };
  parts.answer = [](SpecialistId, const ModelLease&, Conversation&, const MemberRequest&, const std::stop_token&,
                    const EventSink&, engine::TokenSink& sink) -> Result<Answer> {
    sink.on_text("Yes.");
    return Answer{.text = "Yes."};
  };
  Coordinator coordinator(registry, residency, transitions, {.prefetch = prefetch}, parts);

  std::mt19937_64 random(kSeed);
  double n = 0, n_found = 0, n_switches = 0, n_switches_found = 0;
  size_t habit = 0;
  for (int i = 0; i < kConversations; ++i) {
    if (std::uniform_real_distribution<>()(random) >= constancy) habit = random() % kHabits.size();
    Conversation current;
    std::string before;
    for (const std::string& name : conversation(kHabits[habit], random)) {
      // Whoever reads the last answer takes longer than a load.
      while (std::ranges::any_of(residency.status(), [](const auto& s) { return s.state == ModelState::kLoading; }))
        std::this_thread::yield();
      if (name != "assistant") {
        const bool is_found = residency.is_loaded(*registry.snapshot().find(name));
        n += 1;
        n_found += is_found;
        n_switches += name != before;
        n_switches_found += name != before && is_found;
        before = name;
      }
      EXPECT_TRUE(coordinator.handle(current, "@" + name + " and so on", {}, [](const Event&) {}));
    }
  }
  EXPECT_LE(residency.used_bytes(), 8192u);
  return {n_found / n, n_switches_found / n_switches};
}

TEST(PrefetchTraceTest, TheNextSpecialistIsThereInFourOfFiveRequests) {
  Counts with, without;
  for (const double constancy : {0.0, 0.5, 0.9}) {
    with = replay(constancy, true);
    without = replay(constancy, false);
    printf(
        "of a kind as the last one %.1f: found in memory: %.1f %% of all requests to specialists (%.1f %% without "
        "loading ahead), %.1f %% (%.1f %%) of those to another one\n",
        constancy, 100 * with.all, 100 * without.all, 100 * with.switches, 100 * without.switches);
  }
  EXPECT_GE(with.all, 0.8);
  EXPECT_GT(with.switches, without.switches + 0.05) << "loading ahead must be worth it";
}

}  // namespace
}  // namespace sain::router
