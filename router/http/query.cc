#include "router/http/query.h"

#include <algorithm>
#include <charconv>

#include "formats/utf8.h"

namespace sain::router {
namespace {

std::optional<std::string> decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] == '%') {
      unsigned char byte = 0;
      const char* digits = text.data() + i + 1;
      if (text.size() - i < 3 || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return std::nullopt;
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  if (formats::valid_utf8_prefix(decoded) != decoded.size()) return std::nullopt;
  return decoded;
}

}  // namespace

Result<std::optional<std::string>> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(parameter.size() + 1, query.size()));
    if (!parameter.starts_with(name)) continue;
    const std::string_view rest = parameter.substr(name.size());
    if (!rest.empty() && rest.front() != '=') continue;
    auto value = decode(rest.substr(rest.empty() ? 0 : 1));
    if (!value) return make_error(ErrorCode::kInvalidArgument, "{}: expected UTF-8 that is encoded for a URL", name);
    return value;
  }
  return std::optional<std::string>();
}

}  // namespace sain::router
