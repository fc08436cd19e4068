// The file of a RouteHead, little-endian:
//   8 bytes "SAINHEAD", u32 version, u32 n_intents, u32 n_views, u32 n_rows, u32 n_known, u32 n_quantiles,
//   f64 temperature, f64 gate scale[2], 32 bytes key, {u32 size, f32 weight} of each view, whose sizes sum to
//   n_features, f32 mean[n_features], rows[n_rows * n_features], coefficients[n_rows * (n_intents + 1)], f64
//   quantiles[n_quantiles], 32 bytes BLAKE2b of all that stands before.
#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "formats/atomic_file.h"
#include "router/route_head.h"

namespace sain::router {
namespace {

static_assert(std::endian::native == std::endian::little, "the file holds the machine's own numbers");

constexpr std::string_view kMagic = "SAINHEAD";
constexpr uint32_t kVersion = 3;
constexpr size_t kDigestBytes = 32;
constexpr size_t kHeaderBytes = 8 + 6 * 4 + 8 + 2 * 8 + 32;
constexpr size_t kMaxViews = 16;
constexpr uint64_t kMaxBytes = uint64_t{1} << 30;

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
void append(std::string& out, const std::vector<T>& values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

template <class T>
T take(std::string_view& in) {
  T value;
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return value;
}

template <class T>
std::vector<T> take_vector(std::string_view& in, size_t n) {
  std::vector<T> values(n);
  if (n > 0) std::memcpy(values.data(), in.data(), n * sizeof(T));
  in.remove_prefix(n * sizeof(T));
  return values;
}

std::array<unsigned char, kDigestBytes> digest(std::string_view bytes) {
  std::array<unsigned char, kDigestBytes> out;
  crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                     nullptr, 0);
  return out;
}

}  // namespace

Status RouteHead::save(const std::filesystem::path& path, const HeadKey& key) const {
  std::string out(kMagic);
  append(out, kVersion);
  append(out, n_intents_);
  append(out, static_cast<uint32_t>(views_.size()));
  append(out, n_rows());
  append(out, n_known_);
  append(out, static_cast<uint32_t>(quantiles_.size()));
  append(out, temperature_);
  append(out, gate_);
  append(out, key);
  append(out, views_);
  append(out, mean_);
  append(out, rows_);
  append(out, coefficients_);
  append(out, quantiles_);
  append(out, digest(out));
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) return make_error(ErrorCode::kIo, "{}: {}", path.parent_path().string(), error.message());
  return formats::write_atomically(path, out);
}

Result<RouteHead> RouteHead::load(const std::filesystem::path& path, const HeadKey& key) {
  std::error_code error;
  const uint64_t n_bytes = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory)
    return make_error(ErrorCode::kNotFound, "{}: there is no such file", path.string());
  if (error) return make_error(ErrorCode::kIo, "{}: {}", path.string(), error.message());
  const auto corrupt = [&path](std::string_view what) {
    return make_error(ErrorCode::kCorrupt, "{}: {}", path.string(), what);
  };
  if (n_bytes < kHeaderBytes + kDigestBytes || n_bytes > kMaxBytes)
    return corrupt(fmt::format("a router head does not have {} bytes", n_bytes));
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() != n_bytes) return make_error(ErrorCode::kIo, "{}: cannot be read", path.string());

  std::string_view in(bytes);
  if (in.substr(0, kMagic.size()) != kMagic) return corrupt("is not a router head");
  in.remove_prefix(kMagic.size());
  if (const auto version = take<uint32_t>(in); version != kVersion)
    return corrupt(fmt::format("expected version {}, found {}", kVersion, version));
  const auto body = std::string_view(bytes).substr(0, bytes.size() - kDigestBytes);
  if (std::memcmp(digest(body).data(), bytes.data() + body.size(), kDigestBytes) != 0)
    return corrupt("its checksum does not match its content");

  RouteHead head;
  head.n_intents_ = take<uint32_t>(in);
  const size_t n_views = take<uint32_t>(in), n_rows = take<uint32_t>(in);
  head.n_known_ = take<uint32_t>(in);
  const size_t n_quantiles = take<uint32_t>(in);
  head.temperature_ = take<double>(in);
  head.gate_ = take<GateScale>(in);
  const auto found_key = take<HeadKey>(in);
  if (n_views == 0 || n_views > kMaxViews || in.size() - kDigestBytes < n_views * sizeof(FeatureView))
    return corrupt(fmt::format("a head does not have {} views", n_views));
  head.views_ = take_vector<FeatureView>(in, n_views);
  size_t n_features = 0;
  for (const FeatureView& view : head.views_) n_features += view.size;
  const size_t n_intents = head.n_intents_;
  constexpr size_t kMost = kMaxBytes / sizeof(float);  // so that no product below runs over
  if (std::max({n_features, n_intents, n_rows, n_quantiles}) > kMost ||
      n_features * (1 + n_rows) + n_rows * (n_intents + 1) + 2 * n_quantiles !=
          (in.size() - kDigestBytes) / sizeof(float))
    return corrupt(fmt::format("its size does not fit {} intents of {} features", n_intents, n_features));
  if (n_intents == 0 || n_quantiles == 0 || head.n_known_ == 0 || head.n_known_ > n_rows || head.views_[0].size == 0 ||
      !(head.temperature_ > 0))
    return corrupt(fmt::format("{} intents, {} of {} rows, temperature {} do not make a head", n_intents, head.n_known_,
                               n_rows, head.temperature_));
  if (found_key != key)
    return make_error(ErrorCode::kInvalidArgument, "{}: was trained for another assistant or other examples",
                      path.string());
  head.mean_ = take_vector<float>(in, n_features);
  head.rows_ = take_vector<float>(in, n_rows * n_features);
  head.coefficients_ = take_vector<float>(in, n_rows * (n_intents + 1));
  head.quantiles_ = take_vector<double>(in, n_quantiles);
  return head;
}

}  // namespace sain::router
