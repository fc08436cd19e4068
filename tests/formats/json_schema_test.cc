#include "formats/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/formats/accepts.h"

namespace sain::formats {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

struct Case {
  const char* schema;
  std::vector<std::string> texts, others;
};

void expect_fits(const Case& c) {
  const auto grammar = json_schema_grammar(Json::parse(c.schema));
  ASSERT_TRUE(grammar) << c.schema << ": " << grammar.error().message;
  for (const std::string& text : c.texts) {
    EXPECT_TRUE(accepts(*grammar, text)) << c.schema << " and " << text;
    EXPECT_TRUE(Json::accept(text)) << text;
  }
  for (const std::string& text : c.others) EXPECT_FALSE(accepts(*grammar, text)) << c.schema << " and " << text;
}

TEST(JsonSchema, AnyValue) {
  const std::vector<std::string> texts = {
      "1", "-0.5e+10", "\"\"", "null", "true", "[]", "{}", "[1, [2,\n  {\"a\": []}]]", R"("\u00e9\n\ud83d\ude00é😀")"};
  const std::vector<std::string> others = {"",     "01",  ".5",     "1.",      "nul",         "[1,]",        "{\"a\"}",
                                           "'a'",  "\"a", "\"\n\"", "\"\\x\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\xC3\"",
                                           "[1]]", " 1",  "1 "};
  expect_fits({"{}", texts, others});
  expect_fits({"true", texts, others});
  expect_fits({R"({"title": "T", "description": "D", "default": 1, "$defs": {"x": {}}})", texts, others});
}

TEST(JsonSchema, AnyObject) {
  const Grammar grammar = json_object_grammar();
  EXPECT_TRUE(accepts(grammar, R"({"a": {"b": [1, "x"]}, "c": null})"));
  for (const char* text : {"[]", "1", "{\"a\":1", " {}", "{} "}) EXPECT_FALSE(accepts(grammar, text)) << text;
}

// A model that likes white space cannot go on with it for ever.
TEST(JsonSchema, WhiteSpaceIsBounded) {
  expect_fits({R"({"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]})",
               {R"({"a":[]})", R"({ "a": [ ] })", "{\n    \"a\": [\n        1,\n        2\n    ]\n}"},
               {"{  \"a\":[]}", "{\n\n\"a\":[]}", "{\"a\" :[]}", "{\"a\":  []}", "{\"a\":\n[]}", "{\"a\":[1 ,2]}",
                "{\n" + std::string(25, ' ') + "\"a\":[]}"}});
}

TEST(JsonSchema, Objects) {
  expect_fits({R"({"properties": {"a": {"type": "integer"}, "b\"é": {"type": "null"}, "c": {"type": "boolean"}},
                   "required": ["c"]})",
               {R"({"c":true})", R"({"a":1,"c":true})", R"({"a":1,"b\"é":null,"c":false})"},
               {"{}", R"({"a":1})", R"({"c":true,"a":1})", R"({"a":1,"a":1,"c":true})", R"({"c":true,"d":1})",
                R"({,"c":true})"}});
  expect_fits({R"({"properties": {"a": {}, "b": {}}})",
               {"{}", R"({"a":1})", R"({"b":1})", R"({"a":1,"b":2})"},
               {R"({"b":1,"a":2})", R"({"c":1})"}});
  expect_fits({R"({"type": "object", "required": ["x"]})", {R"({"x":1})"}, {"{}", R"({"y":1})"}});
  expect_fits({R"({"type": "object", "additionalProperties": false})", {"{}"}, {R"({"y":1})"}});
  expect_fits({R"({"type": "object", "additionalProperties": {"type": "integer"}})",
               {"{}", R"({"y":1,"z":2})"},
               {R"({"y":"1"})"}});
  expect_fits({R"({"properties": {"ab": {"type": "null"}, "a": {"type": "null"}, "x\n": {}}, "required": ["ab"],
                   "additionalProperties": {"type": "integer"}})",
               {R"({"ab":null})", R"({"ab":null,"abc":1,"b":2,"":3,"é":4})", R"({"ab":null,"a":null,"aa":1})"},
               {R"({"ab":null,"ab":1})", R"({"ab":null,"a":1})", R"({"ab":null,"\u0061b":1})"}});
  expect_fits({R"({"properties": {"a": {}, "b": false}})", {"{}", R"({"a":1})"}, {R"({"b":1})"}});
}

