#include "router/http/access.h"

#include <sodium.h>

#include <algorithm>
#include <utility>

#include "router/text_file.h"

namespace sain::router {
namespace {

constexpr std::string_view kHashed = "blake2b:";
constexpr size_t kLeastKeyBytes = 16;

/// "[::1]:8080" without the port.
std::string_view host_name(std::string_view host) {
  const size_t bracket = host.find(']');
  return host.substr(0, host.find(':', bracket == std::string_view::npos ? 0 : bracket));
}

bool is_allowed_host(std::string_view host, const AccessOptions& options) {
  constexpr std::array<std::string_view, 3> kThisMachine = {"localhost", "127.0.0.1", "[::1]"};
  const std::string_view name = host_name(host);
  return std::ranges::find(kThisMachine, name) != kThisMachine.end() ||
         std::ranges::find(options.hosts, name) != options.hosts.end();
}

bool is_allowed_origin(std::string_view origin, const AccessOptions& options) {
  return std::ranges::find(options.origins, origin) != options.origins.end() ||
         std::ranges::find(options.origins, "*") != options.origins.end();
}

bool is_own_page(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (origin.starts_with(scheme) && origin.substr(scheme.size()) == host) return true;
  return false;
}

}  // namespace

Result<ApiKeys> ApiKeys::parse(std::string_view text, const std::string& file) {
  if (sodium_init() < 0) return make_error(ErrorCode::kInternal, "libsodium cannot be used on this machine");
  ApiKeys keys;
  for (size_t begin = 0, n_line = 1; begin < text.size(); ++n_line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    Hash hash;
    if (line.starts_with(kHashed)) {
      line.remove_prefix(kHashed.size());
      size_t n = 0;
      const char* rest = nullptr;
      if (sodium_hex2bin(hash.data(), hash.size(), line.data(), line.size(), nullptr, &n, &rest) != 0 ||
          n != hash.size() || rest != line.data() + line.size())
        return make_error(ErrorCode::kInvalidArgument, "{}:{}: expected {} hexadecimal digits after {}", file, n_line,
                          2 * hash.size(), kHashed);
    } else if (line.size() < kLeastKeyBytes) {
      return make_error(ErrorCode::kInvalidArgument, "{}:{}: expected a key of at least {} bytes, found {}", file,
                        n_line, kLeastKeyBytes, line.size());
    } else {
      crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(line.data()), line.size(),
                         nullptr, 0);
    }
    keys.hashes_.push_back(hash);
  }
  if (keys.empty()) return make_error(ErrorCode::kInvalidArgument, "{}: expected a key at least", file);
  return keys;
}

Result<ApiKeys> ApiKeys::load(const std::filesystem::path& file) {
  SAIN_ASSIGN_OR_RETURN(std::string text, read_text_file(file));
  auto keys = parse(text, file.string());
  sodium_memzero(text.data(), text.size());
  return keys;
}

std::optional<size_t> ApiKeys::find(std::string_view key) const {
  Hash hash;
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), nullptr,
                     0);
  std::optional<size_t> found;
  for (size_t i = 0; i < hashes_.size(); ++i)
    if (sodium_memcmp(hash.data(), hashes_[i].data(), hash.size()) == 0) found = i;
  return found;
}

std::optional<ApiError> check_host_and_origin(const HttpRequest& request, const AccessOptions& options) {
  const std::string_view host = request.header("host"), origin = request.header("origin");
  if (!is_allowed_host(host, options))
    return ApiError{403, fmt::format("Host: {} is no name of this server (--allow-host adds one)", host)};
  if (!origin.empty() && !is_own_page(origin, host) && !is_allowed_origin(origin, options))
    return ApiError{403, fmt::format("Origin: pages of {} may not ask here (--allow-origin lets them)", origin)};
  return std::nullopt;
}

std::optional<ApiError> check_key(const HttpRequest& request, const ApiKeys& keys, size_t& client) {
  client = 0;
  if (keys.empty()) return std::nullopt;
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view key = request.header("authorization");
  if (key.starts_with(kBearer)) {
    key.remove_prefix(kBearer.size());
  } else {
    key = request.header("x-api-key");
  }
  if (key.empty()) return ApiError{401, "an API key is needed: Authorization: Bearer KEY"};
  const auto found = keys.find(key);
  if (!found) return ApiError{401, "this API key is not known", {}, "invalid_api_key"};
  client = *found;
  return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> cors_headers(const HttpRequest& request,
                                                              const AccessOptions& options) {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !is_allowed_origin(origin, options)) return {};
  return {{"Access-Control-Allow-Origin", std::string(origin)},
          {"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"},
          {"Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key, Anthropic-Version"},
          {"Access-Control-Max-Age", "600"},
          {"Vary", "Origin"}};
}

}  // namespace sain::router
