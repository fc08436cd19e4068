// Small text files: configurations, manifests, questions.
#pragma once

#include <filesystem>
#include <string>

#include "formats/result.h"

namespace sain::router {

/// The whole content. Errors: kNotFound, kIo (naming the file), kInvalidArgument (more than 4 MiB).
Result<std::string> read_text_file(const std::filesystem::path& path);

}  // namespace sain::router
