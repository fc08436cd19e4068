#include "router/packages/store.h"

#include <fmt/ranges.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <system_error>

#include "engine/cache_dir.h"
#include "formats/atomic_file.h"
#include "router/catalog.h"
#include "router/folder_lock.h"
#include "router/packages/signature.h"
#include "router/text_file.h"

namespace sain::router {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kReportName = "report.toml";
constexpr std::string_view kStagingName = ".staging";

Error failure(const fs::path& path, const std::error_code& error) {
  return make_error(ErrorCode::kIo, "{}: {}", path.string(), error.message());
}

Status make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? Status(failure(path, error)) : Status();
}

Result<std::vector<fs::path>> subfolders(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  if (!fs::exists(folder, error)) return found;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory()) found.push_back(entry.path());
  if (error) return failure(folder, error);
  return found;
}

auto find_by_name(auto& packages, const std::string& name) {
  return std::ranges::find(packages, name, &PackageVersions::name);
}

/// A folder that goes with whoever made it, unless it is kept.
class Staging {
 public:
  explicit Staging(fs::path folder) : folder_(std::move(folder)) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

/// A package of nobody who is trusted is refused.
Status check_signature(const fs::path& source, const std::vector<fs::path>& trusted) {
  if (trusted.empty()) return {};
  SAIN_ASSIGN_OR_RETURN(const std::string signer, signed_by(source, trusted));
  if (!signer.empty()) return {};
  std::vector<std::string> names;
  for (const fs::path& key : trusted) names.push_back(key.stem().string());
  return make_error(ErrorCode::kUnsupported, "{}: expected a signature by {}, found none that is valid",
                    (source / kSignatureName).string(), fmt::join(names, " or "));
}

/// What the manifest names, from the checksums.
Result<Checksums> checksums_of(const PackageManifest& manifest, const fs::path& folder) {
  const fs::path file = folder / kChecksumsName;
  const auto text = read_text_file(file);
  if (!text) return make_error(text.error().code, "{}; `sain specialists seal` writes it", text.error().message);
  SAIN_ASSIGN_OR_RETURN(const Checksums all, parse_checksums(*text, file.string()));
  Checksums named;
  for (const std::string& name : manifest.files) {
    const auto found = all.find(name);
    if (found == all.end())
      return make_error(ErrorCode::kCorrupt, "{}: {} is a file of the package, and not in it", file.string(), name);
    named.insert(*found);
  }
  return named;
}

Result<InstalledPackage> load_folder(const fs::path& folder) {
  InstalledPackage package;
  package.folder = folder;
  SAIN_ASSIGN_OR_RETURN(package.manifest, load_manifest(folder));
  if (std::string& adapter = package.manifest.member.adapter; !adapter.empty()) adapter = (folder / adapter).string();
  std::string& model = package.manifest.member.model;
  if (package.manifest.has_own_model()) {
    model = (folder / model).string();
  } else {
    SAIN_ASSIGN_OR_RETURN(const fs::path path, resolve_model(model));
    model = path.string();
  }
  return package;
}

/// Refuses what does not fit on the disk: the files, and once more the model as the kernels want it.
Status check_room(const fs::path& folder, uint64_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error || space.available >= 2 * bytes) return {};  // if it is not known, the copy will tell
  return make_error(ErrorCode::kResourceExhausted, "{}: expected {} bytes of room on the disk, found {}",
                    folder.string(), 2 * bytes, space.available);
}

}  // namespace

Status check_files(const PackageManifest& manifest, const fs::path& folder, const CopyOptions& options) {
  SAIN_ASSIGN_OR_RETURN(const Checksums checksums, checksums_of(manifest, folder));
  for (const auto& [file, hash] : checksums) SAIN_RETURN_IF_ERROR(copy_checked(folder / file, {}, hash, options));
  return {};
}

PackageStore PackageStore::of_user() {
  return PackageStore(engine::data_dir() / "specialists");
}

