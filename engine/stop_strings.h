// Stop strings: a text stream ends where one of them is complete, and no part of it is shown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"

namespace sain::engine {

/// Passes a stream on as far as it cannot be part of a stop string. However the stream is cut into pieces, the text
/// that comes out is the same: all that stands before the stop string that is complete first (of several that end at
/// the same byte, the longest), or everything if there is none. At most the beginning of a stop string is held back.
class StopStrings {
 public:
  /// Errors: kInvalidArgument for a stop string that is empty or not valid UTF-8.
  static Result<StopStrings> create(std::vector<std::string> strings);

  /// Takes the next piece (valid UTF-8) and returns what is now certain, again valid UTF-8. Nothing after a match.
  std::string push(std::string_view text);

  /// The end of the stream: what was held back, or nothing after a match.
  std::string flush();

  bool matched() const { return !match_.empty(); }
  const std::string& match() const { return match_; }  // empty: none

 private:
  explicit StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {}

  std::vector<std::string> strings_;
  std::string held_;  // the beginning of a stop string, or empty
  std::string match_;
};

}  // namespace sain::engine
