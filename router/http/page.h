// The web page that is built into the program: the files of router/http/page/.
#pragma once

#include <span>
#include <string_view>

#include "router/http/http_message.h"

namespace sain::router {

struct PageFile {
  std::string_view name;  // "app.js"
  std::string_view text;
};

/// All of them.
std::span<const PageFile> page_files();

/// "/" is index.html, "/page/NAME" the others. They may load nothing from elsewhere, run nothing that is not of the
/// page, and be shown in no frame. Another path is a 404.
void answer_page(std::string_view path, ResponseWriter& writer);

}  // namespace sain::router
