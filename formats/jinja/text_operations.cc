#include "formats/jinja/text_operations.h"

#include <algorithm>

#include "formats/jinja/operators.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

/// Python's line boundaries; the length in bytes of the one at `offset`, or 0.
size_t line_end_at(std::string_view text, size_t offset) {
  if (text.substr(offset).starts_with("\r\n")) return 2;
  const CodePoint c = decode_at(text, offset);
  const bool ends = (c.value >= 0x0A && c.value <= 0x0D) || (c.value >= 0x1C && c.value <= 0x1E) || c.value == 0x85 ||
                    c.value == 0x2028 || c.value == 0x2029;
  return ends ? c.n_bytes : 0;
}

/// Adds text[begin, end) to parts, whose bookkeeping can be many times as large as the text.
Status add_part(Runtime& runtime, std::vector<Text>& parts, const Text& text, size_t begin, size_t end) {
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(sizeof(Text)));
  parts.push_back(text.slice(begin, end));
  return {};
}

bool is_full(const std::vector<Text>& parts, int64_t n_max) {
  return n_max >= 0 && parts.size() >= static_cast<size_t>(n_max);
}

Result<std::vector<Text>> split_at_space(Runtime& runtime, const Text& text, int64_t n_max) {
  std::vector<Text> parts;
  const std::string_view bytes = text.bytes();
  for (size_t begin = skip_space(bytes); begin < bytes.size();) {
    size_t end = begin;
    while (end < bytes.size() && !is_space(decode_at(bytes, end).value)) end += decode_at(bytes, end).n_bytes;
    if (is_full(parts, n_max)) end = bytes.size();
    SAIN_RETURN_IF_ERROR(add_part(runtime, parts, text, begin, end));
    begin = skip_space(bytes, end);
  }
  return parts;
}

Result<std::vector<Text>> rsplit_at_space(Runtime& runtime, const Text& text, int64_t n_max) {
  std::vector<Text> parts;
  const std::string_view bytes = text.bytes();
  for (size_t end = rskip_space(bytes); end > 0;) {
    size_t begin = end;
    while (begin > 0 && rskip_space(bytes.substr(0, begin)) == begin) --begin;
    if (is_full(parts, n_max)) begin = 0;
    SAIN_RETURN_IF_ERROR(add_part(runtime, parts, text, begin, end));
    end = rskip_space(bytes.substr(0, begin));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::string mirror(std::string_view text) {
  return std::string(text.rbegin(), text.rend());
}

/// Where to cut: the offsets of up to n_max separators, found from the left.
Result<std::vector<size_t>> find_cuts(Runtime& runtime, std::string_view text, std::string_view separator,
                                      int64_t n_max) {
  std::vector<size_t> cuts;
  for (size_t from = 0; n_max < 0 || cuts.size() < static_cast<size_t>(n_max);) {
    const size_t found = find_bytes(text, separator, from);
    if (found == std::string_view::npos) break;
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(sizeof(size_t)));
    cuts.push_back(found);
    from = found + separator.size();
  }
  return cuts;
}

}  // namespace

Text strip(const Text& text, const Text* characters, Sides sides) {
  const std::string_view bytes = text.bytes();
  const auto strips = [&](uint32_t c, size_t n_bytes, size_t offset) {
    if (characters == nullptr) return is_space(c);
    return find_bytes(characters->bytes(), bytes.substr(offset, n_bytes)) != std::string_view::npos;
  };
  size_t begin = 0;
  while (sides != Sides::kRight && begin < bytes.size()) {
    const CodePoint c = decode_at(bytes, begin);
    if (!strips(c.value, c.n_bytes, begin)) break;
    begin += c.n_bytes;
  }
  size_t end = bytes.size();
  while (sides != Sides::kLeft && end > begin) {
    size_t start = end - 1;
    while (start > begin && end - start < 4 && (static_cast<unsigned char>(bytes[start]) & 0xC0) == 0x80) --start;
    if (start + decode_at(bytes, start).n_bytes != end) start = end - 1;
    const CodePoint c = decode_at(bytes, start);
    if (!strips(c.value, c.n_bytes, start)) break;
    end = start;
  }
  return text.slice(begin, end);
}

Result<Text> replace(Runtime& runtime, const Text& text, const Text& from, const Text& to, int64_t count) {
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(text.memory_bytes()));
  const std::string_view bytes = text.bytes();
  const bool everywhere = from.empty();  // between all code points, and at both ends
  Text result;
  size_t done = 0;
  size_t search = 0;
  for (int64_t n = 0; n != count; ++n) {
    const size_t found = everywhere ? search : find_bytes(bytes, from.bytes(), search);
    if (found == std::string_view::npos || found > bytes.size()) break;
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(to.memory_bytes() + 2 * Text::kBorderBytes));
    SAIN_RETURN_IF_ERROR(runtime.charge_steps(1));
    result.append(text, done, found);
    result.append(to);
    done = found + from.size();
    search = !everywhere ? done : found < bytes.size() ? found + decode_at(bytes, found).n_bytes : bytes.size() + 1;
  }
  result.append(text, done);
  return result;
}

