// SHA-256 of bytes and files (FIPS 180-4, by libsodium).
#pragma once

#include <sodium/crypto_hash_sha256.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "formats/result.h"

namespace sain::formats {

/// Hashes a stream of bytes: update() any number of times, then hex() once.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  std::string hex();  // 64 lower-case digits

 private:
  crypto_hash_sha256_state state_;
};

std::string sha256_hex(std::span<const std::byte> bytes);

/// Of the whole file, read a piece at a time. Errors: kNotFound, kIo.
Result<std::string> sha256_of_file(const std::filesystem::path& path);

}  // namespace sain::formats
