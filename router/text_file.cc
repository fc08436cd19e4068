#include "router/text_file.h"

#include <fstream>
#include <iterator>
#include <system_error>

namespace sain::router {

Result<std::string> read_text_file(const std::filesystem::path& path) {
  constexpr uint64_t kMaxBytes = uint64_t{4} << 20;
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return make_error(ErrorCode::kNotFound, "{}: there is no such file", path.string());
  if (!std::filesystem::is_regular_file(path, error))
    return make_error(ErrorCode::kIo, "{}: expected a file", path.string());
  if (const uint64_t size = std::filesystem::file_size(path, error); !error && size > kMaxBytes)
    return make_error(ErrorCode::kInvalidArgument, "{}: expected at most {} bytes, found {}", path.string(), kMaxBytes,
                      size);
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in || in.bad()) return make_error(ErrorCode::kIo, "{}: cannot be read", path.string());
  return text;
}

}  // namespace sain::router
