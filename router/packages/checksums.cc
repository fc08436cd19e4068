#include "router/packages/checksums.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <span>
#include <system_error>

#include "formats/atomic_file.h"
#include "formats/sha256.h"

namespace sain::router {

constexpr size_t kHexDigits = 64;

Result<Checksums> parse_checksums(std::string_view text, const std::string& file) {
  Checksums checksums;
  for (size_t line = 1; !text.empty(); ++line) {
    const std::string_view entry = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(entry.size() + 1, text.size()));
    if (entry.empty()) continue;
    const std::string_view hash = entry.substr(0, kHexDigits);
    const bool is_hash =
        hash.size() == kHexDigits && hash.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    // Behind the hash: a space, and another one or a star for "binary".
    const std::string_view rest = entry.substr(hash.size());
    if (!is_hash || rest.size() < 3 || rest[0] != ' ' || (rest[1] != ' ' && rest[1] != '*'))
      return make_error(ErrorCode::kCorrupt, "{}:{}: expected a SHA-256, two spaces and a file name", file, line);
    if (!checksums.emplace(rest.substr(2), hash).second)
      return make_error(ErrorCode::kCorrupt, "{}:{}: {} is there twice", file, line, rest.substr(2));
  }
  return checksums;
}

std::string to_text(const Checksums& checksums) {
  std::string text;
  for (const auto& [name, hash] : checksums) text += hash + "  " + name + "\n";
  return text;
}

Result<Checksums> checksums_of_files(const std::filesystem::path& folder, const std::vector<std::string>& names) {
  Checksums checksums;
  for (const std::string& name : names) {
    SAIN_ASSIGN_OR_RETURN(checksums[name], formats::sha256_of_file(folder / name));
  }
  return checksums;
}

Status copy_checked(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& sha256,
                    const CopyOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(from, error))
    return make_error(ErrorCode::kNotFound, "{}: there is no such file", from.string());
  std::ifstream in(from, std::ios::binary);
  std::optional<formats::AtomicFile> out;
  if (!to.empty()) {
    SAIN_ASSIGN_OR_RETURN(formats::AtomicFile file, formats::AtomicFile::create(to));
    out.emplace(std::move(file));
  }
  formats::Sha256 hash;
  std::vector<char> buffer(size_t{1} << 20);
  do {
    if (options.stop.stop_requested()) return make_error(ErrorCode::kCancelled, "{}: was stopped", from.string());
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto piece = std::as_bytes(std::span(buffer).first(static_cast<size_t>(in.gcount())));
    if (in.bad() || !in.is_open()) return make_error(ErrorCode::kIo, "{}: cannot be read", from.string());
    hash.update(piece);
    if (out) SAIN_RETURN_IF_ERROR(out->write(piece));
    if (options.progress) options.progress(piece.size());
  } while (in);
  if (const std::string found = hash.hex(); found != sha256)
    return make_error(ErrorCode::kCorrupt, "{}: expected SHA-256 {}, found {}", from.string(), sha256, found);
  return out ? out->commit() : Status();
}

}  // namespace sain::router
