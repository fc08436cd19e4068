// The layout of the source tree: which folder includes which, what kernels may lean on, what lies at the top level,
// and how long files are.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = SAIN_SOURCE_DIR;
constexpr std::array<std::string_view, 6> kLayers = {"kernels", "shaders", "formats",
                                                     "engine",  "router",  "tools"};  // lowest first
constexpr std::array<std::string_view, 3> kVocabulary = {"kernels/dtype.h", "kernels/blocks.h",
                                                         "kernels/matrix_view.h"};
constexpr std::array<std::string_view, 9> kIsaFiles = {"avx2.cc", "avx_vnni.cc", "avx512.cc", "neon.cc",     "amx.cc",
                                                       "avx2.h",  "avx512.h",    "neon.h",    "eight_rows.h"};
const std::set<std::string_view> kExtensions = {".h", ".cc", ".comp", ".glsl"};
constexpr size_t kMaxLines = 600;

struct Include {
  std::string name;
  bool quoted = false;
  int line = 0;
};

struct SourceFile {
  std::string path;  // from the root
  std::vector<Include> includes = {};
  size_t n_lines = 0;
};

template <class Range>
bool contains(const Range& range, std::string_view value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

std::string_view top_folder(std::string_view path) {
  return path.substr(0, path.find('/'));
}

/// A layer's place in kLayers, or -1 for a folder that is none.
int layer_of(std::string_view path) {
  const auto it = std::ranges::find(kLayers, top_folder(path));
  return it == kLayers.end() ? -1 : static_cast<int>(it - kLayers.begin());
}

bool is_isa_file(const SourceFile& file) {
  const std::string name = fs::path(file.path).filename().string();
  return std::ranges::any_of(kIsaFiles, [&](std::string_view isa) {  // avx2.cc, or mine_avx2.cc
    return name == isa || name.ends_with("_" + std::string(isa));
  });
}

SourceFile read_source(const fs::path& path) {
  SourceFile file{.path = fs::relative(path, kRoot).generic_string()};
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    ++file.n_lines;
    std::string_view rest = line;
    const auto skip_spaces = [&] { rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size())); };
    skip_spaces();
    if (!rest.starts_with("#")) continue;
    rest.remove_prefix(1);
    skip_spaces();
    if (!rest.starts_with("include")) continue;
    rest.remove_prefix(7);
    skip_spaces();
    if (rest.empty() || (rest[0] != '"' && rest[0] != '<')) continue;
    const bool quoted = rest[0] == '"';
    const std::string_view name = rest.substr(1, rest.find(quoted ? '"' : '>', 1) - 1);
    file.includes.push_back({std::string(name), quoted, static_cast<int>(file.n_lines)});
  }
  return file;
}

