// Who answers next: counted from who answered before, and kept in a file.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"

namespace sain::router {

/// Counts of members by the one and the two that answered before them, each backed by the next shorter history where it
/// has been seen seldom. Old counts fade. Knows names alone, no content. Thread-safe.
class Transitions {
 public:
  static constexpr std::string_view kBeginning = "^";  // as the first name of a history

  /// Counts `next` after the last two of `history` (names, oldest first).
  void record(std::span<const std::string> history, const std::string& next);

  /// The probability that each of `names` answers next; they sum to 1.
  std::vector<double> next(std::span<const std::string> history, std::span<const std::string> names) const;

  /// Replaces the counts by those of a file. Errors: kNotFound; kInvalidArgument naming file, line and key; kIo.
  Status load(const std::filesystem::path& path);

  /// Writes `path` atomically. Errors: kIo.
  Status save(const std::filesystem::path& path) const;

 private:
  using Counts = std::map<std::string, double>;  // by name

  std::map<std::string, Counts> after_;  // by the names before, joined by spaces; "" counts everything
  mutable std::mutex mutex_;
};

}  // namespace sain::router
