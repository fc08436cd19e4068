// What a package says about the specialist in it: README.md has every key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/member_config.h"

namespace sain::router {

/// One of a metric's questions. An answer is right when it has any of `answers` in it as whole words, in any letter
/// case.
struct Question {
  std::string prompt;
  std::vector<std::string> answers;
};

/// How good a specialist is at its specialty: the share of questions that it answers rightly.
struct Metric {
  std::string name;  // "capitals of Europe"
  std::vector<Question> questions;
  double minimum = 0;    // a package whose specialist gets less is not installed
  double reference = 0;  // the score of the model that this one stands in for; 0: none is named
  std::string reference_name = {};
};

struct PackageManifest {
  MemberConfig member;     // name and version are there; `model` is a file of the package, or a name of the catalogue
  std::string boundaries;  // what is not its own, and whose it is
  std::string licence;     // of the model, an SPDX expression or its name
  Metric metric;
  std::vector<std::string> files;  // of the package: the manifest itself, and those that it names

  bool has_own_model() const;  // else it is one of the catalogue
};

inline constexpr std::string_view kManifestName = "package.toml";

/// `[0-9][0-9A-Za-z.+-]*`, at most 32 bytes: "1.0.2", "2026-11-26".
bool is_package_version(std::string_view text);

/// Reads a manifest. Strict as parse_config(): an unknown key, a missing one (a metric too), a value out of range is
/// kInvalidArgument with "file:line: key: what was expected, what was found".
Result<PackageManifest> parse_manifest(std::string_view text, const std::string& file, const ReadFile& read_file);

/// The manifest of a package's folder. Errors also: kNotFound, kIo.
Result<PackageManifest> load_manifest(const std::filesystem::path& folder);

}  // namespace sain::router