Result<InstalledPackage> PackageStore::install(const fs::path& source, const InstallOptions& options) {
  SAIN_ASSIGN_OR_RETURN(const PackageManifest manifest, load_manifest(source));
  SAIN_ASSIGN_OR_RETURN(const Checksums checksums, checksums_of(manifest, source));
  if (!options.may_be_unsigned) {
    SAIN_ASSIGN_OR_RETURN(const std::vector<fs::path> trusted, trusted_keys());
    SAIN_RETURN_IF_ERROR(check_signature(source, trusted));
  }
  const std::string &name = manifest.member.name, &version = manifest.member.version;
  SAIN_RETURN_IF_ERROR(make_folder(folder_ / name));
  SAIN_ASSIGN_OR_RETURN(const FolderLock lock, FolderLock::take(folder_));

  const fs::path target = version_folder(name, version);
  if (std::error_code ignored; fs::exists(target, ignored)) {
    SAIN_ASSIGN_OR_RETURN(const PackageManifest there, load_manifest(target));
    SAIN_ASSIGN_OR_RETURN(const Checksums theirs, checksums_of(there, target));
    if (theirs != checksums)
      return make_error(ErrorCode::kInvalidArgument,
                        "{}: version {} of {} is installed with other files; a change needs a version of its own",
                        (source / kManifestName).string(), version, name);
    SAIN_RETURN_IF_ERROR(activate(name, version));
    return load(name, version);
  }

  uint64_t total = 0;
  for (const auto& [file, hash] : checksums) {
    std::error_code ignored;
    const auto size = fs::file_size(source / file, ignored);
    if (!ignored) total += size;
  }
  SAIN_RETURN_IF_ERROR(check_room(folder_, total));
  const Staging staging(folder_ / kStagingName);  // nobody else has one: that is what the lock is for
  std::error_code error;
  fs::remove_all(staging.folder(), error);  // of an installation that was killed
  SAIN_RETURN_IF_ERROR(make_folder(staging.folder()));
  uint64_t done = 0;
  const CopyOptions copy{.progress =
                             [&](uint64_t bytes) {
                               done += bytes;
                               if (options.progress) options.progress(done, total);
                             },
                         .stop = options.stop};
  for (const auto& [file, hash] : checksums)
    SAIN_RETURN_IF_ERROR(copy_checked(source / file, staging.folder() / file, hash, copy));
  SAIN_RETURN_IF_ERROR(formats::write_atomically(staging.folder() / kChecksumsName, to_text(checksums)));

  SAIN_ASSIGN_OR_RETURN(InstalledPackage package, load_folder(staging.folder()));
  if (const CatalogEntry* entry = find_catalog_entry(manifest.member.model))
    SAIN_RETURN_IF_ERROR(
        copy_checked(package.manifest.member.model, {}, std::string(entry->sha256), {.stop = options.stop}));
  SAIN_ASSIGN_OR_RETURN(const std::vector<PackageVersions> packages, list());
  std::optional<InstalledPackage> active;
  if (const auto found = find_by_name(packages, name); found != packages.end()) {
    auto loaded = load(name, found->active);
    if (loaded) active = *std::move(loaded);  // a damaged one has nothing to say about its successor
  }
  SAIN_ASSIGN_OR_RETURN(package.report, options.trial(package, active));
  SAIN_RETURN_IF_ERROR(formats::write_atomically(staging.folder() / kReportName, to_toml(package.report)));

  fs::rename(staging.folder(), target, error);
  if (error) return failure(target, error);
  SAIN_RETURN_IF_ERROR(activate(name, version));
  return load(name, version);
}

Result<std::string> PackageStore::roll_back(const std::string& name, const std::string& version) {
  const auto lock = FolderLock::take(folder_);
  if (!lock && lock.error().code != ErrorCode::kNotFound) return lock.error();  // without a store: below
  SAIN_ASSIGN_OR_RETURN(std::vector<PackageVersions> packages, list());
  const auto package = find_by_name(packages, name);
  if (package == packages.end()) return make_error(ErrorCode::kNotFound, "{} is not installed", name);
  if (version.empty() && package->before.empty())
    return make_error(ErrorCode::kNotFound, "{} {} is the only version that was ever active", name, package->active);
  const std::string wanted = version.empty() ? package->before.back() : version;
  if (std::error_code ignored; !is_package_version(wanted) || !fs::exists(version_folder(name, wanted), ignored))
    return make_error(ErrorCode::kNotFound, "{} {} is not installed", name, wanted);
  std::erase(package->before, wanted);
  package->active = wanted;
  SAIN_RETURN_IF_ERROR(save(packages));
  return wanted;
}

