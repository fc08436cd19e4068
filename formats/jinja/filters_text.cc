#include <algorithm>

#include "formats/jinja/filters.h"
#include "formats/jinja/methods.h"
#include "formats/jinja/operators.h"
#include "formats/jinja/text_operations.h"
#include "formats/jinja/to_text.h"
#include "formats/jinja/unicode.h"

namespace sain::formats::jinja {
namespace {

template <Casing kCasing>
Result<Value> change_case_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("a case filter", arguments, {}));
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  return runtime.make_text(change_case(text, kCasing));
}

/// title: words begin after white space and -({[<, unlike those of str.title().
Result<Value> title(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("title", arguments, {}));
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  Text result;
  bool begins_word = true;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text.bytes(), i);
    std::string changed;
    append_case(changed, c.value, begins_word ? Case::kUpper : Case::kLower);
    result.append(changed, text.trust_at(i));
    const bool opening =
        c.value < 0x80 && std::string_view("-({[<").find(static_cast<char>(c.value)) != std::string::npos;
    begins_word = is_space(c.value) || opening;
    i += c.n_bytes;
  }
  return runtime.make_text(std::move(result));
}

Result<Value> trim(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("trim", arguments, {"chars"}));
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  const Text* characters = nullptr;
  if (bound[0] != nullptr && !bound[0]->is_none()) {
    SAIN_ASSIGN_OR_RETURN(characters, text_argument(bound[0]));
    SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(std::min<size_t>(characters->size(), 1 << 20) * text.size()));
  }
  return runtime.make_text(strip(text, characters, Sides::kBoth));
}

Result<Value> replace_filter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("replace", arguments, {"old", "new", "count"}, 2));
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  SAIN_ASSIGN_OR_RETURN(const Text from, to_text(runtime, *bound[0]));
  SAIN_ASSIGN_OR_RETURN(const Text to, to_text(runtime, *bound[1]));
  const bool everywhere = bound[2] == nullptr || bound[2]->is_none();
  SAIN_ASSIGN_OR_RETURN(const int64_t count, integer_or(everywhere ? nullptr : bound[2], -1));
  SAIN_ASSIGN_OR_RETURN(Text result, replace(runtime, text, from, to, count));
  return runtime.make_text(std::move(result));
}

Result<Value> indent(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("indent", arguments, {"width", "first", "blank"}));
  SAIN_ASSIGN_OR_RETURN(const Text* text, text_argument(&input));
  Text indentation;
  if (bound[0] != nullptr && bound[0]->text() != nullptr) {
    indentation = *bound[0]->text();
  } else {
    SAIN_ASSIGN_OR_RETURN(const int64_t width, integer_or(bound[0], 4));
    const size_t n_spaces = width > 0 ? static_cast<size_t>(width) : 0;
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(n_spaces));
    indentation.append(std::string(n_spaces, ' '), Trust::kTemplate);
  }
  SAIN_ASSIGN_OR_RETURN(std::vector<Text> lines, split_lines(runtime, *text, false));
  // The reference implementation appends a line end first: the text's own last one opens an empty line.
  if (text->empty() || text->bytes().ends_with('\n')) lines.emplace_back();
  Text result;
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool indented = i == 0 ? flag(bound[1]) : flag(bound[2]) || !lines[i].empty();
    SAIN_RETURN_IF_ERROR(runtime.charge_memory(lines[i].size() + indentation.size() + 1));
    if (i > 0) result.append("\n", Trust::kTemplate);
    if (indented) result.append(indentation);
    result.append(lines[i]);
  }
  return runtime.make_text(std::move(result));
}

Result<Value> truncate(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("truncate", arguments, {"length", "killwords", "end", "leeway"}));
  SAIN_ASSIGN_OR_RETURN(const Text* text, text_argument(&input));
  SAIN_ASSIGN_OR_RETURN(const int64_t length, integer_or(bound[0], 255));
  const Text dots("...", Trust::kTemplate);
  SAIN_ASSIGN_OR_RETURN(const Text* end, bound[2] == nullptr ? Result<const Text*>(&dots) : text_argument(bound[2]));
  const bool no_leeway = bound[3] == nullptr || bound[3]->is_none();
  SAIN_ASSIGN_OR_RETURN(const int64_t leeway, integer_or(no_leeway ? nullptr : bound[3], 5));
  const auto end_size = static_cast<int64_t>(count_code_points(end->bytes()));
  if (length < end_size || leeway < 0) return template_error("truncate() to {} characters, leeway {}", length, leeway);
  SAIN_RETURN_IF_ERROR(runtime.charge_text_scan(text->size()));
  const CodePointIndex index(text->bytes());
  const auto size = static_cast<int64_t>(index.size());
  if (size - leeway <= length) return input;
  Text result = text->slice(0, index.offset(static_cast<size_t>(length - end_size)));
  const size_t space = result.bytes().rfind(' ');
  if (!flag(bound[1]) && space != std::string::npos) result = result.slice(0, space);
  result.append(*end);
  return runtime.make_text(std::move(result));
}

Result<Value> wordcount(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("wordcount", arguments, {}));
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  int64_t n_words = 0;
  bool in_word = false;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = decode_at(text.bytes(), i);
    const bool word_character = is_alpha(c.value) || is_numeric(c.value) || c.value == '_';
    if (word_character && !in_word) ++n_words;
    in_word = word_character;
    i += c.n_bytes;
  }
  return Value(n_words);
}

