#include <algorithm>
#include <array>

#include "formats/jinja/methods.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/text_operations.h"
#include "formats/jinja/to_text.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

const Value* unless_none(const Value* argument) {
  return argument == nullptr || argument->is_none() ? nullptr : argument;
}

Result<const Text*> optional_text(const Value* argument) {
  if (unless_none(argument) == nullptr) return static_cast<const Text*>(nullptr);
  return text_argument(argument);
}

template <Sides kSides>
Result<Value> strip_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("strip", arguments, {"chars"}));
  SAIN_ASSIGN_OR_RETURN(const Text* characters, optional_text(bound[0]));
  const size_t n_tested = characters == nullptr ? 1 : characters->size();
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(std::min<size_t>(n_tested, 1 << 20) * self.text()->size()));
  return runtime.make_text(strip(*self.text(), characters, kSides));
}

template <From kFrom>
Result<Value> split_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("split", arguments, {"sep", "maxsplit"}));
  SAIN_ASSIGN_OR_RETURN(const Text* separator, optional_text(bound[0]));
  SAIN_ASSIGN_OR_RETURN(const int64_t n_max, integer_or(bound[1], -1));
  SAIN_ASSIGN_OR_RETURN(std::vector<Text> parts, split(runtime, *self.text(), separator, n_max, kFrom));
  return make_texts(runtime, std::move(parts));
}

Result<Value> splitlines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("splitlines", arguments, {"keepends"}));
  SAIN_ASSIGN_OR_RETURN(std::vector<Text> parts,
                        split_lines(runtime, *self.text(), bound[0] != nullptr && truthy(*bound[0])));
  return make_texts(runtime, std::move(parts));
}

template <From kFrom>
Result<Value> partition(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("partition", arguments, {"sep"}, 1));
  SAIN_ASSIGN_OR_RETURN(const Text* separator, text_argument(bound[0]));
  if (separator->empty()) return template_error("the separator of partition() is empty");
  const Text& text = *self.text();
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text.size()));
  const size_t found = kFrom == From::kLeft ? find_bytes(text.bytes(), separator->bytes())
                                            : rfind_bytes(text.bytes(), separator->bytes());
  std::array<Text, 3> parts;
  if (found != kNowhere) {
    parts = {text.slice(0, found), *separator, text.slice(found + separator->size())};
  } else {
    parts[kFrom == From::kLeft ? 0 : 2] = text;
  }
  Values values;
  for (Text& part : parts) {
    SAIN_ASSIGN_OR_RETURN(Value value, runtime.make_text(std::move(part)));
    values.push_back(std::move(value));
  }
  return runtime.make_tuple(std::move(values));
}

Result<Value> replace_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("replace", arguments, {"old", "new", "count"}, 2));
  SAIN_ASSIGN_OR_RETURN(const Text* from, text_argument(bound[0]));
  SAIN_ASSIGN_OR_RETURN(const Text* to, text_argument(bound[1]));
  SAIN_ASSIGN_OR_RETURN(const int64_t count, integer_or(bound[2], -1));
  SAIN_ASSIGN_OR_RETURN(Text result, replace(runtime, *self.text(), *from, *to, count));
  return runtime.make_text(std::move(result));
}

Result<Value> join_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("join", arguments, {"iterable"}, 1));
  SAIN_ASSIGN_OR_RETURN(const auto items, iterate(runtime, *bound[0]));
  std::vector<Text> parts;
  for (const Value& item : items->items) {
    SAIN_ASSIGN_OR_RETURN(const Text* text, text_argument(&item));
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(text->size() + sizeof(Text)));
    parts.push_back(*text);
  }
  SAIN_ASSIGN_OR_RETURN(Text result, join(runtime, parts, *self.text()));
  return runtime.make_text(std::move(result));
}

template <Casing kCasing>
Result<Value> case_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("a case method", arguments, {}));
  return runtime.make_text(change_case(*self.text(), kCasing));
}

template <Align kAlign>
Result<Value> pad_method(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("a padding method", arguments, {"width", "fillchar"}, 1));
  SAIN_ASSIGN_OR_RETURN(const int64_t width, integer_or(bound[0], 0));
  const Text space(" ", Trust::kTemplate);
  SAIN_ASSIGN_OR_RETURN(const Text* fill, bound[1] == nullptr ? Result<const Text*>(&space) : text_argument(bound[1]));
  SAIN_ASSIGN_OR_RETURN(Text result, pad(runtime, *self.text(), width, *fill, kAlign));
  return runtime.make_text(std::move(result));
}

Result<Value> zfill(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("zfill", arguments, {"width"}, 1));
  SAIN_ASSIGN_OR_RETURN(const int64_t width, integer_or(bound[0], 0));
  const Text& text = *self.text();
  const size_t sign = text.bytes().starts_with('-') || text.bytes().starts_with('+') ? 1 : 0;
  Text result = text.slice(0, sign);
  const Text zero("0", Trust::kTemplate);
  SAIN_ASSIGN_OR_RETURN(const Text padded,
                        pad(runtime, text.slice(sign), width - static_cast<int64_t>(sign), zero, Align::kRight));
  result.append(padded);
  return runtime.make_text(std::move(result));
}

