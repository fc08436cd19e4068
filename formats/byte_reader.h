// Little-endian reading of bytes that nobody vouches for. Nothing is read beyond the end, whatever the length asked.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace sain::formats {

/// The little-endian number at `from`, which needs no alignment. `from` must hold sizeof(T) bytes.
template <class T>
requires(std::integral<T> || std::floating_point<T>) T load_little_endian(const std::byte* from) {
  T value;
  if constexpr (std::endian::native == std::endian::little || sizeof(T) == 1) {
    std::memcpy(&value, from, sizeof(T));
  } else {
    std::byte swapped[sizeof(T)];
    for (size_t i = 0; i < sizeof(T); ++i) swapped[i] = from[sizeof(T) - 1 - i];
    std::memcpy(&value, swapped, sizeof(T));
  }
  return value;
}

/// A cursor over bytes that it does not own. A read that does not fit gives nothing and leaves the cursor where it
/// was; the caller, who knows the field's name, writes the message.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

  /// Whether `count` elements of at least `element_bytes` each can still follow. Never overflows.
  bool can_hold(uint64_t count, size_t element_bytes) const { return count <= remaining() / element_bytes; }

  template <class T>
  std::optional<T> read() {
    if (remaining() < sizeof(T)) return std::nullopt;
    const T value = load_little_endian<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }

  std::optional<std::span<const std::byte>> read_bytes(uint64_t count) {
    if (count > remaining()) return std::nullopt;
    const auto result = bytes_.subspan(position_, static_cast<size_t>(count));
    position_ += static_cast<size_t>(count);
    return result;
  }

  /// A u64 length and that many bytes, as GGUF stores a string. The view points into the bytes read.
  std::optional<std::string_view> read_string() {
    const size_t start = position_;
    const auto length = read<uint64_t>();
    if (!length) return std::nullopt;
    const auto content = read_bytes(*length);
    if (!content) {
      position_ = start;
      return std::nullopt;
    }
    return std::string_view(reinterpret_cast<const char*>(content->data()), content->size());
  }

 private:
  std::span<const std::byte> bytes_;
  size_t position_ = 0;
};

}  // namespace sain::formats
