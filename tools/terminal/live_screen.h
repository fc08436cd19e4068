// A terminal's whole screen, drawn over and over, and given back as it was.
#pragma once

#include <termios.h>

#include <chrono>
#include <string_view>

namespace sain::tools {

/// For standard input and output that are a terminal. One at a time, used by one thread.
class LiveScreen {
 public:
  LiveScreen();
  ~LiveScreen();
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;

  /// Shows as much of `text` as there is room for: lines that are too long are cut off, and so are the last lines.
  void draw(std::string_view text);

  /// The key that is pressed within `timeout`, else 0. A terminal that is gone counts as the key 4, Ctrl-D.
  char wait_for_key(std::chrono::milliseconds timeout);

 private:
  termios before_{};
};

}  // namespace sain::tools
