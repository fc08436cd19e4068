// The specialists that are installed, and their versions. README.md shows the folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/packages/checksums.h"
#include "router/packages/manifest.h"

namespace sain::router {

/// What was found when a package was tried before it was installed.
struct PackageReport {
  uint64_t memory_bytes = 0;  // by which the process grew: weights, KV cache and all
  uint64_t kv_bytes = 0;      // of that
  double load_ms = 0;
  double first_token_ms = 0;
  double decode_tps = 0;  // tokens a second
  double score = 0;       // of the metric
  double standard_error = 0;
  std::optional<double> assistant_score = {};  // of the same questions, where the assistant was asked too
};

struct InstalledPackage {
  PackageManifest manifest;  // member.model is a path
  std::filesystem::path folder;
  PackageReport report;
};

/// One specialist. `before` are the versions that were active before, the last one last; others may be installed too.
struct PackageVersions {
  std::string name;
  std::string active;
  std::vector<std::string> before = {};
};

/// Finds out what a package needs and is worth; an error refuses it. `active` is the version that it would replace.
using PackageTrial = std::function<Result<PackageReport>(const InstalledPackage& package,
                                                         const std::optional<InstalledPackage>& active)>;

struct InstallOptions {
  PackageTrial trial;
  bool may_be_unsigned = false;                                      // even where keys are trusted
  std::function<void(uint64_t done, uint64_t total)> progress = {};  // of the bytes to copy
  std::stop_token stop = {};
};

/// Several processes may use one: changes take a lock, and appear at once or not at all, even across a power cut; who
/// only reads needs none. A process that has a version in memory goes on with it whatever happens here.
class PackageStore {
 public:
  explicit PackageStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// data_dir()/specialists.
  static PackageStore of_user();

  /// Checks the package in the folder `source` against its SHA256SUMS while it copies it, and where keys are trusted
  /// that against its signature; tries it, and makes it the active version of its specialist. Leaves nothing behind
  /// after an error. The same version again, with the same files, only becomes active. Errors: those of load_manifest,
  /// copy_checked and the trial; kInvalidArgument (the version is there with other files), kUnsupported (nobody has
  /// signed it who is trusted), kResourceExhausted (no room on the disk), kIo.
  Result<InstalledPackage> install(const std::filesystem::path& source, const InstallOptions& options);

  /// Makes `version` active, which is installed; if empty the one that was active before. Returns it.
  /// Errors: kNotFound, kIo.
  Result<std::string> roll_back(const std::string& name, const std::string& version);

  /// Deletes a version that is not active, or if `version` is empty the specialist. Errors: kNotFound, kInvalidArgument
  /// (the version is active), kIo.
  Status remove(const std::string& name, const std::string& version);

  /// What is installed; nothing where there is no store. Errors: kIo, kCorrupt, kInvalidArgument (its file is damaged).
  Result<std::vector<PackageVersions>> list() const;

  /// By name of the specialist; in no particular order. Errors: kIo.
  Result<std::vector<std::string>> versions(const std::string& name) const;

  /// Errors: those of load_manifest; kNotFound (a model of the catalogue that is not here).
  Result<InstalledPackage> load(const std::string& name, const std::string& version) const;

  /// Compares a version's files with its SHA256SUMS. Errors: those of load_manifest() and check_files().
  Status verify(const std::string& name, const std::string& version, const CopyOptions& options) const;

  /// Keys of those whose packages are installed; while there are none, everybody's are. Their names are those of their
  /// files. Errors: kIo; kInvalidArgument (not a public key); kNotFound (nobody of that name is trusted).
  Result<std::vector<std::filesystem::path>> trusted_keys() const;
  Status trust(const std::filesystem::path& public_key);
  Status distrust(const std::string& name);

  /// Another one after each change of what list() gives. Cheap: for whoever looks again and again.
  uint64_t stamp() const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path version_folder(const std::string& name, const std::string& version) const {
    return folder_ / name / version;
  }
  std::filesystem::path trusted_folder() const { return folder_ / ".trusted"; }
  std::filesystem::path list_file() const { return folder_ / "installed.toml"; }
  Status save(const std::vector<PackageVersions>& packages) const;
  Status activate(const std::string& name, const std::string& version) const;

  std::filesystem::path folder_;
};

/// Compares the files of a package in `folder` with its SHA256SUMS. Errors: those of copy_checked(); kCorrupt (a file
/// of the manifest is not in it).
Status check_files(const PackageManifest& manifest, const std::filesystem::path& folder, const CopyOptions& options);

/// The list of a store as it is kept, and back. Errors: kInvalidArgument naming file, line and key.
std::string to_toml(const std::vector<PackageVersions>& packages);
Result<std::vector<PackageVersions>> parse_package_list(std::string_view text, const std::string& file);

/// A report likewise.
std::string to_toml(const PackageReport& report);
Result<PackageReport> parse_package_report(std::string_view text, const std::string& file);

}  // namespace sain::router
