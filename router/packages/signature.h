// Who made a package: an Ed25519 signature (RFC 8032, by libsodium) of its SHA256SUMS, and so of all its files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/result.h"

namespace sain::router {

inline constexpr std::string_view kSignatureName = "SHA256SUMS.sig";

/// Makes a key: `<stem>.key`, which its owner alone can read and which signs, and `<stem>.pub`, which others trust.
/// Errors: kInvalidArgument (one of them is there already), kIo.
Status make_signing_key(const std::filesystem::path& stem);

/// Writes SHA256SUMS.sig into the package's folder. Errors: kNotFound, kIo, kInvalidArgument (not a key).
Status sign_package(const std::filesystem::path& folder, const std::filesystem::path& key_file);

/// Which of the public keys has signed the package; empty if none has, or it has no signature.
/// Errors: kInvalidArgument (not a public key), kIo.
Result<std::string> signed_by(const std::filesystem::path& folder,
                              const std::vector<std::filesystem::path>& public_keys);

/// A public key, checked, as it stands in its file. Errors as signed_by().
Result<std::string> read_public_key(const std::filesystem::path& file);

}  // namespace sain::router
