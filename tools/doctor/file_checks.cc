#include "tools/doctor/file_checks.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <system_error>

#include "engine/prefix_file.h"
#include "engine/tuning_file.h"
#include "formats/gguf.h"
#include "router/conversations/conversation_store.h"
#include "router/monitoring/status_server.h"
#include "router/route_head.h"
#include "router/routed_chat.h"
#include "router/transitions.h"
#include "tools/models/fetch.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLittleRoom = uint64_t{2} << 30;  // snapshots, 1 GiB at most, and packed weights of a small model

Check check_model(const router::Config& config, const std::string& model, const std::vector<std::string>& users,
                  Verdict without, uint64_t& models_bytes) {
  const std::string name = fmt::format("model of {}", fmt::join(users, ", "));
  const auto path = router::find_model_file(config, model);
  if (!path) return {name, without, path.error().message, "fetch it, or name another one in the configuration"};
  const auto file = formats::GgufFile::open(*path);
  if (!file) return {name, without, file.error().message, "`sain models verify` says whether it is damaged"};
  models_bytes += file->file_bytes();
  return {name, Verdict::kOk, fmt::format("{}, {}", path->string(), format_bytes(file->file_bytes()))};
}

/// Nobody is asked: that would leave the machine.
Check check_cloud(const router::MemberConfig& member) {
  const std::string& variable = member.cloud->key_variable;
  const std::string name = fmt::format("cloud of {}", member.name);
  if (variable.empty() || std::getenv(variable.c_str())) return {name, Verdict::kOk, member.cloud->url};
  return {name, Verdict::kWarn, fmt::format("{}: the key is missing, {} is not set", member.cloud->url, variable),
          "set it before `sain chat`"};
}

/// A model that is there; `whole`: what its comparison with the catalogue has said.
Check check_cached(const router::CatalogEntry& entry, const Status& whole, std::string_view how) {
  const std::string name = fmt::format("cached {}", entry.name);
  if (whole) return {name, Verdict::kOk, fmt::format("{}, {}", format_bytes(entry.bytes), how)};
  return {name, Verdict::kFail, whole.error().message, fmt::format("`sain models fetch {}` replaces it", entry.name)};
}

using Compare = std::function<Status(const router::CatalogEntry& entry, const fs::path& file)>;

std::vector<Check> check_each(const Compare& compare, std::string_view how) {
  std::vector<Check> checks;
  std::vector<std::string_view> missing;
  std::error_code ignored;
  for (const router::CatalogEntry& entry : router::catalog()) {
    const fs::path path = router::cached_model_path(entry);
    if (fs::exists(path, ignored)) {
      checks.push_back(check_cached(entry, compare(entry, path), how));
    } else {
      missing.push_back(entry.name);
    }
  }
  if (!missing.empty()) {
    checks.push_back({"catalogue", Verdict::kOk, fmt::format("not in the cache: {}", fmt::join(missing, ", ")),
                      "`sain models fetch NAME` brings one"});
  }
  return checks;
}

/// Why a file of the cache is of no use to this version; nothing wrong with one that it does not know.
Status readable(const fs::path& path) {
  const std::string folder = path.parent_path().filename().string();
  if (folder == "prefixes") {
    SAIN_ASSIGN_OR_RETURN(const formats::GgufFile file, formats::GgufFile::open(path));
    if (const auto header = engine::read_prefix_header(file); !header) return header.error();
  } else if (path.extension() == ".head") {
    const auto head = router::RouteHead::load(path, {});
    if (!head && head.error().code != ErrorCode::kInvalidArgument) return head.error();  // trained for something else
  } else if (path.extension() == ".packed") {
    if (const auto file = formats::GgufFile::open(path); !file) return file.error();
    std::error_code ignored;
    if (folder == "models" && !fs::exists(fs::path(path).replace_extension(), ignored)) {
      return make_error(ErrorCode::kNotFound, "{}: its model is gone", path.string());
    }
  } else if (path.filename() == "transitions.toml") {
    return router::Transitions().load(path);
  } else if (path.filename() == "tuning.json") {
    if (const auto tuning = engine::read_tuning(path, engine::identify_machine()); !tuning) return tuning.error();
  }
  return {};
}

bool is_left_over(const fs::directory_entry& file) {
  std::error_code error;
  const auto age = fs::file_time_type::clock::now() - file.last_write_time(error);
  return file.path().filename().string().starts_with(".sain-") && !error && age > std::chrono::hours(1);
}

Status half_a_file(const fs::path& path) {
  return make_error(ErrorCode::kCorrupt, "{}: half a file that a program has left", path.string());
}

}  // namespace

