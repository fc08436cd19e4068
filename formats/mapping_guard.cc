#include "formats/mapping_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>

#include "formats/result.h"

namespace sain::formats {

/// A mapping that is watched, or a free place: then it has no size.
struct MappingGuard::Watch {
  std::atomic<uintptr_t> begin = 0;
  std::atomic<size_t> size = 0;
  std::atomic<bool> has_failed = false;
};

/// All watches. A signal handler may neither lock nor allocate, so they are never moved or freed, and used again.
struct Watches {
  std::array<MappingGuard::Watch, 64> watches;
  std::atomic<Watches*> next = nullptr;

  template <class F>
  static MappingGuard::Watch* find(F&& f);
};

namespace {

constinit Watches first;
constinit std::mutex changing;  // of who watches what
struct sigaction before = {};   // ours was installed
uintptr_t page_bytes = 0;

void on_sigbus(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (info->si_code == BUS_ADRERR) {
    const auto covers = [&](const auto& watch) {
      const size_t size = watch.size.load(std::memory_order_acquire);
      return address - watch.begin.load(std::memory_order_relaxed) < size;
    };
    if (auto* watch = Watches::find(covers)) {
      const uintptr_t page = address / page_bytes * page_bytes;
      const size_t rest = watch->begin + watch->size - page;
      watch->has_failed = true;
      // All that is left: a page at a time would be a fault, and maybe a mapping, for each.
      void* const zeros = ::mmap(reinterpret_cast<void*>(page), rest, PROT_READ,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
      errno = error;
      if (zeros != MAP_FAILED) return;
    }
  }
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler == SIG_IGN && info->si_code <= 0) return;  // another process has sent it
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  ::signal(signal, SIG_DFL);
  ::raise(signal);  // comes when this returns
}

void install() {
  page_bytes = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  SAIN_CHECK(::sigaction(SIGBUS, &action, &before) == 0);
}

}  // namespace

template <class F>
MappingGuard::Watch* Watches::find(F&& f) {
  for (Watches* some = &first; some != nullptr; some = some->next.load(std::memory_order_acquire)) {
    for (MappingGuard::Watch& watch : some->watches) {
      if (f(watch)) return &watch;
    }
  }
  return nullptr;
}

MappingGuard::MappingGuard(std::span<const std::byte> mapping) {
  if (mapping.empty()) return;
  const std::lock_guard lock(changing);
  if (page_bytes == 0) install();
  const auto is_free = [](const Watch& watch) { return watch.size.load(std::memory_order_relaxed) == 0; };
  watch_ = Watches::find(is_free);
  if (watch_ == nullptr) {
    auto* more = new Watches;
    more->next = first.next.load(std::memory_order_relaxed);
    first.next.store(more, std::memory_order_release);
    watch_ = more->watches.data();
  }
  watch_->has_failed = false;
  watch_->begin = reinterpret_cast<uintptr_t>(mapping.data());
  watch_->size.store(mapping.size(), std::memory_order_release);
}

MappingGuard::MappingGuard(MappingGuard&& other) noexcept : watch_(std::exchange(other.watch_, nullptr)) {}

MappingGuard& MappingGuard::operator=(MappingGuard&& other) noexcept {
  std::swap(watch_, other.watch_);
  return *this;
}

MappingGuard::~MappingGuard() {
  if (watch_ == nullptr) return;
  const std::lock_guard lock(changing);
  watch_->size = 0;
}

bool MappingGuard::has_failed() const {
  return watch_ != nullptr && watch_->has_failed;
}

}  // namespace sain::formats
