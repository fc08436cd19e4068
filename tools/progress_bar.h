// A progress bar for people: drawn on standard error when that is a terminal, silent otherwise.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace sain::tools {

/// One line that is drawn over and over, at most ten times a second. Used by one thread.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Shows `note`, `done` of `total` bytes, and the rate since the first call.
  void show_bytes(uint64_t done, uint64_t total, std::string_view note = {});
  /// Shows a fraction, 0 to 1.
  void show_fraction(double fraction, std::string_view note = {});
  /// Takes the line off the screen, so that what is printed next starts on a clean one.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool due();
  void draw(double fraction, std::string_view text);

  std::string label_;
  bool is_terminal_;
  bool drawn_ = false;
  Clock::time_point last_draw_{};
  Clock::time_point first_call_{};
  uint64_t first_bytes_ = 0;
};

/// "98.4 MB": decimal units, three figures.
std::string format_bytes(uint64_t bytes);

}  // namespace sain::tools