Status PackageStore::remove(const std::string& name, const std::string& version) {
  const auto lock = FolderLock::take(folder_);
  if (!lock && lock.error().code != ErrorCode::kNotFound) return lock.error();  // without a store: below
  SAIN_ASSIGN_OR_RETURN(std::vector<PackageVersions> packages, list());
  const auto package = find_by_name(packages, name);
  if (package == packages.end()) return make_error(ErrorCode::kNotFound, "{} is not installed", name);
  const fs::path gone = version.empty() ? folder_ / name : version_folder(name, version);
  if (std::error_code ignored; !version.empty() && (!is_package_version(version) || !fs::exists(gone, ignored)))
    return make_error(ErrorCode::kNotFound, "{} {} is not installed", name, version);
  if (version == package->active)
    return make_error(ErrorCode::kInvalidArgument,
                      "{} {} is active: roll back first, or remove the specialist with all versions", name, version);
  if (version.empty()) {
    packages.erase(package);
  } else {
    std::erase(package->before, version);
  }
  SAIN_RETURN_IF_ERROR(save(packages));
  std::error_code error;
  fs::remove_all(gone, error);
  return error ? Status(failure(gone, error)) : Status();
}

Result<std::vector<PackageVersions>> PackageStore::list() const {
  auto text = read_text_file(list_file());
  if (!text && text.error().code == ErrorCode::kNotFound) return std::vector<PackageVersions>();
  if (!text) return std::move(text).error();
  return parse_package_list(*text, list_file().string());
}

Result<std::vector<std::string>> PackageStore::versions(const std::string& name) const {
  SAIN_ASSIGN_OR_RETURN(const std::vector<fs::path> folders, subfolders(folder_ / name));
  std::vector<std::string> versions;
  for (const fs::path& folder : folders)
    if (is_package_version(folder.filename().string())) versions.push_back(folder.filename().string());
  std::ranges::sort(versions);
  return versions;
}

Result<InstalledPackage> PackageStore::load(const std::string& name, const std::string& version) const {
  const fs::path folder = version_folder(name, version);
  SAIN_ASSIGN_OR_RETURN(InstalledPackage package, load_folder(folder));
  const fs::path file = folder / kReportName;
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text_file(file));
  SAIN_ASSIGN_OR_RETURN(package.report, parse_package_report(text, file.string()));
  return package;
}

Status PackageStore::verify(const std::string& name, const std::string& version, const CopyOptions& options) const {
  const fs::path folder = version_folder(name, version);
  SAIN_ASSIGN_OR_RETURN(const PackageManifest manifest, load_manifest(folder));
  return check_files(manifest, folder, options);
}

Result<std::vector<fs::path>> PackageStore::trusted_keys() const {
  std::vector<fs::path> keys;
  std::error_code error;
  if (!fs::exists(trusted_folder(), error)) return keys;
  for (const auto& entry : fs::directory_iterator(trusted_folder(), error))
    if (entry.path().extension() == ".pub") keys.push_back(entry.path());
  if (error) return failure(trusted_folder(), error);
  std::ranges::sort(keys);
  return keys;
}

Status PackageStore::trust(const fs::path& public_key) {
  SAIN_ASSIGN_OR_RETURN(const std::string key, read_public_key(public_key));
  SAIN_RETURN_IF_ERROR(make_folder(trusted_folder()));
  return formats::write_atomically(trusted_folder() / (public_key.stem().string() + ".pub"), key);
}

Status PackageStore::distrust(const std::string& name) {
  SAIN_ASSIGN_OR_RETURN(const std::vector<fs::path> keys, trusted_keys());
  const auto key = std::ranges::find(keys, name, [](const fs::path& path) { return path.stem().string(); });
  if (key == keys.end()) return make_error(ErrorCode::kNotFound, "no key of {} is trusted", name);
  std::error_code error;
  fs::remove(*key, error);
  return error ? Status(failure(*key, error)) : Status();
}

uint64_t PackageStore::stamp() const {
  struct stat status;
  if (::stat(list_file().c_str(), &status) != 0) return 0;
  // Each change makes a new file, and the same time may see two of them.
  const uint64_t parts[] = {status.st_ino, static_cast<uint64_t>(status.st_mtim.tv_sec),
                            static_cast<uint64_t>(status.st_mtim.tv_nsec)};
  return XXH3_64bits(parts, sizeof parts);
}

Status PackageStore::save(const std::vector<PackageVersions>& packages) const {
  return formats::write_atomically(list_file(), to_toml(packages));
}

Status PackageStore::activate(const std::string& name, const std::string& version) const {
  SAIN_ASSIGN_OR_RETURN(std::vector<PackageVersions> packages, list());
  const auto found = find_by_name(packages, name);
  if (found == packages.end()) {
    packages.push_back({name, version});
  } else if (found->active != version) {
    std::erase(found->before, version);
    found->before.push_back(std::exchange(found->active, version));
  }
  return save(packages);
}

}  // namespace sain::router