std::vector<Check> check_configuration(const Result<router::Config>& config, uint64_t& models_bytes) {
  if (!config) return {{"configuration", Verdict::kFail, config.error().message, "mend that line"}};
  std::vector<Check> checks = {
      {"configuration", Verdict::kOk,
       fmt::format("{}: {} and {} specialists", config->file, config->assistant.name, config->specialists.size())}};
  const std::string& main_model = config->assistant.model;
  std::vector<std::string> main_users = {"the assistant"};
  std::map<std::string, std::vector<std::string>> users;
  for (const router::MemberConfig& member : config->specialists) {
    if (member.cloud) {
      checks.push_back(check_cloud(member));
      continue;
    }
    (member.model == main_model ? main_users : users[member.model]).push_back(member.name);
  }
  if (!config->routing.encoder.empty()) users[config->routing.encoder].push_back("the router");
  checks.push_back(check_model(*config, main_model, main_users, Verdict::kFail, models_bytes));
  for (const auto& [model, names] : users) {
    if (model != main_model) checks.push_back(check_model(*config, model, names, Verdict::kWarn, models_bytes));
  }
  return checks;
}

Check check_disk(const fs::path& cache) {
  fs::path existing = fs::absolute(cache);
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  if (access(existing.c_str(), W_OK | X_OK) != 0) {
    return {"disk", Verdict::kFail, fmt::format("{}: {}", existing.string(), std::strerror(errno)),
            "make it writable, or set SAIN_CACHE to a folder that is"};
  }
  const uint64_t free = fs::space(existing, error).available;
  if (error) return {"disk", Verdict::kFail, fmt::format("{}: {}", existing.string(), error.message())};
  Check check{"disk", Verdict::kOk, fmt::format("{} are free for {}", format_bytes(free), cache.string())};
  if (free < kLittleRoom) {
    check.verdict = Verdict::kWarn;
    check.advice = "make room, or set SAIN_CACHE to a folder on another disk";
  }
  return check;
}

std::vector<Check> check_catalogue() {
  const auto compare = [](const router::CatalogEntry& entry, const fs::path& file) -> Status {
    std::error_code error;
    const uint64_t bytes = fs::file_size(file, error);
    if (!error && bytes == entry.bytes) return {};
    return make_error(ErrorCode::kCorrupt, "{}: expected {} bytes, found {}", file.string(), entry.bytes,
                      error ? error.message() : std::to_string(bytes));
  };
  return check_each(compare, "of the right size");
}

Result<std::vector<Check>> verify_catalogue(const VerifyListener& on_progress, std::stop_token stop) {
  const auto compare = [&](const router::CatalogEntry& entry, const fs::path& file) {
    return verify_model(
        entry, file, [&](const FetchProgress& progress) { on_progress(entry, progress.bytes); }, stop);
  };
  std::vector<Check> checks = check_each(compare, "SHA-256 as expected");
  if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "comparing the models was stopped");
  return checks;
}

Check check_conversations(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return {"conversations", Verdict::kOk, "none are kept"};
  auto store = router::ConversationStore::open(file);
  const Status whole = store ? (*store)->check() : Status(store.error());
  if (whole) return {"conversations", Verdict::kOk, fmt::format("{} is whole", file.string())};
  return {"conversations", Verdict::kFail, whole.error().message,
          "move it away, with what has its name and -wal or -shm after it: a new one is made"};
}

Check check_status_folder(const fs::path& folder) {
  if (const Status status = router::prepare_status_folder(folder); !status) {
    return {"status", Verdict::kWarn, status.error().message,
            "mend it, or set XDG_RUNTIME_DIR: without it `sain status` sees nothing"};
  }
  return {
      "status", Verdict::kOk,
      fmt::format("{} is ours alone; programs running: {}", folder.string(), router::running_programs(folder).size())};
}

Check check_cache(const fs::path& cache, CacheCare care) {
  std::vector<fs::path> useless;
  std::string first;
  uint64_t n_files = 0, bytes = 0, useless_bytes = 0;
  std::error_code error;
  for (auto file = fs::recursive_directory_iterator(cache, error); file != fs::recursive_directory_iterator();
       file.increment(error)) {
    if (error || !file->is_regular_file(error)) continue;
    const uint64_t size = file->file_size(error);
    ++n_files;
    bytes += size;
    const Status status = is_left_over(*file) ? half_a_file(file->path()) : readable(file->path());
    if (status) continue;
    if (useless.empty()) first = status.error().message;
    useless.push_back(file->path());
    useless_bytes += size;
  }
  if (useless.empty()) {
    return {"cache", Verdict::kOk, fmt::format("{} files, {}, all of use", n_files, format_bytes(bytes))};
  }
  Check check{"cache", Verdict::kWarn,
              fmt::format("{} of {} files are of no use to this version and take {}: {}", useless.size(), n_files,
                          format_bytes(useless_bytes), first),
              "`sain doctor --clean` removes them"};
  if (care == CacheCare::kLook) return check;
  const auto removed =
      std::ranges::count_if(useless, [&error](const fs::path& path) { return fs::remove(path, error); });
  if (static_cast<size_t>(removed) < useless.size()) {
    check.advice =
        fmt::format("{} of them could not be removed: make {} writable", useless.size() - removed, cache.string());
    return check;
  }
  return {"cache", Verdict::kOk,
          fmt::format("{} files of no use, {}, are removed", removed, format_bytes(useless_bytes))};
}

}  // namespace sain::tools
