#include "tools/models/wheel.h"

#include <zip.h>

#include <memory>
#include <string>
#include <vector>

namespace sain::tools {
namespace {

struct ArchiveCloser {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct MemberCloser {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using Archive = std::unique_ptr<zip_t, ArchiveCloser>;
using Member = std::unique_ptr<zip_file_t, MemberCloser>;

Result<Archive> open_archive(const std::filesystem::path& path) {
  int code = 0;
  Archive archive(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (archive) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  Error result =
      make_error(ErrorCode::kCorrupt, "{}: not a readable wheel: {}", path.string(), zip_error_strerror(&error));
  zip_error_fini(&error);
  return result;
}

struct MemberInfo {
  zip_uint64_t index = 0;
  std::string name;
  uint64_t bytes = 0;
};

Result<MemberInfo> find_member(zip_t* archive, const std::string& file, std::string_view mark) {
  std::vector<MemberInfo> found;
  const zip_int64_t n_members = zip_get_num_entries(archive, 0);
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(n_members); ++i) {
    zip_stat_t info;
    if (zip_stat_index(archive, i, 0, &info) != 0 || !(info.valid & ZIP_STAT_NAME) || !(info.valid & ZIP_STAT_SIZE)) {
      return make_error(ErrorCode::kCorrupt, "{}: member {} has no readable entry", file, i);
    }
    if (std::string_view(info.name).find(mark) != std::string_view::npos) found.push_back({i, info.name, info.size});
  }
  if (found.size() != 1) {
    return make_error(ErrorCode::kCorrupt, "{}: expected one member whose path contains \"{}\", found {} among {}",
                      file, mark, found.size(), n_members);
  }
  return found[0];
}

}  // namespace

Status read_wheel_member(const std::filesystem::path& wheel, std::string_view mark, uint64_t max_bytes,
                         const ByteSink& sink, std::stop_token stop) {
  const std::string file = wheel.string();
  SAIN_ASSIGN_OR_RETURN(const Archive archive, open_archive(wheel));
  SAIN_ASSIGN_OR_RETURN(const MemberInfo info, find_member(archive.get(), file, mark));
  const Member member(zip_fopen_index(archive.get(), info.index, 0));
  if (!member) {
    return make_error(ErrorCode::kCorrupt, "{}: cannot open {}: {}", file, info.name, zip_strerror(archive.get()));
  }
  std::vector<std::byte> buffer(size_t{1} << 20);
  for (uint64_t total = 0;;) {
    if (stop.stop_requested()) return make_error(ErrorCode::kCancelled, "reading {} was stopped", file);
    const zip_int64_t n = zip_fread(member.get(), buffer.data(), buffer.size());
    if (n < 0) {
      return make_error(ErrorCode::kCorrupt, "{}: {} is damaged: {}", file, info.name,
                        zip_error_strerror(zip_file_get_error(member.get())));
    }
    if (n == 0) return {};
    total += static_cast<uint64_t>(n);
    // What the directory says may be a lie: count what really comes.
    if (total > max_bytes) {
      return make_error(ErrorCode::kCorrupt, "{}: {} holds more than the {} bytes expected", file, info.name,
                        max_bytes);
    }
    SAIN_RETURN_IF_ERROR(sink(std::span(buffer).first(static_cast<size_t>(n))));
  }
}

}  // namespace sain::tools