Result<std::vector<Text>> split(Runtime& runtime, const Text& text, const Text* separator, int64_t n_max, From from) {
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text.size()));
  if (separator == nullptr) {
    return from == From::kLeft ? split_at_space(runtime, text, n_max) : rsplit_at_space(runtime, text, n_max);
  }
  if (separator->empty()) return template_error("the separator of split() is empty");
  const bool mirrored = from == From::kRight;
  SAIN_ASSIGN_OR_RETURN(std::vector<size_t> cuts,
                        mirrored ? find_cuts(runtime, mirror(text.bytes()), mirror(separator->bytes()), n_max)
                                 : find_cuts(runtime, text.bytes(), separator->bytes(), n_max));
  if (mirrored) {
    std::reverse(cuts.begin(), cuts.end());
    for (size_t& cut : cuts) cut = text.size() - cut - separator->size();
  }
  std::vector<Text> parts;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    SAIN_RETURN_IF_ERROR(add_part(runtime, parts, text, begin, cut));
    begin = cut + separator->size();
  }
  SAIN_RETURN_IF_ERROR(add_part(runtime, parts, text, begin, text.size()));
  return parts;
}

Result<std::vector<Text>> split_lines(Runtime& runtime, const Text& text, bool keep_ends) {
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text.size()));
  std::vector<Text> lines;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t n_bytes = line_end_at(text.bytes(), i);
    if (n_bytes == 0) {
      i += decode_at(text.bytes(), i).n_bytes;
      continue;
    }
    SAIN_RETURN_IF_ERROR(add_part(runtime, lines, text, begin, keep_ends ? i + n_bytes : i));
    i += n_bytes;
    begin = i;
  }
  if (begin < text.size()) lines.push_back(text.slice(begin));
  return lines;
}

Result<Text> join(Runtime& runtime, const std::vector<Text>& parts, const Text& separator) {
  Text result;
  for (size_t i = 0; i < parts.size(); ++i) {
    SAIN_RETURN_IF_ERROR(
        runtime.charge_memory(parts[i].memory_bytes() + separator.memory_bytes() + 2 * Text::kBorderBytes));
    if (i > 0) result.append(separator);
    result.append(parts[i]);
  }
  return result;
}

Result<Value> make_texts(Runtime& runtime, std::vector<Text> parts) {
  Values values;
  for (Text& part : parts) {
    SAIN_ASSIGN_OR_RETURN(Value value, runtime.make_text(std::move(part)));
    values.push_back(std::move(value));
  }
  return runtime.make_list(std::move(values));
}

Text change_case(const Text& text, Casing casing) {
  Text result;
  bool after_cased = false;  // for titles: inside a word
  bool first = true;
  for (const Text::Run& run : text.runs()) {
    const std::string_view bytes = std::string_view(text.bytes()).substr(run.begin, run.end - run.begin);
    std::string changed;
    for (size_t i = 0; i < bytes.size();) {
      const CodePoint c = decode_at(bytes, i);
      const bool to_upper = casing == Casing::kUpper || (casing == Casing::kSwap && is_lower(c.value));
      const bool to_title = (casing == Casing::kTitle && !after_cased) || (casing == Casing::kCapitalize && first);
      append_case(changed, c.value, to_title ? Case::kTitle : to_upper ? Case::kUpper : Case::kLower);
      after_cased = is_cased(c.value);
      first = false;
      i += c.n_bytes;
    }
    result.append(changed, run.trust);
  }
  return result;
}

Result<Text> pad(Runtime& runtime, const Text& text, int64_t width, const Text& fill, Align align) {
  if (count_code_points(fill.bytes()) != 1) return template_error("the fill character must be one character");
  const auto size = static_cast<int64_t>(count_code_points(text.bytes()));
  const size_t missing = width > size ? static_cast<size_t>(width - size) : 0;
  SAIN_RETURN_IF_ERROR(runtime.charge_memory(missing, fill.size()));
  // Python puts the odd one on the left if the width is odd.
  const size_t centered = missing / 2 + (missing & static_cast<size_t>(width) & 1);
  const size_t before = align == Align::kLeft ? 0 : align == Align::kRight ? missing : centered;
  Text result;
  for (size_t i = 0; i < before; ++i) result.append(fill);
  result.append(text);
  for (size_t i = before; i < missing; ++i) result.append(fill);
  return result;
}

size_t rfind_bytes(std::string_view text, std::string_view needle) {
  // The mirror image of a search from the left, which takes linear time.
  if (needle.size() <= 1) return text.rfind(needle);
  const size_t found = find_bytes(mirror(text), mirror(needle));
  return found == std::string_view::npos ? std::string_view::npos : text.size() - found - needle.size();
}

}  // namespace sain::formats::jinja