/// All C++ and GLSL files below `folders`, sorted by path.
std::vector<SourceFile> read_sources(const std::vector<std::string_view>& folders) {
  std::vector<SourceFile> files;
  for (std::string_view folder : folders) {
    if (!fs::exists(kRoot / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const std::string extension = entry.path().extension().string();
      if (entry.is_regular_file() && kExtensions.contains(extension)) files.push_back(read_source(entry.path()));
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

std::vector<SourceFile> read_layers() {
  return read_sources({kLayers.begin(), kLayers.end()});
}

std::string where(const SourceFile& file, const Include& include) {
  return file.path + ":" + std::to_string(include.line) + " includes " + include.name;
}

TEST(Layers, TheReaderFindsIncludes) {
  const SourceFile self = read_source(kRoot / "tests" / "layers_test.cc");
  ASSERT_FALSE(self.includes.empty());
  EXPECT_EQ(self.includes[0].name, "gtest/gtest.h");
  EXPECT_FALSE(self.includes[0].quoted);
  EXPECT_GT(read_layers().size(), 20u);
}

TEST(Layers, IncludesPointDownwards) {
  for (const SourceFile& file : read_layers()) {
    for (const Include& include : file.includes) {
      if (!include.quoted) continue;
      EXPECT_TRUE(fs::exists(kRoot / include.name)) << where(file, include) << ", which is no path from the root";
      const int to = layer_of(include.name);
      EXPECT_GE(to, 0) << where(file, include) << ", which is in no layer";
      EXPECT_LE(to, layer_of(file.path)) << where(file, include) << ", a layer above its own";
      if (top_folder(file.path) == "formats" && top_folder(include.name) == "kernels") {
        EXPECT_TRUE(contains(kVocabulary, include.name)) << where(file, include) << ", which is not vocabulary";
      }
      if (top_folder(include.name) == "shaders") {
        EXPECT_TRUE(top_folder(file.path) == "engine" || top_folder(file.path) == "shaders")
            << where(file, include) << ", which is the engine's alone";
      }
      if (top_folder(file.path) == "shaders") {
        EXPECT_EQ(top_folder(include.name), "shaders") << where(file, include) << ": a shader sees no C++";
      }
    }
  }
}

TEST(Layers, KernelsNeitherAllocateNorThreadNorPrint) {
  // The C headers that arithmetic needs. isa.cc asks the processor and the environment.
  const std::set<std::string_view> allowed = {"stddef.h", "stdint.h", "string.h", "math.h", "float.h", "limits.h"};
  const std::set<std::string_view> intrinsics = {"immintrin.h", "arm_neon.h"};
  const std::set<std::string_view> detection = {"stdlib.h", "sys/auxv.h", "asm/hwcap.h", "cpuid.h"};
  for (const SourceFile& file : read_sources({"kernels"})) {
    for (const Include& include : file.includes) {
      if (include.quoted) continue;
      const bool is_allowed = allowed.contains(include.name) ||
                              (is_isa_file(file) && intrinsics.contains(include.name)) ||
                              (file.path == "kernels/isa.cc" && detection.contains(include.name));
      EXPECT_TRUE(is_allowed) << where(file, include);
    }
  }
}

// An inline function that is compiled under -mavx2 can be the copy that the linker keeps for everyone, so an ISA file
// sees intrinsics, <stddef.h>, <stdint.h> and headers of kernels/ that see no more than that themselves.
TEST(Layers, IsaFilesSeeNoOtherCode) {
  std::map<std::string, SourceFile> by_path;
  for (SourceFile& file : read_sources({"kernels"})) by_path[file.path] = std::move(file);
  const std::set<std::string_view> allowed = {"stddef.h", "stdint.h", "immintrin.h", "arm_neon.h"};
  for (const auto& [path, root] : by_path) {
    if (!is_isa_file(root)) continue;
    std::set<std::string> seen = {path};
    for (std::vector<std::string> open = {path}; !open.empty();) {
      const auto it = by_path.find(open.back());
      open.pop_back();
      ASSERT_NE(it, by_path.end()) << path << " sees a header outside kernels/";
      for (const Include& include : it->second.includes) {
        if (!include.quoted) {
          EXPECT_TRUE(allowed.contains(include.name)) << where(it->second, include) << " (seen by " << path << ")";
        } else if (seen.insert(include.name).second) {
          open.push_back(include.name);
        }
      }
    }
  }
}

// So that compiling it shows that the header needs nobody else's includes; the target headers_compile_alone does the
// same for headers without a .cc.
TEST(Layers, AFileIncludesItsOwnHeaderFirst) {
  for (const SourceFile& file : read_layers()) {
    if (!file.path.ends_with(".cc")) continue;
    const std::string header = file.path.substr(0, file.path.size() - 2) + "h";
    if (!fs::exists(kRoot / header)) continue;
    ASSERT_FALSE(file.includes.empty()) << file.path;
    EXPECT_EQ(file.includes[0].name, header) << file.path;
  }
}

TEST(Layers, FilesStayShort) {
  std::vector<std::string_view> folders(kLayers.begin(), kLayers.end());
  folders.insert(folders.end(), {"tests", "bench"});
  for (const SourceFile& file : read_sources(folders)) {
    EXPECT_LE(file.n_lines, kMaxLines) << file.path << ": split it by concept";
  }
}

/// Top-level names that git tracks; without git, all that are there except build folders and hidden ones.
std::set<std::string> top_level_names() {
  std::set<std::string> names;
  const std::string command = "git -C '" + kRoot.string() + "' ls-files 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> git(popen(command.c_str(), "r"), pclose);
  std::string listing;
  char buffer[4096];
  while (git && std::fgets(buffer, sizeof buffer, git.get())) listing += buffer;
  for (size_t begin = 0, end; (end = listing.find('\n', begin)) != std::string::npos; begin = end + 1) {
    names.emplace(top_folder(std::string_view(listing).substr(begin, end - begin)));
  }
  if (!names.empty()) return names;
  for (const fs::directory_entry& entry : fs::directory_iterator(kRoot)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("build") && !name.starts_with(".")) names.insert(name);
  }
  return names;
}

TEST(Layers, TheTopLevelHoldsWhatTheLayoutSays) {
  const std::set<std::string> allowed = {"CMakeLists.txt",
                                         "CMakePresets.json",
                                         "README.md",
                                         "CONTRIBUTING.md",
                                         "CHANGELOG.md",
                                         "SECURITY.md",
                                         "LICENSE",
                                         "NOTICE",
                                         "engine",
                                         "kernels",
                                         "shaders",
                                         "formats",
                                         "router",
                                         "tests",
                                         "bench",
                                         "tools",
                                         ".ci",
                                         ".clang-format",
                                         ".clang-tidy",
                                         ".gitignore",
                                         ".gitattributes",
                                         ".editorconfig"};
  const std::set<std::string> names = top_level_names();
  EXPECT_TRUE(names.contains("CMakeLists.txt"));
  for (const std::string& name : names) EXPECT_TRUE(allowed.contains(name)) << name;
}

}  // namespace
