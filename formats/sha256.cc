#include "formats/sha256.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <memory>
#include <system_error>
#include <vector>

namespace sain::formats {
namespace {

constexpr size_t kPieceBytes = 1 << 20;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

Sha256::Sha256() {
  crypto_hash_sha256_init(&state_);
}

void Sha256::update(std::span<const std::byte> bytes) {
  crypto_hash_sha256_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::string Sha256::hex() {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256_final(&state_, digest.data());
  std::string text;
  for (const unsigned char byte : digest) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

Result<std::string> sha256_of_file(const std::filesystem::path& path) {
  const auto failure = [&](const char* action) {
    const int number = errno;
    return make_error(number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "{}: cannot {}: {}", path.string(),
                      action, std::generic_category().message(number));
  };
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (!file) return failure("open");
  Sha256 hash;
  std::vector<std::byte> piece(kPieceBytes);
  while (const size_t n = std::fread(piece.data(), 1, piece.size(), file.get())) {
    hash.update(std::span(piece).first(n));
  }
  if (std::ferror(file.get())) return failure("read");
  return hash.hex();
}

}  // namespace sain::formats