TEST(JsonSchema, Arrays) {
  expect_fits({R"({"items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
               {"[1]", "[1,2]", "[1, 2, 3]"},
               {"[]", "[1,2,3,4]", "[\"a\"]"}});
  expect_fits({R"({"items": {"type": "integer"}})", {"[]", "[1,2,3,4,5]"}, {"[null]"}});
  expect_fits({R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"}});
  expect_fits(
      {R"({"prefixItems": [{"type": "integer"}, {"type": "null"}], "items": {"type": "boolean"}, "minItems": 1})",
       {"[1]", "[1,null]", "[1,null,true,false]"},
       {"[]", "[null]", "[1,true]", "[1,null,1]"}});
  expect_fits({R"({"prefixItems": [{"type": "integer"}, {"type": "null"}], "items": false})",
               {"[]", "[1]", "[1,null]"},
               {"[1,null,1]"}});
  expect_fits({R"({"prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "minItems": 3, "maxItems": 3})",
               {"[1,null,null]"},
               {"[1]", "[1,null]", "[1,null,null,null]"}});
}

TEST(JsonSchema, Strings) {
  expect_fits({R"({"type": "string", "minLength": 2, "maxLength": 3})",
               {R"("ab")", R"("é😀\n")", R"("\ud83d\ude00a")"},
               {R"("a")", R"("abcd")", R"("")"}});
  expect_fits({R"({"minLength": 2})", {R"("ab")", R"("abcdef")"}, {R"("a")"}});
  expect_fits({R"({"type": "string", "pattern": "^[A-Z]{2}-\\d+$"})",
               {R"("AB-1")", R"("XY-123")"},
               {R"("A-1")", R"("AB-")", R"("xAB-1")"}});
  expect_fits({R"({"format": "date"})",
               {R"("2024-02-28")", R"("1999-12-31")"},
               {R"("2024-02-30")", R"("2024-04-31")", R"("2024-13-01")", R"("0000-01-01")", R"("24-01-01")"}});
  expect_fits(
      {R"({"format": "time"})", {R"("23:59:59Z")", R"("01:02:03.5+01:00")"}, {R"("24:00:00Z")", R"("01:02:03")"}});
  expect_fits(
      {R"({"format": "date-time"})", {R"("2024-02-28T23:59:59Z")"}, {R"("2024-02-28")", R"("2024-02-28 23:59:59Z")"}});
  expect_fits({R"({"format": "uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123e4567")"}});
  expect_fits({R"({"format": "email"})", {R"("a.b@example.com")"}, {R"("a.b")", R"("a@b")"}});
  expect_fits({R"({"format": "ipv4"})", {R"("0.10.199.255")"}, {R"("256.0.0.1")", R"("1.2.3")", R"("01.2.3.4")"}});
  expect_fits({R"({"format": "uri"})", {R"("https://example.com/a?b=c#d")"}, {R"("example")"}});
}

TEST(JsonSchema, Numbers) {
  expect_fits({R"({"type": "integer"})", {"0", "-1", "1234567890123456"}, {"1.0", "-", "12345678901234567", "00"}});
  expect_fits({R"({"type": "integer", "minimum": -17, "maximum": 1234})",
               {"-17", "-9", "0", "999", "1000", "1234"},
               {"-18", "1235", "2000", "-20", "01"}});
  expect_fits(
      {R"({"type": "integer", "exclusiveMinimum": 99, "exclusiveMaximum": 101})", {"100"}, {"99", "101", "10"}});
  expect_fits({R"({"type": "integer", "minimum": 10, "exclusiveMinimum": 10})", {"11", "123"}, {"10", "9"}});
  expect_fits({R"({"type": "integer", "maximum": -7})", {"-7", "-10"}, {"-6", "0", "7"}});
  expect_fits({R"({"minimum": 0, "maximum": 1})", {"0", "0.25", "1"}, {"-0.1", "1.5", "2"}});
  expect_fits({R"({"exclusiveMinimum": 0})", {"0.01", "1", "7.5"}, {"0", "0.00", "-1"}});
  expect_fits({R"({"minimum": -3, "exclusiveMaximum": -1})", {"-3", "-2.5", "-1.01"}, {"-1", "-1.0", "-3.1", "1"}});
  expect_fits({R"({"type": ["integer", "null"], "minimum": 5})", {"5", "null"}, {"4"}});
}

TEST(JsonSchema, Values) {
  expect_fits({R"({"enum": ["a\"b", 1, null, {"x": [1]}, "é\n"]})",
               {R"("a\"b")", "1", "null", R"({"x":[1]})", R"("é\n")"},
               {"2", R"("a")"}});
  expect_fits({R"({"type": "string", "enum": ["x", 1]})", {R"("x")"}, {"1"}});
  expect_fits({R"({"const": -1.5})", {"-1.5"}, {"1"}});
}

