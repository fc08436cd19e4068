#include "router/http/page.h"

#include <array>
#include <string>
#include <utility>

#include "router/http/api_error.h"

namespace sain::router {
namespace {

constexpr std::array<std::pair<std::string_view, const char*>, 4> kTypes = {{{".html", "text/html; charset=utf-8"},
                                                                             {".css", "text/css; charset=utf-8"},
                                                                             {".js", "text/javascript; charset=utf-8"},
                                                                             {".svg", "image/svg+xml"}}};

constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

std::string content_type(std::string_view name) {
  for (const auto& [ending, type] : kTypes)
    if (name.ends_with(ending)) return type;
  return "application/octet-stream";
}

}  // namespace

void answer_page(std::string_view path, ResponseWriter& writer) {
  constexpr std::string_view kFolder = "/page/";
  const std::string_view name = path == "/" ? "index.html" : path.substr(kFolder.size());
  for (const PageFile& file : page_files()) {
    if (file.name != name) continue;
    return writer.send({.content_type = content_type(name),
                        .body = std::string(file.text),
                        .headers = {{"Content-Security-Policy", kPolicy},
                                    {"X-Content-Type-Options", "nosniff"},
                                    {"Referrer-Policy", "no-referrer"},
                                    {"Cross-Origin-Opener-Policy", "same-origin"},
                                    {"Cache-Control", "no-cache"}}});
  }
  writer.send(error_response({404, fmt::format("there is no {}", path)}));
}

}  // namespace sain::router