/// The part of self between the code point indexes `begin` and `end` that find() and its kin take, as bytes.
struct Window {
  std::string_view bytes;
  size_t begin;         // in bytes
  size_t begin_points;  // in code points
  bool valid;           // false if begin lies beyond the end: nothing is found, not even ""
};
Result<Window> window(Runtime& runtime, const Text& text, const Value* begin, const Value* end) {
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text.size()));
  if (unless_none(begin) == nullptr && unless_none(end) == nullptr) return Window{text.bytes(), 0, 0, true};
  const CodePointIndex index(text.bytes());
  const auto size = static_cast<int64_t>(index.size());
  SAIN_ASSIGN_OR_RETURN(int64_t first, integer_or(unless_none(begin), 0));
  SAIN_ASSIGN_OR_RETURN(int64_t last, integer_or(unless_none(end), size));
  if (first < 0) first = std::max<int64_t>(first + size, 0);
  last = last < 0 ? std::max<int64_t>(last + size, 0) : std::min(last, size);
  if (first > size || first > last) return Window{{}, 0, 0, false};
  const size_t offset = index.offset(static_cast<size_t>(first));
  const size_t length = index.offset(static_cast<size_t>(last)) - offset;
  return Window{std::string_view(text.bytes()).substr(offset, length), offset, static_cast<size_t>(first), true};
}

enum class Miss { kMinusOne, kError };
template <From kFrom, Miss kMiss>
Result<Value> find_method_of_text(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("find", arguments, {"sub", "start", "end"}, 1));
  SAIN_ASSIGN_OR_RETURN(const Text* needle, text_argument(bound[0]));
  SAIN_ASSIGN_OR_RETURN(const Window in, window(runtime, *self.text(), bound[1], bound[2]));
  size_t found = kNowhere;
  if (in.valid) {
    found = kFrom == From::kLeft ? find_bytes(in.bytes, needle->bytes()) : rfind_bytes(in.bytes, needle->bytes());
  }
  if (found != kNowhere) {
    return Value(static_cast<int64_t>(in.begin_points + count_code_points(in.bytes.substr(0, found))));
  }
  if (kMiss == Miss::kError) return template_error("index() did not find the substring");
  return Value(int64_t{-1});
}

Result<Value> count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("count", arguments, {"sub", "start", "end"}, 1));
  SAIN_ASSIGN_OR_RETURN(const Text* needle, text_argument(bound[0]));
  SAIN_ASSIGN_OR_RETURN(const Window in, window(runtime, *self.text(), bound[1], bound[2]));
  if (!in.valid) return Value(int64_t{0});
  if (needle->empty()) return Value(static_cast<int64_t>(count_code_points(in.bytes)) + 1);
  int64_t n = 0;
  for (size_t i = find_bytes(in.bytes, needle->bytes()); i != kNowhere;
       i = find_bytes(in.bytes, needle->bytes(), i + needle->size())) {
    ++n;
  }
  return Value(n);
}

template <From kFrom>
Result<Value> affix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("startswith", arguments, {"prefix", "start", "end"}, 1));
  SAIN_ASSIGN_OR_RETURN(const Window in, window(runtime, *self.text(), bound[1], bound[2]));
  const auto matches = [&](const Text& text) {
    return in.valid && (kFrom == From::kLeft ? in.bytes.starts_with(text.bytes()) : in.bytes.ends_with(text.bytes()));
  };
  const Sequence* choices = bound[0]->sequence();
  if (choices != nullptr && choices->is_tuple()) {
    for (const Value& choice : choices->items) {
      SAIN_RETURN_IF_ERROR(runtime.charge_steps(1));
      SAIN_ASSIGN_OR_RETURN(const Text* text, text_argument(&choice));
      if (matches(*text)) return Value(true);
    }
    return Value(false);
  }
  SAIN_ASSIGN_OR_RETURN(const Text* text, text_argument(bound[0]));
  return Value(matches(*text));
}

template <From kFrom>
Result<Value> remove_affix(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("removeprefix", arguments, {"affix"}, 1));
  SAIN_ASSIGN_OR_RETURN(const Text* part, text_argument(bound[0]));
  const Text& text = *self.text();
  const std::string_view bytes = text.bytes();
  if (kFrom == From::kLeft && bytes.starts_with(part->bytes())) return runtime.make_text(text.slice(part->size()));
  if (kFrom == From::kRight && bytes.ends_with(part->bytes())) {
    return runtime.make_text(text.slice(0, text.size() - part->size()));
  }
  return self;
}

/// True if the text is not empty and all its code points are so.
template <bool (*kPredicate)(uint32_t)>
Result<Value> all_are(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("a test method", arguments, {}));
  const std::string& bytes = self.text()->bytes();
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(bytes.size()));
  for (size_t i = 0; i < bytes.size();) {
    const CodePoint c = decode_at(bytes, i);
    if (!kPredicate(c.value)) return Value(false);
    i += c.n_bytes;
  }
  return Value(!bytes.empty() || kPredicate == is_printable);
}

