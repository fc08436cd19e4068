// What a store keeps beside the packages: which version is active, and what was measured.
#include <sstream>

#include "router/member_config.h"
#include "router/packages/store.h"
#include "router/toml_reader.h"

namespace sain::router {
namespace {

std::string to_text(const toml::table& table) {
  std::ostringstream out;
  out << table << '\n';
  return out.str();
}

}  // namespace

std::string to_toml(const std::vector<PackageVersions>& packages) {
  toml::array array;
  for (const PackageVersions& package : packages) {
    toml::array before;
    for (const std::string& version : package.before) before.push_back(version);
    array.push_back(toml::table{{"name", package.name}, {"active", package.active}, {"before", before}});
  }
  return to_text(toml::table{{"specialist", array}});
}

Result<std::vector<PackageVersions>> parse_package_list(std::string_view text, const std::string& file) {
  SAIN_ASSIGN_OR_RETURN(const toml::table table, parse_toml(text, file));
  TomlReader root(table, file, "");
  std::vector<PackageVersions> packages;
  for (const toml::table* element : root.tables("specialist")) {
    PackageVersions package;
    TomlReader reader(*element, file, fmt::format("specialist[{}]", packages.size()));
    reader.string("name", package.name, Presence::kRequired);
    reader.string("active", package.active, Presence::kRequired);
    reader.strings("before", package.before);
    SAIN_RETURN_IF_ERROR(reader.finish());
    std::vector<std::string> versions = package.before;
    versions.push_back(package.active);
    for (const std::string& version : versions)
      if (!is_member_name(package.name) || !is_package_version(version))
        return make_error(ErrorCode::kInvalidArgument, "{}:{}: expected a specialist's name and versions, found {} {}",
                          file, element->source().begin.line, package.name, version);
    packages.push_back(std::move(package));
  }
  SAIN_RETURN_IF_ERROR(root.finish());
  return packages;
}

std::string to_toml(const PackageReport& report) {
  toml::table table{{"memory_bytes", static_cast<int64_t>(report.memory_bytes)},
                    {"kv_bytes", static_cast<int64_t>(report.kv_bytes)},
                    {"load_ms", report.load_ms},
                    {"first_token_ms", report.first_token_ms},
                    {"decode_tps", report.decode_tps},
                    {"score", report.score},
                    {"standard_error", report.standard_error}};
  if (report.assistant_score) table.insert("assistant_score", *report.assistant_score);
  return to_text(table);
}

Result<PackageReport> parse_package_report(std::string_view text, const std::string& file) {
  SAIN_ASSIGN_OR_RETURN(const toml::table table, parse_toml(text, file));
  constexpr double kMost = 1e12;
  PackageReport report;
  TomlReader reader(table, file, "");
  reader.integer("memory_bytes", 0, INT64_MAX, report.memory_bytes);
  reader.integer("kv_bytes", 0, INT64_MAX, report.kv_bytes);
  reader.number("load_ms", 0, kMost, report.load_ms);
  reader.number("first_token_ms", 0, kMost, report.first_token_ms);
  reader.number("decode_tps", 0, kMost, report.decode_tps);
  reader.number("score", 0, 1, report.score);
  reader.number("standard_error", 0, 1, report.standard_error);
  double assistant_score = -1;
  reader.number("assistant_score", 0, 1, assistant_score);
  SAIN_RETURN_IF_ERROR(reader.finish());
  if (assistant_score >= 0) report.assistant_score = assistant_score;
  return report;
}

}  // namespace sain::router
