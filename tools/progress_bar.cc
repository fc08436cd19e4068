#include "tools/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace sain::tools {
namespace {

constexpr size_t kBarWidth = 16;

size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

ProgressBar::ProgressBar(std::string label) : label_(std::move(label)), is_terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show_bytes(uint64_t done, uint64_t total, std::string_view note) {
  if (first_call_ == Clock::time_point{}) {
    first_call_ = Clock::now();
    first_bytes_ = done;
  }
  if (!due()) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - first_call_).count();
  std::string rate;
  if (seconds > 0.5 && done > first_bytes_) {
    rate =
        fmt::format(", {}/s", format_bytes(static_cast<uint64_t>(static_cast<double>(done - first_bytes_) / seconds)));
  }
  const double fraction = total ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  draw(fraction,
       fmt::format("{}{}{} of {}{}", note, note.empty() ? "" : ", ", format_bytes(done), format_bytes(total), rate));
}

void ProgressBar::show_fraction(double fraction, std::string_view note) {
  if (due()) draw(fraction, note);
}

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

bool ProgressBar::due() {
  if (!is_terminal_) return false;
  const Clock::time_point now = Clock::now();
  if (drawn_ && now - last_draw_ < std::chrono::milliseconds(100)) return false;
  last_draw_ = now;
  return true;
}

void ProgressBar::draw(double fraction, std::string_view text) {
  const auto filled = static_cast<size_t>(std::clamp(fraction, 0.0, 1.0) * kBarWidth);
  std::string line = fmt::format("{} [{}{}] {:3.0f} % {}", label_, std::string(filled, '='),
                                 std::string(kBarWidth - filled, ' '), 100 * std::clamp(fraction, 0.0, 1.0), text);
  // A line that wraps could not be drawn over.
  line.resize(std::min(line.size(), terminal_width() - 1));
  fmt::print(stderr, "\r{}\033[K", line);
  std::fflush(stderr);
  drawn_ = true;
}

std::string format_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  const int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

}  // namespace sain::tools
