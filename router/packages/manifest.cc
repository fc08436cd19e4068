#include "router/packages/manifest.h"

#include <algorithm>

#include "router/catalog.h"
#include "router/member_reader.h"
#include "router/text_file.h"

namespace sain::router {
namespace {

constexpr size_t kMaxQuestions = 1000;

/// A file beside the manifest, never one elsewhere.
bool is_file_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.size() <= 255 && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos && name.find('\n') == std::string_view::npos;
}

Result<std::vector<Question>> read_questions(const toml::table& table, const std::string& file) {
  TomlReader root(table, file, "");
  std::vector<Question> questions;
  for (const toml::table* element : root.tables("question", Presence::kRequired)) {
    Question question;
    TomlReader reader(*element, file, fmt::format("question[{}]", questions.size()));
    reader.string("prompt", question.prompt, Presence::kRequired);
    reader.strings("answers", question.answers);
    if (!reader.failed() && question.answers.empty()) reader.fail(*element, "answers", "expected one at least");
    SAIN_RETURN_IF_ERROR(reader.finish());
    questions.push_back(std::move(question));
  }
  SAIN_RETURN_IF_ERROR(root.finish());
  if (questions.size() > kMaxQuestions)
    return make_error(ErrorCode::kInvalidArgument, "{}: question: expected at most {}, found {}", file, kMaxQuestions,
                      questions.size());
  return questions;
}

void read_metric(TomlReader& root, const std::string& file, const ReadFile& read_file, PackageManifest& manifest) {
  const toml::table* table = root.table("metric", Presence::kRequired);
  if (table == nullptr) return;
  Metric& metric = manifest.metric;
  TomlReader reader(*table, file, "metric");
  std::string questions;
  reader.string("name", metric.name, Presence::kRequired);
  reader.string("questions", questions, Presence::kRequired);
  reader.number("minimum", 0, 1, metric.minimum);
  reader.number("reference", 0, 1, metric.reference);
  reader.string("reference_name", metric.reference_name);
  root.fail(reader.finish());
  if (root.failed()) return;
  manifest.files.push_back(questions);
  const auto text = read_file(questions);
  if (!text) return root.fail(*table, "metric.questions", text.error().message);
  const auto parsed = parse_toml(*text, questions);
  if (!parsed) return root.fail(parsed.error());
  auto read = read_questions(*parsed, questions);
  if (!read) return root.fail(std::move(read).error());
  metric.questions = *std::move(read);
}

/// What read_member() leaves open.
void check_member(TomlReader& root, const toml::table& table, PackageManifest& manifest) {
  MemberConfig& member = manifest.member;
  const auto at = [&](std::string_view key) -> const toml::node& { return *table.get(key); };
  if (root.failed()) return;
  if (!is_member_name(member.name) || member.name == "assistant")
    return root.fail(at("name"), "name",
                     fmt::format("expected [a-z][a-z0-9_-]* of at most 32 bytes and not \"assistant\", found {}",
                                 describe_toml(at("name"))));
  if (!is_package_version(member.version))
    return root.fail(
        at("version"), "version",
        fmt::format("expected [0-9][0-9A-Za-z.+-]* of at most 32 bytes, found {}", describe_toml(at("version"))));
  if (member.cloud) return root.fail(at("cloud"), "cloud", "a package is of this machine; sain.toml names servers");
  if (member.intents.empty())
    return root.fail(table, "intents", "expected example requests by intent, which tell the specialist's from others'");
  if (const auto intents = table["intents"].value<std::string>()) manifest.files.push_back(*intents);
  if (manifest.has_own_model()) manifest.files.push_back(member.model);
  if (!member.adapter.empty()) manifest.files.push_back(member.adapter);
}

}  // namespace

bool PackageManifest::has_own_model() const {
  return find_catalog_entry(member.model) == nullptr;
}

bool is_package_version(std::string_view text) {
  constexpr std::string_view kRest = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.+-";
  return !text.empty() && text.size() <= 32 && text[0] >= '0' && text[0] <= '9' &&
         text.find_first_not_of(kRest) == std::string_view::npos;
}

Result<PackageManifest> parse_manifest(std::string_view text, const std::string& file, const ReadFile& read_file) {
  SAIN_ASSIGN_OR_RETURN(const toml::table table, parse_toml(text, file));
  PackageManifest manifest;
  manifest.files.emplace_back(kManifestName);
  const ReadFile read_beside = [&](const std::string& name) -> Result<std::string> {
    if (!is_file_name(name))
      return make_error(ErrorCode::kInvalidArgument, "expected the name of a file in the package, found \"{}\"", name);
    return read_file(name);
  };
  TomlReader root(table, file, "");
  read_member(root, file, "", read_beside, manifest.member);
  root.string("version", manifest.member.version, Presence::kRequired);
  root.string("boundaries", manifest.boundaries, Presence::kRequired);
  root.string("licence", manifest.licence, Presence::kRequired);
  check_member(root, table, manifest);
  read_metric(root, file, read_beside, manifest);
  SAIN_RETURN_IF_ERROR(root.finish());
  if (manifest.member.description.empty())
    return make_error(ErrorCode::kInvalidArgument, "{}: description: is missing", file);
  for (const std::string& name : manifest.files)
    if (!is_file_name(name))
      return make_error(ErrorCode::kInvalidArgument, "{}: expected the name of a file in the package, found \"{}\"",
                        file, name);
  return manifest;
}

Result<PackageManifest> load_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kManifestName;
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text_file(file));
  return parse_manifest(text, file.string(),
                        [&folder](const std::string& name) { return read_text_file(folder / name); });
}

}  // namespace sain::router
