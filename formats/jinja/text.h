// A string that knows, for each of its bytes, whether a template wrote it or its input did.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sain::formats::jinja {

/// Who wrote a stretch of text. Special tokens are recognised in kTemplate only.
enum class Trust : bool { kInput, kTemplate };

/// kTemplate only if both are.
inline Trust both(Trust a, Trust b) {
  return a == Trust::kTemplate ? b : a;
}

/// Bytes with their provenance. Most strings are uniform; those cost no more than a std::string and a flag.
class Text {
 public:
  static constexpr size_t kEnd = std::string::npos;
  /// What appending one stretch of another provenance adds to the bytes themselves.
  static constexpr size_t kBorderBytes = 2 * sizeof(size_t);
  struct Run {
    size_t begin;
    size_t end;
    Trust trust;
  };

  Text() = default;
  Text(std::string bytes, Trust trust) : bytes_(std::move(bytes)), last_(trust) {}

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  /// kTemplate if every byte is; an empty text is too.
  Trust trust() const {
    return empty() || (borders_.empty() && last_ == Trust::kTemplate) ? Trust::kTemplate : Trust::kInput;
  }
  Trust trust_at(size_t index) const;

  void append(std::string_view bytes, Trust trust);
  /// Appends other's bytes [begin, end), each with its own trust. `other` must be another object.
  void append(const Text& other, size_t begin = 0, size_t end = kEnd);
  Text slice(size_t begin, size_t end = kEnd) const;
  void reserve(size_t n_bytes) { bytes_.reserve(n_bytes); }
  /// What it holds: its bytes, and a border wherever the provenance changes.
  size_t memory_bytes() const { return bytes_.size() + borders_.size() * sizeof(Border); }

  /// The maximal stretches of one trust, in order, adjoining, none empty.
  std::vector<Run> runs() const;

  /// Set by the filters `escape` and `safe`: adding such a string to another one escapes the other one.
  bool markup = false;

 private:
  struct Border {
    size_t end;  // where a run ends that is not the last one
    Trust trust;
  };
  std::string bytes_;
  std::vector<Border> borders_;
  Trust last_ = Trust::kTemplate;
};

}  // namespace sain::formats::jinja