Result<Value> center(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound, bind("center", arguments, {"width"}));
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  SAIN_ASSIGN_OR_RETURN(const int64_t width, integer_or(bound[0], 80));
  SAIN_ASSIGN_OR_RETURN(Text result, pad(runtime, text, width, Text(" ", Trust::kTemplate), Align::kCenter));
  return runtime.make_text(std::move(result));
}

Result<Value> format(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  if (!arguments.keywords.empty()) {
    if (!arguments.positional.empty()) return template_error("format takes positional or keyword arguments, not both");
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [keyword, value] : arguments.keywords) {
      SAIN_ASSIGN_OR_RETURN(Value key, runtime.make_text(keyword, Trust::kTemplate));
      entries.emplace_back(std::move(key), value);
    }
    SAIN_ASSIGN_OR_RETURN(const Value dict, runtime.make_dict(std::move(entries)));
    return percent_format(runtime, text, dict);
  }
  SAIN_ASSIGN_OR_RETURN(const Value tuple, runtime.make_tuple(arguments.positional));
  return percent_format(runtime, text, tuple);
}

Result<Value> escape(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("escape", arguments, {}));
  if (input.text() != nullptr && input.text()->markup) return input;
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  SAIN_ASSIGN_OR_RETURN(Text escaped, escape_html(runtime, text));
  return runtime.make_text(std::move(escaped));
}

Result<Value> force_escape(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("forceescape", arguments, {}));
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  SAIN_ASSIGN_OR_RETURN(Text escaped, escape_html(runtime, text));
  return runtime.make_text(std::move(escaped));
}

Result<Value> safe(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("safe", arguments, {}));
  SAIN_ASSIGN_OR_RETURN(Text text, to_text(runtime, input));
  text.markup = true;
  return runtime.make_text(std::move(text));
}

Result<Value> string(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("string", arguments, {}));
  if (input.text() != nullptr) return input;
  SAIN_ASSIGN_OR_RETURN(Text text, to_text(runtime, input));
  return runtime.make_text(std::move(text));
}

Result<Value> urlencode(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_RETURN_IF_ERROR(bind("urlencode", arguments, {}));
  if (input.dict() != nullptr || input.sequence() != nullptr) {
    return make_error(ErrorCode::kUnsupported, "urlencode of a {}", type_name(input));
  }
  SAIN_ASSIGN_OR_RETURN(const Text text, to_text(runtime, input));
  Text result;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text.bytes()[i];
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~/").find(c) != std::string_view::npos;
    if (plain) {
      result.append(text, i, i + 1);
    } else {
      result.append(fmt::format("%{:02X}", static_cast<unsigned char>(c)), text.trust_at(i));
    }
  }
  return runtime.make_text(std::move(result));
}

/// tojson as transformers defines it for chat templates: no HTML escapes, and characters as they are.
Result<Value> tojson(Runtime& runtime, const Value& input, const Arguments& arguments) {
  SAIN_ASSIGN_OR_RETURN(const Bound bound,
                        bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensure_ascii = flag(bound[0]);
  style.sort_keys = flag(bound[3]);
  if (bound[1] != nullptr && !bound[1]->is_none()) {
    style.item_separator.pop_back();  // a comma alone, as a line end follows
    if (const Text* text = bound[1]->text()) {
      style.indent = text->bytes();
    } else {
      SAIN_ASSIGN_OR_RETURN(const int64_t width, integer_or(bound[1], 0));
      const size_t n_spaces = width > 0 ? static_cast<size_t>(width) : 0;
      SAIN_RETURN_IF_ERROR(runtime.charge_memory(n_spaces));
      style.indent = std::string(n_spaces, ' ');
    }
  }
  if (bound[2] != nullptr && !bound[2]->is_none()) {
    SAIN_ASSIGN_OR_RETURN(const auto separators, iterate(runtime, *bound[2]));
    if (separators->items.size() != 2) return template_error("tojson takes two separators");
    SAIN_ASSIGN_OR_RETURN(const Text* item, text_argument(&separators->items[0]));
    SAIN_ASSIGN_OR_RETURN(const Text* key, text_argument(&separators->items[1]));
    style.item_separator = item->bytes();
    style.key_separator = key->bytes();
  }
  SAIN_ASSIGN_OR_RETURN(Text text, to_json(runtime, input, style));
  return runtime.make_text(std::move(text));
}

}  // namespace

Filter find_text_filter(std::string_view name) {
  static constexpr std::pair<std::string_view, Filter> kFilters[] = {
      {"capitalize", change_case_filter<Casing::kCapitalize>},
      {"center", center},
      {"e", escape},
      {"escape", escape},
      {"forceescape", force_escape},
      {"format", format},
      {"indent", indent},
      {"lower", change_case_filter<Casing::kLower>},
      {"replace", replace_filter},
      {"safe", safe},
      {"string", string},
      {"title", title},
      {"tojson", tojson},
      {"trim", trim},
      {"truncate", truncate},
      {"upper", change_case_filter<Casing::kUpper>},
      {"urlencode", urlencode},
      {"wordcount", wordcount},
  };
  const auto* const found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [&](const auto& entry) { return entry.first == name; });
  return found == std::end(kFilters) ? nullptr : found->second;
}

}  // namespace sain::formats::jinja
