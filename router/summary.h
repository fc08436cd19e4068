// The summary that takes the place of old turns.
#pragma once

#include <ctime>
#include <span>
#include <stop_token>
#include <string>

#include "engine/session.h"
#include "formats/result.h"
#include "router/context_manager.h"

namespace sain::router {

/// Has the model of `session` summarise `turns` in at most 200 tokens and an eighth of its context, greedily. Forgets
/// what the session held. Where the turns are too long for the context, each message is cut to as much of its
/// beginning as fits. Errors: kCancelled (`stop`), kInternal (the model writes nothing), those of render_prompt() and
/// Session::generate().
Result<std::string> summarise(engine::Session& session, std::span<const Turn> turns, std::time_t now,
                              engine::TurnPriority priority, std::stop_token stop);

}  // namespace sain::router
