// Where each field of a valid GGUF file lies, found by a walk of its own: for tests that damage them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace sain::testing {

struct GgufField {
  std::string name;  // "key.type", "tensor.offset", ...; see list_gguf_fields
  size_t position;
  size_t bytes;  // 4 or 8 for numbers
};

namespace internal {

class GgufWalk {
 public:
  explicit GgufWalk(std::string_view bytes) : bytes_(bytes) {}

  std::vector<GgufField> run() {
    take("magic", 4);
    take("version", 4);
    const uint64_t n_tensors = take("n_tensors", 8), n_entries = take("n_entries", 8);
    for (uint64_t i = 0; i < n_entries; ++i) {
      const std::string key = text("entry " + std::to_string(i) + " key", "entry " + std::to_string(i));
      value(key, static_cast<uint32_t>(take(key + ".type", 4)));
    }
    for (uint64_t i = 0; i < n_tensors; ++i) {
      const std::string name = text("tensor " + std::to_string(i) + " name", "tensor " + std::to_string(i));
      const uint64_t n_dims = take(name + ".n_dims", 4);
      for (uint64_t d = 0; d < n_dims; ++d) take(name + ".dim" + std::to_string(d), 8);
      take(name + ".dtype", 4);
      take(name + ".offset", 8);
    }
    take("end of header", 0);
    return std::move(fields_);
  }

 private:
  uint64_t take(const std::string& name, size_t size) {
    uint64_t number = 0;
    std::memcpy(&number, bytes_.data() + position_, size);
    fields_.push_back({name, position_, size});
    position_ += size;
    return number;
  }

  std::string text(const std::string& name, const std::string& prefix) {
    const uint64_t length = take(prefix + " length", 8);
    const std::string result(bytes_.substr(position_, length));
    fields_.push_back({name, position_, length});
    position_ += length;
    return result;
  }

  void value(const std::string& key, uint32_t type) {
    static constexpr size_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) {
      const uint64_t length = take(key + ".length", 8);
      position_ += length;
    } else if (type == 9) {
      const uint32_t element = static_cast<uint32_t>(take(key + ".element_type", 4));
      const uint64_t count = take(key + ".count", 8);
      if (element == 8) {
        for (uint64_t i = 0; i < count; ++i) {
          // Fields of the first and last string stand for all.
          uint64_t length = 0;
          std::memcpy(&length, bytes_.data() + position_, 8);
          if (i == 0 || i + 1 == count) fields_.push_back({key + "[" + std::to_string(i) + "].length", position_, 8});
          position_ += 8 + length;
        }
      } else if (element == 9) {
        for (uint64_t i = 0; i < count; ++i) value(key + "[" + std::to_string(i) + "]", 9);
      } else {
        if (count > 0) fields_.push_back({key + "[0]", position_, kBytes[element]});
        position_ += count * kBytes[element];
      }
    } else {
      take(key + ".value", kBytes[type]);
    }
  }

  std::string_view bytes_;
  size_t position_ = 0;
  std::vector<GgufField> fields_;
};

}  // namespace internal

/// All fields of the header of `bytes`, a valid file: "magic", "version", "n_tensors", "n_entries"; for the entry
/// number I "entry I length", "entry I key", then "KEY.type", and "KEY.value", "KEY.length" (of a string) or
/// "KEY.element_type" and "KEY.count"; for the tensor number I "tensor I length", "tensor I name", then "NAME.n_dims",
/// "NAME.dim0", ..., "NAME.dtype", "NAME.offset"; at last "end of header". The numbers must be little-endian here too.
inline std::vector<GgufField> list_gguf_fields(std::string_view bytes) {
  return internal::GgufWalk(bytes).run();
}

}  // namespace sain::testing
