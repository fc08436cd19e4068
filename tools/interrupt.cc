#include "tools/interrupt.h"

#include <ctime>

namespace sain::tools {

Interrupt::Interrupt() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, &old_mask_);
  waiter_ = std::jthread([this, signals](std::stop_token end) {
    // A short wait rather than sigwait() alone, so that the destructor need not send itself a signal.
    const timespec tick{.tv_sec = 0, .tv_nsec = 50'000'000};
    while (!end.stop_requested()) {
      if (sigtimedwait(&signals, nullptr, &tick) > 0) stop_.request_stop();
    }
  });
}

Interrupt::~Interrupt() {
  waiter_ = {};
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

}  // namespace sain::tools
