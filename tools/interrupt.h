// Ctrl-C as a polite request: SIGINT and SIGTERM become a std::stop_token.
#pragma once

#include <signal.h>

#include <stop_token>
#include <thread>

namespace sain::tools {

/// While it lives, SIGINT and SIGTERM request a stop instead of ending the program; a second one changes nothing.
/// Construct it before any other thread: it blocks the two signals in this thread and in all that this one starts.
/// One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return stop_.get_token(); }

 private:
  sigset_t old_mask_;
  std::stop_source stop_;
  std::jthread waiter_;
};

}  // namespace sain::tools
