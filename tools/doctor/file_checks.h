// What lies on the disk: the configuration, the models that it names, and the cache.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <vector>

#include "formats/result.h"
#include "router/catalog.h"
#include "router/config.h"
#include "tools/doctor/check.h"

namespace sain::tools {

/// The configuration itself, then a check for each model and each service that it names. `models_bytes` becomes what
/// their files have together. Without the assistant's model nothing works; without a specialist's the assistant
/// answers.
std::vector<Check> check_configuration(const Result<router::Config>& config, uint64_t& models_bytes);

/// Whether the cache folder can be written to, and has room.
Check check_disk(const std::filesystem::path& cache);

/// A check for each model of the catalogue that is in the cache, and one for those that are not.
std::vector<Check> check_catalogue();

/// The same, with the hashes of the files: some seconds for each GB. Errors: kCancelled.
using VerifyListener = std::function<void(const router::CatalogEntry& entry, uint64_t n_bytes_done)>;
Result<std::vector<Check>> verify_catalogue(const VerifyListener& on_progress, std::stop_token stop);

/// Whether the conversations of the server's page can be read, all of them.
Check check_conversations(const std::filesystem::path& file);

/// Whether programs can say how they are; see router/monitoring/status_server.h.
Check check_status_folder(const std::filesystem::path& folder);

enum class CacheCare { kLook, kClean };

/// Files in the cache that this version cannot read, and what programs that died have left: kClean removes them. All
/// of it can be made again.
Check check_cache(const std::filesystem::path& cache, CacheCare care);

}  // namespace sain::tools
