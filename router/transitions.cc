#include "router/transitions.h"

#include <system_error>

#include "formats/atomic_file.h"
#include "router/text_file.h"
#include "router/toml_reader.h"

namespace sain::router {
namespace {

constexpr size_t kLongestHistory = 2;
constexpr double kFading = 0.95;   // of a row, with each count in it: some twenty count, as habits change
constexpr double kMaxCount = 1e9;  // in a file
constexpr double kBacking = 1;     // counts that the shorter history is worth

/// The last n names, joined.
std::string key_of(std::span<const std::string> history, size_t n) {
  std::string key;
  for (const std::string& name : history.last(n)) key += (key.empty() ? "" : " ") + name;
  return key;
}

}  // namespace

void Transitions::record(std::span<const std::string> history, const std::string& next) {
  const std::lock_guard lock(mutex_);
  for (size_t n = 0; n <= std::min(kLongestHistory, history.size()); ++n) {
    Counts& counts = after_[key_of(history, n)];
    for (auto& [name, count] : counts) count *= kFading;
    counts[next] += 1;
  }
}

std::vector<double> Transitions::next(std::span<const std::string> history, std::span<const std::string> names) const {
  const std::lock_guard lock(mutex_);
  std::vector<double> p(names.size(), 1 / static_cast<double>(std::max<size_t>(1, names.size())));
  for (size_t n = 0; n <= std::min(kLongestHistory, history.size()); ++n) {
    const auto row = after_.find(key_of(history, n));
    if (row == after_.end()) continue;
    const auto count_of = [&row](const std::string& name) {
      const auto count = row->second.find(name);
      return count == row->second.end() ? 0.0 : count->second;
    };
    double sum = kBacking;
    for (const std::string& name : names) sum += count_of(name);
    for (size_t i = 0; i < names.size(); ++i) p[i] = (count_of(names[i]) + kBacking * p[i]) / sum;
  }
  return p;
}

Status Transitions::load(const std::filesystem::path& path) {
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text_file(path));
  const std::string file = path.string();
  SAIN_ASSIGN_OR_RETURN(const toml::table table, parse_toml(text, file));
  std::map<std::string, Counts> after;
  TomlReader root(table, file, "");
  for (const auto& [key, value] : table) {
    const toml::table* row = root.table(key.str());
    if (row == nullptr) break;
    TomlReader reader(*row, file, std::string(key.str()));
    for (const auto& [name, count] : *row)
      reader.number(name.str(), 0, kMaxCount, after[std::string(key.str())][std::string(name.str())]);
    root.fail(reader.finish());
  }
  SAIN_RETURN_IF_ERROR(root.finish());
  const std::lock_guard lock(mutex_);
  after_ = std::move(after);
  return {};
}

Status Transitions::save(const std::filesystem::path& path) const {
  std::string out = "# How often who answered next, after those in the heading; old counts fade.\n";
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, counts] : after_) {
      out += fmt::format("\n[\"{}\"]\n", key);
      for (const auto& [name, count] : counts) out += fmt::format("\"{}\" = {:.3f}\n", name, count);
    }
  }
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) return make_error(ErrorCode::kIo, "{}: {}", path.parent_path().string(), error.message());
  return formats::write_atomically(path, out);
}

}  // namespace sain::router
