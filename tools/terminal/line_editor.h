// Reads lines from a terminal with editing and a history, by libedit.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "formats/result.h"

namespace sain::tools {

/// One at a time: libedit handles signals for the whole process while it reads.
class LineEditor {
 public:
  enum class Outcome {
    kLine,
    kCleared,  // Ctrl-C: the line is thrown away
    kLeaving,  // Ctrl-C on an empty line
    kEnd,      // Ctrl-D on an empty line, or the terminal is gone
  };
  struct Input {
    Outcome outcome = Outcome::kEnd;
    std::string text = {};  // without its newline
  };

  /// `history_file` is read if it is there, and replaced as a whole (mode 0600) after every line.
  LineEditor(std::string prompt, std::filesystem::path history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// A line that ends in a backslash goes on in the next one.
  Input read();

  /// Adds a line to the history and saves it. Errors: kIo; the line is remembered all the same.
  Status remember(const std::string& line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sain::tools
