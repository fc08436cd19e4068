#include "router/conversation.h"

#include <sodium.h>

#include "formats/result.h"

namespace sain::router {

std::string Conversation::new_id() {
  uint64_t number = 0;
  randombytes_buf(&number, sizeof number);
  return fmt::format("{:016x}", number);
}

}  // namespace sain::router