TEST(JsonSchema, Combinations) {
  expect_fits({R"({"anyOf": [{"type": "integer"}, {"type": "null"}]})", {"1", "null"}, {"true"}});
  expect_fits({R"({"oneOf": [{"type": "integer"}, {"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"const": "x"}}})",
               {"1", R"("x")"},
               {"true"}});
  expect_fits({R"({"type": "integer", "nullable": true})", {"1", "null"}, {"true"}});
  expect_fits({R"({"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]},
                             {"properties": {"b": {"const": 1}, "a": {"maximum": 3}}, "required": ["b"]}], "type": "object"})",
               {R"({"a":2,"b":1})"},
               {R"({"a":2})", R"({"b":1})", R"({"a":4,"b":1})"}});
  expect_fits({R"({"$ref": "#/$defs/n", "maximum": 5, "$defs": {"n": {"type": "integer", "minimum": 3}}})",
               {"3", "5"},
               {"2", "6"}});
  expect_fits({R"({"properties": {"a": {}, "b": {}}, "additionalProperties": false,
                   "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})",
               {R"({"a":1})", R"({"b":1})"},
               {"{}"}});
}

TEST(JsonSchema, Recursion) {
  expect_fits({R"({"properties": {"v": {"type": "integer"}, "next": {"$ref": "#"}}, "required": ["v"]})",
               {R"({"v":1})", R"({"v":1,"next":{"v":2,"next":{"v":3}}})"},
               {R"({"v":1,"next":{}})"}});
  expect_fits(
      {R"({"$ref": "#/definitions/t", "definitions": {"t": {"type": "array", "items": {"$ref": "#/definitions/t"}}}})",
       {"[]", "[[],[[]]]"},
       {"[1]"}});
}

