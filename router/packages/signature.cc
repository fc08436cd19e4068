#include "router/packages/signature.h"

#include <sodium.h>

#include <array>
#include <optional>
#include <span>
#include <system_error>

#include "formats/atomic_file.h"
#include "router/packages/checksums.h"
#include "router/text_file.h"

namespace sain::router {
namespace {

namespace fs = std::filesystem;
using PublicKey = std::array<unsigned char, crypto_sign_PUBLICKEYBYTES>;
using SecretKey = std::array<unsigned char, crypto_sign_SECRETKEYBYTES>;
using Signature = std::array<unsigned char, crypto_sign_BYTES>;

template <size_t n>
std::string to_hex(const std::array<unsigned char, n>& bytes) {
  std::string hex(2 * n + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), n);
  hex.back() = '\n';
  return hex;
}

/// As many bytes as Bytes has, in hexadecimal, and white space around them.
template <class Bytes>
Result<Bytes> read_hex(const fs::path& file, std::string_view what) {
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text_file(file));
  Bytes bytes;
  size_t n = 0;
  const int status = sodium_hex2bin(bytes.data(), bytes.size(), text.data(), text.size(), " \t\r\n", &n, nullptr);
  if (status != 0 || n != bytes.size())
    return make_error(ErrorCode::kInvalidArgument, "{}: expected {}, {} hexadecimal digits", file.string(), what,
                      2 * bytes.size());
  return bytes;
}

Status write_new(const fs::path& file, const std::string& text, formats::FileAccess access) {
  if (std::error_code ignored; fs::exists(file, ignored))
    return make_error(ErrorCode::kInvalidArgument, "{}: is there already", file.string());
  return formats::write_atomically(file, text, access);
}

}  // namespace

Status make_signing_key(const fs::path& stem) {
  const fs::path public_file = stem.string() + ".pub";
  if (std::error_code ignored; fs::exists(public_file, ignored))
    return make_error(ErrorCode::kInvalidArgument, "{}: is there already", public_file.string());
  PublicKey public_key;
  SecretKey secret_key;
  if (sodium_init() < 0) return make_error(ErrorCode::kInternal, "libsodium cannot be used on this machine");
  crypto_sign_keypair(public_key.data(), secret_key.data());
  std::string secret_text = to_hex(secret_key);
  const Status written = write_new(stem.string() + ".key", secret_text, formats::FileAccess::kOwnerOnly);
  sodium_memzero(secret_key.data(), secret_key.size());
  sodium_memzero(secret_text.data(), secret_text.size());
  SAIN_RETURN_IF_ERROR(written);
  return write_new(public_file, to_hex(public_key), formats::FileAccess::kDefault);
}

Status sign_package(const fs::path& folder, const fs::path& key_file) {
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text_file(folder / kChecksumsName));
  SAIN_ASSIGN_OR_RETURN(SecretKey key, read_hex<SecretKey>(key_file, "a signing key"));
  Signature signature;
  crypto_sign_detached(signature.data(), nullptr, reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       key.data());
  sodium_memzero(key.data(), key.size());
  return formats::write_atomically(folder / kSignatureName, to_hex(signature));
}

Result<std::string> read_public_key(const fs::path& file) {
  SAIN_ASSIGN_OR_RETURN(const PublicKey key, read_hex<PublicKey>(file, "a public key"));
  return to_hex(key);
}

Result<std::string> signed_by(const fs::path& folder, const std::vector<fs::path>& public_keys) {
  std::error_code ignored;
  if (!fs::exists(folder / kSignatureName, ignored)) return std::string();
  SAIN_ASSIGN_OR_RETURN(const Signature signature, read_hex<Signature>(folder / kSignatureName, "a signature"));
  SAIN_ASSIGN_OR_RETURN(const std::string text, read_text_file(folder / kChecksumsName));
  for (const fs::path& file : public_keys) {
    SAIN_ASSIGN_OR_RETURN(const PublicKey key, read_hex<PublicKey>(file, "a public key"));
    if (crypto_sign_verify_detached(signature.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                    key.data()) == 0)
      return file.stem().string();
  }
  return std::string();
}

}  // namespace sain::router