bool is_alnum(uint32_t c) {
  return is_alpha(c) || is_numeric(c);
}
Result<Value> isascii(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("isascii", arguments, {}));
  const std::string& bytes = self.text()->bytes();
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(bytes.size()));
  return Value(std::all_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

/// islower(), isupper(): some cased character, and none of the other cases.
template <bool (*kWanted)(uint32_t)>
Result<Value> cased_as(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("a case test", arguments, {}));
  const std::string& bytes = self.text()->bytes();
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(bytes.size()));
  bool any = false;
  for (size_t i = 0; i < bytes.size();) {
    const CodePoint c = decode_at(bytes, i);
    if (kWanted(c.value)) {
      any = true;
    } else if (is_cased(c.value)) {
      return Value(false);
    }
    i += c.n_bytes;
  }
  return Value(any);
}

Result<Value> istitle(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("istitle", arguments, {}));
  const std::string& bytes = self.text()->bytes();
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(bytes.size()));
  bool any = false;
  bool in_word = false;
  for (size_t i = 0; i < bytes.size();) {
    const CodePoint c = decode_at(bytes, i);
    const bool begins = is_upper(c.value) || is_title(c.value);
    if ((begins && in_word) || (is_lower(c.value) && !in_word)) return Value(false);
    in_word = is_cased(c.value);
    any |= in_word;
    i += c.n_bytes;
  }
  return Value(any);
}

Result<Value> expandtabs(Runtime& runtime, const Value& self, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("expandtabs", arguments, {"tabsize"}));
  SAIN_ASSIGN_OR_RETURN(const int64_t tab_size, integer_or(bound[0], 8));
  const Text& text = *self.text();
  Text result;
  int64_t column = 0;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text.bytes(), i);
    if (c.value == '\t') {
      const int64_t n_spaces = tab_size > 0 ? tab_size - column % tab_size : 0;
      SAIN_RETURN_IF_ERROR(runtime.charge_memory(static_cast<size_t>(n_spaces)));
      result.append(std::string(static_cast<size_t>(n_spaces), ' '), text.trust_at(i));
      column += n_spaces;
    } else {
      result.append(text, i, i + c.n_bytes);
      column = c.value == '\n' || c.value == '\r' ? 0 : column + 1;
    }
    i += c.n_bytes;
  }
  return runtime.make_text(std::move(result));
}

}  // namespace

Method find_text_method(std::string_view name) {
  static constexpr std::pair<std::string_view, Method> kMethods[] = {
      {"capitalize", case_method<Casing::kCapitalize>},
      {"casefold", case_method<Casing::kLower>},
      {"center", pad_method<Align::kCenter>},
      {"count", count},
      {"endswith", affix<From::kRight>},
      {"expandtabs", expandtabs},
      {"find", find_method_of_text<From::kLeft, Miss::kMinusOne>},
      {"format", brace_format},
      {"index", find_method_of_text<From::kLeft, Miss::kError>},
      {"isalnum", all_are<is_alnum>},
      {"isalpha", all_are<is_alpha>},
      {"isascii", isascii},
      {"isdecimal", all_are<is_decimal>},
      {"isdigit", all_are<is_digit>},
      {"islower", cased_as<is_lower>},
      {"isnumeric", all_are<is_numeric>},
      {"isprintable", all_are<is_printable>},
      {"isspace", all_are<is_space>},
      {"istitle", istitle},
      {"isupper", cased_as<is_upper>},
      {"join", join_method},
      {"ljust", pad_method<Align::kLeft>},
      {"lower", case_method<Casing::kLower>},
      {"lstrip", strip_method<Sides::kLeft>},
      {"partition", partition<From::kLeft>},
      {"removeprefix", remove_affix<From::kLeft>},
      {"removesuffix", remove_affix<From::kRight>},
      {"replace", replace_method},
      {"rfind", find_method_of_text<From::kRight, Miss::kMinusOne>},
      {"rindex", find_method_of_text<From::kRight, Miss::kError>},
      {"rjust", pad_method<Align::kRight>},
      {"rpartition", partition<From::kRight>},
      {"rsplit", split_method<From::kRight>},
      {"rstrip", strip_method<Sides::kRight>},
      {"split", split_method<From::kLeft>},
      {"splitlines", splitlines},
      {"startswith", affix<From::kLeft>},
      {"strip", strip_method<Sides::kBoth>},
      {"swapcase", case_method<Casing::kSwap>},
      {"title", case_method<Casing::kTitle>},
      {"upper", case_method<Casing::kUpper>},
      {"zfill", zfill},
  };
  const auto* const found =
      std::find_if(std::begin(kMethods), std::end(kMethods), [&](const auto& entry) { return entry.first == name; });
  return found == std::end(kMethods) ? nullptr : found->second;
}

}  // namespace sain::formats::jinja
