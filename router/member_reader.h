// Reading a member from TOML, as configurations and packages have it.
#pragma once

#include <string>
#include <vector>

#include "formats/result.h"
#include "router/member_config.h"
#include "router/toml_reader.h"

namespace sain::router {

/// Of a context, and of an answer.
inline constexpr int64_t kMaxContext = int64_t{1} << 20;

/// Reads the keys of a member; intents in files of their own come through `read_file`. `file` and `path` as of the
/// reader, which keeps the first failure. Keys of others are left to the caller, who finishes the reader.
void read_member(TomlReader& reader, const std::string& file, const std::string& path, const ReadFile& read_file,
                 MemberConfig& member);

/// The intents of `node`, which is a table of them or the name of a file with one. Errors as parse_intents().
Result<std::vector<Intent>> read_intents(const toml::node& node, const std::string& file, const std::string& path,
                                         const ReadFile& read_file);

}  // namespace sain::router
