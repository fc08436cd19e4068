// sain inspect: what a GGUF file holds.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_text.h"
#include "router/catalog.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/progress_bar.h"

namespace sain::tools {
namespace {

using formats::GgufArray;
using formats::GgufFile;
using formats::GgufType;
using formats::GgufValue;
using formats::TensorInfo;
using nlohmann::ordered_json;

struct Options {
  std::string file;
  bool json = false;
};

ordered_json to_json(const GgufArray& array);

/// A number that stands as f32 in the file gets the fewest digits that name it: 1e-06, not 9.999999974752427e-07.
template <class T>
ordered_json to_json(GgufType type, const T& value) {
  if constexpr (std::is_same_v<T, GgufArray>) {
    return to_json(value);
  } else if constexpr (std::is_same_v<T, double>) {
    if (type != GgufType::kF32) return value;
    return std::strtod(fmt::format("{}", static_cast<float>(value)).c_str(), nullptr);
  } else {
    return value;
  }
}

ordered_json to_json(const GgufArray& array) {
  ordered_json items = ordered_json::array();
  std::visit(
      [&]<class T>(const std::vector<T>& values) {
        for (const T& value : values) items.push_back(to_json<T>(array.element_type, value));
      },
      array.values);
  return items;
}

ordered_json to_json(const GgufFile& file) {
  // Appended as to a vector: the file's keys are known to differ, and a search for each would take n^2 steps.
  ordered_json::object_t metadata;
  for (const auto& [key, value] : file.metadata().entries()) {
    const GgufType type = value.type;
    metadata.push_back({std::string(key), std::visit([&](const auto& v) { return to_json(type, v); }, value.value)});
  }
  ordered_json tensors = ordered_json::array();
  for (const TensorInfo& tensor : file.tensors()) {
    tensors.push_back({{"name", tensor.name},
                       {"type", dtype_info(tensor.dtype).name},
                       {"shape", std::vector<uint64_t>(tensor.shape, tensor.shape + tensor.n_dims)},
                       {"bytes", tensor.bytes}});
  }
  ordered_json result;
  result["file"] = file.path().string();
  result["version"] = file.version();
  result["file_bytes"] = file.file_bytes();
  result["metadata"] = std::move(metadata);
  result["tensors"] = std::move(tensors);
  return result;
}

/// "134.5 M": a count as people say it.
std::string format_count(uint64_t count) {
  const double n = static_cast<double>(count);
  if (count >= 1000000000) return fmt::format("{:.2f} G", n / 1e9);
  if (count >= 1000000) return fmt::format("{:.1f} M", n / 1e6);
  if (count >= 10000) return fmt::format("{:.1f} k", n / 1e3);
  return fmt::format("{}", count);
}

std::string format_shape(const TensorInfo& tensor) {
  return fmt::format("{}", fmt::join(tensor.shape, tensor.shape + tensor.n_dims, " x "));
}

struct Total {
  uint64_t n_tensors = 0;
  uint64_t n_elements = 0;
  uint64_t bytes = 0;

  void add(const TensorInfo& tensor) {
    ++n_tensors;
    n_elements += tensor.n_elements();
    bytes += tensor.bytes;
  }
};

void print_metadata(const GgufFile& file) {
  size_t width = 0;
  for (const auto& [key, value] : file.metadata().entries()) width = std::max(width, key.size());
  width = std::min<size_t>(width, 48);
  fmt::print("\nMETADATA\n");
  for (const auto& [key, value] : file.metadata().entries()) {
    fmt::print("  {:<{}}  {}\n", formats::escape(key), width, formats::summary(value));
  }
}

void print_tensors(const GgufFile& file) {
  size_t name_width = 4, shape_width = 5;
  for (const TensorInfo& tensor : file.tensors()) {
    name_width = std::max(name_width, tensor.name.size());
    shape_width = std::max(shape_width, format_shape(tensor).size());
  }
  fmt::print("\nTENSORS\n  {:<{}}  {:<7} {:<{}}  {:>9}\n", "NAME", name_width, "TYPE", "SHAPE", shape_width, "SIZE");
  for (const TensorInfo& tensor : file.tensors()) {
    fmt::print("  {:<{}}  {:<7} {:<{}}  {:>9}\n", formats::escape(tensor.name), name_width,
               dtype_info(tensor.dtype).name, format_shape(tensor), shape_width, format_bytes(tensor.bytes));
  }
}

void print_totals(const GgufFile& file) {
  std::map<std::string, Total> totals;
  Total all;
  for (const TensorInfo& tensor : file.tensors()) {
    totals[dtype_info(tensor.dtype).name].add(tensor);
    all.add(tensor);
  }
  std::vector<std::pair<std::string, Total>> rows(totals.begin(), totals.end());
  std::ranges::stable_sort(rows, std::ranges::greater(), [](const auto& row) { return row.second.bytes; });
  rows.emplace_back("all", all);
  fmt::print("\nTOTALS\n  {:<7} {:>7}  {:>10}  {:>9}  {:>11}\n", "TYPE", "TENSORS", "PARAMETERS", "SIZE",
             "BITS/WEIGHT");
  for (const auto& [name, total] : rows) {
    fmt::print("  {:<7} {:>7}  {:>10}  {:>9}  {:>11.2f}\n", name, total.n_tensors, format_count(total.n_elements),
               format_bytes(total.bytes),
               8.0 * static_cast<double>(total.bytes) / static_cast<double>(total.n_elements));
  }
}

void print(const GgufFile& file) {
  fmt::print("{}\nGGUF version {}, {}, {} metadata entries, {} tensors\n", file.path().string(), file.version(),
             format_bytes(file.file_bytes()), file.metadata().entries().size(), file.tensors().size());
  if (!file.metadata().entries().empty()) print_metadata(file);
  if (file.tensors().empty()) return;
  print_tensors(file);
  print_totals(file);
}

Status inspect(const Options& options) {
  SAIN_ASSIGN_OR_RETURN(const std::filesystem::path path, router::resolve_model(options.file));
  SAIN_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::open(path));
  if (options.json) {
    // Vocabularies hold single bytes, which are no UTF-8: they become U+FFFD here.
    fmt::print("{}\n", to_json(file).dump(-1, ' ', false, ordered_json::error_handler_t::replace));
  } else {
    print(file);
  }
  if (std::fflush(stdout) != 0) return make_error(ErrorCode::kIo, "standard output: the result could not be written");
  return {};
}

}  // namespace

void add_inspect_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "Show the metadata and tensors of a GGUF file");
  command->add_option("file", options->file, "A GGUF file, the first part of a split one, or a name of `sain models`")
      ->required()
      ->type_name("FILE");
  command->add_flag("--json", options->json,
                    "Print one JSON object: {\"version\", \"metadata\": {KEY: VALUE, ...}, \"tensors\": [{\"name\", "
                    "\"type\", \"shape\", \"bytes\"}, ...]}, arrays whole; shape[0] is the length of a row");
  command->footer(
      "Example:\n"
      "  sain inspect smollm2-135m-instruct");
  command->callback([options, &exit_code] {
    const Status status = inspect(*options);
    exit_code = status ? kSuccess : fail("inspect", status.error());
  });
}

}  // namespace sain::tools