TEST(JsonSchema, ErrorsNamePlaceAndKeyword) {
  struct {
    const char* schema;
    ErrorCode code;
    const char* message;
  } const cases[] = {
      {"1", ErrorCode::kInvalidArgument, "schema at '': expected a schema, found a JSON number"},
      {"false", ErrorCode::kInvalidArgument, "nothing fits the schema 'false'"},
      {R"({"type": "float"})", ErrorCode::kInvalidArgument, "schema at '/type': there is no type 'float'"},
      {R"({"properties": {"a/b": {"not": {}}}})", ErrorCode::kUnsupported,
       "schema at '/properties/a~1b': the keyword 'not' is not supported"},
      {R"({"items": {"uniqueItems": true}})", ErrorCode::kUnsupported, "schema at '/items': the keyword 'uniqueItems'"},
      {R"({"properties": {"a": {"format": "hostname"}}})", ErrorCode::kUnsupported,
       "schema at '/properties/a/format': expected date, time"},
      {R"-({"pattern": "(?=a)"})-", ErrorCode::kUnsupported, "schema at '/pattern': expected plain groups at offset 1"},
      {R"({"pattern": "[a"})", ErrorCode::kInvalidArgument, "schema at '/pattern': expected ']' at offset 2"},
      {R"({"pattern": "a", "maxLength": 3})", ErrorCode::kUnsupported, "only one of 'pattern', 'format', and a length"},
      {R"({"minLength": -1})", ErrorCode::kInvalidArgument, "schema at '/minLength': expected a whole number"},
      {R"({"minLength": 3, "maxLength": 2})", ErrorCode::kInvalidArgument, "expected 'minLength' at most"},
      {R"({"maxItems": 1e9})", ErrorCode::kUnsupported,
       "schema at '/maxItems': expected a whole number from 0 to 65536"},
      {R"({"minItems": 3, "maxItems": 2})", ErrorCode::kInvalidArgument, "no number of items fits"},
      {R"({"minimum": 0.5})", ErrorCode::kUnsupported, "schema at '/minimum': expected a whole number"},
      {R"({"type": "integer", "minimum": 3, "maximum": 2})", ErrorCode::kInvalidArgument, "an integer between"},
      {R"({"minimum": 3, "exclusiveMaximum": 3})", ErrorCode::kInvalidArgument, "a number between the bounds"},
      {R"({"enum": []})", ErrorCode::kInvalidArgument, "schema at '/enum': expected at least one value"},
      {R"({"enum": [1], "type": "string"})", ErrorCode::kInvalidArgument, "expected at least one value of the type"},
      {R"({"properties": []})", ErrorCode::kInvalidArgument, "schema at '/properties': expected an object"},
      {R"({"required": [1]})", ErrorCode::kInvalidArgument, "schema at '/required': expected a list of names"},
      {R"({"anyOf": []})", ErrorCode::kInvalidArgument, "schema at '/anyOf': expected a list of schemas"},
      {R"({"$ref": "#/$defs/x"})", ErrorCode::kInvalidArgument, "schema at '/$ref': '#/$defs/x' is not in the schema"},
      {R"({"$ref": "http://example.com"})", ErrorCode::kUnsupported, "schema at '/$ref': expected a JSON pointer"},
      {R"({"$ref": "#"})", ErrorCode::kInvalidArgument, "leads back to itself"},
      {R"({"anyOf": [{"type": "null"}, {"$ref": "#"}]})", ErrorCode::kInvalidArgument, "leads back to itself"},
      {R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})", ErrorCode::kInvalidArgument,
       "leads back to itself"},
      {R"({"allOf": [{"const": 1}, {"const": 2}]})", ErrorCode::kUnsupported, "'const' differs between schemas"},
      {R"({"allOf": [{"type": "string"}, {"type": "null"}]})", ErrorCode::kInvalidArgument, "'type': nothing fits"},
      {R"({"allOf": [{"properties": {"a": {}}, "additionalProperties": false}, {"properties": {"b": {}}}]})",
       ErrorCode::kUnsupported, "schema at '/allOf/1': 'additionalProperties' beside"},
  };
  for (const auto& c : cases) {
    const auto grammar = json_schema_grammar(Json::parse(c.schema));
    ASSERT_FALSE(grammar) << c.schema;
    EXPECT_EQ(grammar.error().code, c.code) << grammar.error().message;
    EXPECT_THAT(grammar.error().message, HasSubstr(c.message)) << c.schema;
  }
}

TEST(JsonSchema, HostileSizesAreErrors) {
  std::string deep = "{}";
  for (int i = 0; i < 5000; ++i) deep = R"({"items":)" + deep + "}";
  Json wide;
  for (int i = 0; i < 60'000; ++i) wide["prefixItems"].push_back(true);
  Json many = {{"type", "string"}, {"minLength", 65'000}};  // five rules of that many states each
  for (int i = 0; i < 4; ++i) many = {{"items", many}, {"minItems", 65'000}};
  for (const Json& schema : {Json::parse(deep), wide, many}) {
    const auto grammar = json_schema_grammar(schema);
    ASSERT_FALSE(grammar);
    EXPECT_EQ(grammar.error().code, ErrorCode::kResourceExhausted) << grammar.error().message;
  }
  Json doubling = {{"$ref", "#/$defs/0"}};  // each definition needs the next one twice
  for (int i = 0; i < 60; ++i) {
    const Json next = {{"$ref", "#/$defs/" + std::to_string(i + 1)}};
    doubling["$defs"][std::to_string(i)] = {{"allOf", {next, next}}};
  }
  doubling["$defs"]["60"] = {{"type", "null"}};
  EXPECT_FALSE(json_schema_grammar(doubling));
}

}  // namespace
}  // namespace sain::formats
