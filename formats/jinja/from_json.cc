#include "formats/jinja/from_json.h"

#include <limits>

namespace sain::formats::jinja {
namespace {

using Json = nlohmann::ordered_json;

Result<Value> convert(Runtime& runtime, const Json& json, Trust trust, size_t depth) {
  if (depth > kMaxValueDepth) {
    return make_error(ErrorCode::kResourceExhausted, "input nested deeper than {}", kMaxValueDepth);
  }
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value(json.get<bool>()).with_scalar_trust(trust);
    case Json::value_t::number_integer:
      return Value(json.get<int64_t>(), trust);
    case Json::value_t::number_unsigned: {
      const auto number = json.get<uint64_t>();
      const bool fits = number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      return fits ? Value(static_cast<int64_t>(number), trust) : Value(static_cast<double>(number), trust);
    }
    case Json::value_t::number_float:
      return Value(json.get<double>(), trust);
    case Json::value_t::string:
      return runtime.make_text(json.get_ref<const std::string&>(), trust);
    case Json::value_t::array: {
      Values items;
      for (const Json& item : json) {
        SAIN_ASSIGN_OR_RETURN(Value value, convert(runtime, item, trust, depth + 1));
        items.push_back(std::move(value));
      }
      return runtime.make_list(std::move(items));
    }
    case Json::value_t::object: {
      std::vector<std::pair<Value, Value>> entries;
      for (const auto& [key, item] : json.items()) {
        SAIN_ASSIGN_OR_RETURN(Value name, runtime.make_text(key, trust));
        SAIN_ASSIGN_OR_RETURN(Value value, convert(runtime, item, trust, depth + 1));
        entries.emplace_back(std::move(name), std::move(value));
      }
      return runtime.make_dict(std::move(entries));
    }
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  return Value(None{}).with_scalar_trust(trust);
}

}  // namespace

Result<Value> from_json(Runtime& runtime, const Json& json, Trust trust) {
  return convert(runtime, json, trust, 1);
}

}  // namespace sain::formats::jinja
