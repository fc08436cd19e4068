#include "tools/terminal/line_editor.h"

#include <histedit.h>
#include <langinfo.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <system_error>
#include <vector>

#include "formats/atomic_file.h"

namespace sain::tools {
namespace {

constexpr size_t kMaxHistory = 1000;  // lines

/// libedit reads characters as the locale says; one that is not UTF-8 would garble what users type.
void use_utf8_locale() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

/// While it lives, Ctrl-C is a key like others, so that it cannot end the program. (libedit's own "setty intr=" does
/// not outlast its next look at the terminal.)
class InterruptAsKey {
 public:
  InterruptAsKey() {
    is_terminal_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!is_terminal_) return;
    termios settings = before_;
    settings.c_cc[VINTR] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
  }
  ~InterruptAsKey() {
    if (is_terminal_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  InterruptAsKey(const InterruptAsKey&) = delete;
  InterruptAsKey& operator=(const InterruptAsKey&) = delete;

 private:
  termios before_{};
  bool is_terminal_ = false;
};

}  // namespace

struct LineEditor::State {
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::string prompt, continuation;
  bool is_continued = false;
  bool is_interrupted = false;
  bool was_empty = false;  // the line that was interrupted
  std::filesystem::path history_file;
  std::vector<std::string> lines;  // what the history file holds

  static State& of(EditLine* edit) {
    State* state = nullptr;
    el_get(edit, EL_CLIENTDATA, &state);
    return *state;
  }
  static char* show_prompt(EditLine* edit) {
    State& state = of(edit);
    return (state.is_continued ? state.continuation : state.prompt).data();
  }
  static unsigned char interrupt(EditLine* edit, int) {
    State& state = of(edit);
    state.is_interrupted = true;
    const LineInfo* line = el_line(edit);
    state.was_empty = line->lastchar == line->buffer && !state.is_continued;
    el_push(edit, "\n");  // ends the line
    return CC_REFRESH;
  }

  void add_to_history(const std::string& line) {
    HistEvent event;
    ::history(history, &event, H_ENTER, line.c_str());
    lines.push_back(line);
    if (lines.size() > kMaxHistory) lines.erase(lines.begin());
  }
};

LineEditor::LineEditor(std::string prompt, std::filesystem::path history_file) : state_(std::make_unique<State>()) {
  use_utf8_locale();
  State& state = *state_;
  state.prompt = std::move(prompt);
  state.continuation = std::string(state.prompt.size() - 1, '.') + " ";
  state.history_file = std::move(history_file);
  state.history = history_init();
  HistEvent event;
  history(state.history, &event, H_SETSIZE, static_cast<int>(kMaxHistory));
  history(state.history, &event, H_SETUNIQUE, 1);
  std::ifstream file(state.history_file);
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) state.add_to_history(line);

  state.edit = el_init("sain", stdin, stdout, stderr);
  el_set(state.edit, EL_CLIENTDATA, &state);
  el_set(state.edit, EL_PROMPT, &State::show_prompt);
  el_set(state.edit, EL_HIST, history, state.history);
  el_set(state.edit, EL_EDITOR, "emacs");
  el_set(state.edit, EL_SIGNAL, 1);
  el_source(state.edit, nullptr);  // the user's own key bindings
  el_set(state.edit, EL_ADDFN, "sain-interrupt", "Throws the line away", &State::interrupt);
  el_set(state.edit, EL_BIND, "^C", "sain-interrupt", nullptr);
  el_set(state.edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  el_end(state_->edit);
  history_end(state_->history);
}

LineEditor::Input LineEditor::read() {
  State& state = *state_;
  const InterruptAsKey interrupt_as_key;
  std::string text;
  for (state.is_continued = false;; state.is_continued = true) {
    state.is_interrupted = false;
    int n_bytes = 0;
    const char* line = el_gets(state.edit, &n_bytes);
    if (line == nullptr || n_bytes <= 0) return {Outcome::kEnd};
    if (state.is_interrupted) return {state.was_empty ? Outcome::kLeaving : Outcome::kCleared};
    text += line;
    if (text.back() == '\n') text.pop_back();
    if (text.empty() || text.back() != '\\') return {Outcome::kLine, std::move(text)};
    text.back() = '\n';
  }
}

Status LineEditor::remember(const std::string& line) {
  State& state = *state_;
  std::string one_line = line;
  std::replace(one_line.begin(), one_line.end(), '\n', ' ');
  if (!state.lines.empty() && state.lines.back() == one_line) return {};
  state.add_to_history(one_line);

  std::error_code error;
  std::filesystem::create_directories(state.history_file.parent_path(), error);
  if (error) return make_error(ErrorCode::kIo, "{}: {}", state.history_file.string(), error.message());
  SAIN_ASSIGN_OR_RETURN(formats::AtomicFile file,
                        formats::AtomicFile::create(state.history_file, formats::FileAccess::kOwnerOnly));
  for (const std::string& entry : state.lines) SAIN_RETURN_IF_ERROR(file.write(entry + "\n"));
  return file.commit();
}

}  // namespace sain::tools
