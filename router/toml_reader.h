// Strict reading of TOML: every key is known, has the right type and lies in its range, or the message says where not.
#pragma once

#include <toml++/toml.h>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"

namespace sain::router {

enum class Presence { kRequired, kOptional };

/// Parses `text`. Errors: kInvalidArgument with "file:line: what is wrong".
Result<toml::table> parse_toml(std::string_view text, const std::string& file);

/// A node as messages show it: the value itself, cut to 60 bytes, or "a table" or "an array".
std::string describe_toml(const toml::node& node);

/// Reads one table, key by key. The first failure sticks: later reads do nothing, and finish() returns it. An
/// optional key that is absent leaves its variable alone. Holds references to the table and the file name.
class TomlReader {
 public:
  /// `path` is the dotted name of the table in messages; empty for the root.
  TomlReader(const toml::table& table, const std::string& file, std::string path)
      : table_(table), file_(file), path_(std::move(path)) {}

  void string(std::string_view key, std::string& out, Presence presence = Presence::kOptional);
  void boolean(std::string_view key, bool& out);
  void strings(std::string_view key, std::vector<std::string>& out);
  void number(std::string_view key, double min, double max, double& out);
  void number(std::string_view key, double min, double max, float& out);

  template <class T>
  void integer(std::string_view key, int64_t min, int64_t max, T& out) {
    int64_t value = 0;
    if (read_integer(key, min, max, value)) out = static_cast<T>(value);
  }

  /// The node of `key`, which counts as known from now on; null when absent or after a failure.
  const toml::node* node(std::string_view key, Presence presence = Presence::kOptional);
  const toml::table* table(std::string_view key, Presence presence = Presence::kOptional);

  /// All [[key]] tables; with Presence::kRequired at least one.
  std::vector<const toml::table*> tables(std::string_view key, Presence presence = Presence::kOptional);

  void fail(const toml::node& where, std::string_view key, std::string_view what);
  void fail(Status status) {
    if (status_ && !status) status_ = std::move(status);
  }
  bool failed() const { return !status_; }

  /// The first failure, or an unknown key, or success.
  Status finish();

 private:
  bool read_integer(std::string_view key, int64_t min, int64_t max, int64_t& out);
  std::string key_path(std::string_view key) const;

  const toml::table& table_;
  const std::string& file_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
  Status status_;
};

}  // namespace sain::router
