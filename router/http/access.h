// Who may ask: pages of this server and programs of this machine, and where there are keys those who have one.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/result.h"
#include "router/http/api_error.h"
#include "router/http/http_message.h"

namespace sain::router {

/// Keys that clients may have. Only their hashes (BLAKE2b, 256 bits) are kept.
class ApiKeys {
 public:
  /// None: everybody may ask.
  ApiKeys() = default;

  /// A key a line, at least 16 bytes each, or "blake2b:" and its hash in hexadecimal digits. Empty lines, and those
  /// that begin with #, are comments. Errors: kInvalidArgument naming file and line; there is none at all.
  static Result<ApiKeys> parse(std::string_view text, const std::string& file);
  static Result<ApiKeys> load(const std::filesystem::path& file);  // errors also: those of read_text_file()

  bool empty() const { return hashes_.empty(); }
  size_t size() const { return hashes_.size(); }
  /// Which of them `key` is, counted from 0. Takes as long whatever the key.
  std::optional<size_t> find(std::string_view key) const;

 private:
  using Hash = std::array<unsigned char, 32>;
  std::vector<Hash> hashes_;
};

struct AccessOptions {
  std::vector<std::string> hosts = {};    // by which the server may be called, beside localhost; without ports
  std::vector<std::string> origins = {};  // of pages elsewhere that may ask, "https://example.org"; "*": any
  ApiKeys keys = {};
};

/// A web page that a user opens must not be able to ask in their name: a name that somebody has pointed at this machine
/// gives itself away by Host (DNS rebinding), a page elsewhere by Origin. Either is 403; a key that is missing or wrong
/// is 401. Pages of this server itself may ask, and programs, which send no Origin.
std::optional<ApiError> check_host_and_origin(const HttpRequest& request, const AccessOptions& options);
/// `client`: which of the keys it has, 0 where there are none.
std::optional<ApiError> check_key(const HttpRequest& request, const ApiKeys& keys, size_t& client);

/// Headers that let a page elsewhere see the answer; none where that may not be.
std::vector<std::pair<std::string, std::string>> cors_headers(const HttpRequest& request, const AccessOptions& options);

}  // namespace sain::router
