#include "tools/terminal/live_screen.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace sain::tools {
namespace {

constexpr char kGone = 4;

size_t n_rows() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

}  // namespace

LiveScreen::LiveScreen() {
  tcgetattr(STDIN_FILENO, &before_);
  termios settings = before_;
  settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // keys at once, and not shown; Ctrl-C stays a signal
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings);
  fmt::print("\033[?1049h\033[?25l\033[?7l");  // the other screen, no cursor, no wrapping of long lines
}

LiveScreen::~LiveScreen() {
  fmt::print("\033[?7h\033[?25h\033[?1049l");
  std::fflush(stdout);
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

void LiveScreen::draw(std::string_view text) {
  std::string screen = "\033[H";
  for (size_t row = 0, rows = n_rows(); row < rows && !text.empty(); ++row) {
    const size_t length = text.find('\n');
    if (row > 0) screen += "\r\n";
    screen.append(text.substr(0, length)).append("\033[K");
    text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
  }
  screen += "\033[J";
  std::fwrite(screen.data(), 1, screen.size(), stdout);
  std::fflush(stdout);
}

char LiveScreen::wait_for_key(std::chrono::milliseconds timeout) {
  pollfd polled{STDIN_FILENO, POLLIN, 0};
  if (poll(&polled, 1, static_cast<int>(timeout.count())) <= 0) return 0;
  char key = 0;
  return read(STDIN_FILENO, &key, 1) == 1 ? key : kGone;
}

}  // namespace sain::tools
