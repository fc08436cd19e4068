// Hostile templates and input end with an error, soon and within the bounds.

#include "tests/formats/chat_template_fixture.h"
#include "tests/support/linear_time.h"

namespace sain::formats {
namespace {

std::string repeated(std::string_view text, size_t n) {
  std::string result;
  for (size_t i = 0; i < n; ++i) result += text;
  return result;
}

class JinjaBounds : public ::testing::Test {
 protected:
  // A sixteenth of the usual bounds, for the time that an instrumented build takes to reach them.
  static constexpr TemplateLimits kLimits = {
      .steps = 1'250'000, .output_bytes = 1 << 20, .memory_bytes = 16 << 20, .depth = TemplateLimits().depth};

  void expect_exhausted(const std::string& source) {
    const auto prompt = render(source, {}, kLimits);
    ASSERT_FALSE(prompt) << source.substr(0, 200);
    EXPECT_EQ(prompt.error().code, ErrorCode::kResourceExhausted) << source.substr(0, 200) << prompt.error().message;
    const bool located = prompt.error().message.find("line ") != std::string::npos ||
                         prompt.error().message.find("a source of") != std::string::npos;
    EXPECT_TRUE(located) << prompt.error().message;
  }
};

TEST_F(JinjaBounds, Steps) {
  expect_exhausted("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}");
  expect_exhausted("{% for a in range(100000) %}{% for b in range(1000) %}{% set c = a + b %}{% endfor %}{% endfor %}");
  expect_exhausted(
      "{% macro m(n) %}{% for i in range(9) %}{{ m(n - 1) if n > 0 }}{% endfor %}{% endmacro %}{{ m(30) }}");
}

TEST_F(JinjaBounds, Memory) {
  expect_exhausted("{{ 'a' * 10**9 }}");
  expect_exhausted("{{ 10**12 * 'ab' }}");
  expect_exhausted("{{ [0] * 10**10 }}");
  expect_exhausted("{{ (1, 2) * 9223372036854775807 }}");
  expect_exhausted("{% set x = 'a' * 100000 %}{{ x | replace('a', x) }}");
  expect_exhausted("{% set x = 'a' * 100000 %}{{ x.replace('', x) }}");
  expect_exhausted(
      "{% set ns = namespace(s='abcd') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}");
  expect_exhausted(
      "{% set ns = namespace(s='abcd') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}");
  expect_exhausted("{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}");
  expect_exhausted("{{ ('a' * 100000).center(2000000000) }}");
  expect_exhausted("{{ 'a'.ljust(10**15) }}{{ 'a'.zfill(10**15) }}");
  expect_exhausted("{{ '%1000000000000d' % 5 }}");
  expect_exhausted("{{ '%.1000000000000d' % 5 }}");
  expect_exhausted("{{ '%.99999f' % 5 }}");
  expect_exhausted("{{ '{:1000000000000}'.format('a') }}");
  expect_exhausted("{{ 'a\\n' | indent(10**12, true) }}");
  expect_exhausted("{{ ('\\n' * 1000000) | indent('x' * 1000, true, true) }}");
  expect_exhausted("{{ '\\t'.expandtabs(10**12) }}");
  expect_exhausted("{{ ('a' * 10000000) | list }}");
  expect_exhausted("{{ ('a ' * 5000000).split() }}");
  expect_exhausted("{{ ('a ' * 5000000).split(' ') }}");
  expect_exhausted("{{ ('a\\n' * 5000000).splitlines() }}");
  expect_exhausted("{{ [1] | batch(10**12, 0) | list }}");
  expect_exhausted("{{ [1] | slice(10**12) | list }}");
  expect_exhausted("{{ [1] | tojson(indent=10**12) }}");
  expect_exhausted("{% for i in range(100000) %}{% set a = ['x' * 100000] | join %}{% endfor %}");
  expect_exhausted("{% set l = ['x' * 100000] * 100000 %}{{ l | join }}");
  expect_exhausted("{% set l = ['x' * 1000000] * 1000 %}{{ ','.join(l) }}");
  expect_exhausted(
      "{% for i in range(100000) %}{% for j in range(100000) %}{% set n = namespace() %}{% endfor %}{% endfor %}");
}

TEST_F(JinjaBounds, RangeAndIntegers) {
  expect_exhausted("{{ range(10**9) | length }}");
  expect_exhausted("{{ range(-9223372036854775807, 9223372036854775807) | length }}");
  expect_exhausted("{{ 9223372036854775807 + 1 }}");
  expect_exhausted("{{ -9223372036854775807 - 2 }}");
  expect_exhausted("{{ 9223372036854775807 * 2 }}");
  expect_exhausted("{{ 10 ** 19 }}");
  expect_exhausted("{{ 3 ** 1000000000000 }}");
  expect_exhausted("{{ -(-9223372036854775807 - 1) }}");
  expect_exhausted("{{ (-9223372036854775807 - 1) // -1 }}");
  expect_exhausted("{{ (-9223372036854775807 - 1) | abs }}");
  expect_exhausted("{{ '99999999999999999999' | int }}");
  expect_exhausted("{{ 1e30 | int }}");
  expect_exhausted("{{ 9223372036854775807 | round(-1) }}");
  EXPECT_EQ(render("{{ (-9223372036854775807 - 1) % -1 }} {{ -9223372036854775807 - 1 }}")->text,
            "0 -9223372036854775808");
  EXPECT_EQ(render("{{ range(9223372036854775800, 9223372036854775807, 5) | list }}")->text,
            "[9223372036854775800, 9223372036854775805]");
}

TEST_F(JinjaBounds, Output) {
  TemplateLimits limits;
  limits.output_bytes = 10;
  EXPECT_EQ(render("0123456789", {}, limits)->text, "0123456789");
  const auto prompt = render("0123456789{{ 1 }}", {}, limits);
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(prompt.error().message.find("more than 10 bytes of output"), std::string::npos) << prompt.error().message;
  expect_exhausted("{% set x = 'a' * 1000000 %}{% for i in range(100) %}{{ x }}{% endfor %}");
}

TEST_F(JinjaBounds, RecursionOfMacros) {
  expect_exhausted("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
  expect_exhausted("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}");
  expect_exhausted("{% macro m(x=m()) %}{% endmacro %}{% macro n(x=n()) %}{% endmacro %}{{ n() }}");
  expect_exhausted("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}");
  expect_exhausted("{% macro m(c) %}" + repeated("{% if true %}", 20) + "{{ " + repeated("(1 + ", 20) + "c(c)" +
                   repeated(")", 20) + " }}" + repeated("{% endif %}", 20) + "{% endmacro %}{{ m(m) }}");
  EXPECT_EQ(render("{% macro m(n) %}{{ m(n - 1) if n > 0 else 'end' }}{% endmacro %}{{ m(60) }}")->text, "end");
}

TEST_F(JinjaBounds, NestingOfSource) {
  for (const auto& [open, close] : std::vector<std::pair<std::string, std::string>>{{"(", ")"},
                                                                                    {"[", "]"},
                                                                                    {"{1:", "}"},
                                                                                    {"-", ""},
                                                                                    {"not ", ""},
                                                                                    {"x[", "]"},
                                                                                    {"x(", ")"},
                                                                                    {"x|d(", ")"},
                                                                                    {"1 if 1 else ", ""},
                                                                                    {"x is eq(", ")"},
                                                                                    {"1 + (", ")"},
                                                                                    {"x[1:", "]"},
                                                                                    {"x(*", ")"},
                                                                                    {"x(a=", ")"}}) {
    expect_exhausted("{{ " + repeated(open, 20000) + "1" + repeated(close, 20000) + " }}");
    const auto prompt = render("{{ " + repeated(open, 20) + "1" + repeated(close, 20) + " }}");
    EXPECT_TRUE(prompt || prompt.error().code == ErrorCode::kInvalidArgument) << open << prompt.error().message;
  }
  expect_exhausted("{{ x" + repeated(".a", 20000) + " }}");
  expect_exhausted("{{ x" + repeated("|upper", 20000) + " }}");
  expect_exhausted("{{ x" + repeated("[0]", 20000) + " }}");
  expect_exhausted("{{ x" + repeated("()", 20000) + " }}");
  expect_exhausted("{{ x" + repeated(" if x", 20000) + " }}");
  expect_exhausted(repeated("{% if 1 %}", 10000));
  expect_exhausted(repeated("{% for a in b %}", 10000));
  expect_exhausted(repeated("{% macro a() %}", 10000));
  expect_exhausted("{% for " + repeated("(", 20000) + "a" + repeated(")", 20000) + " in x %}{% endfor %}");
  expect_exhausted("{% filter upper" + repeated("|upper", 20000) + " %}{% endfilter %}");
  expect_exhausted("{% set x" + repeated("|upper", 20000) + " %}{% endset %}");
  const std::string sum = render("{{ 1" + repeated(" + 1", 20000) + " }}")->text;  // long, but not deep
  EXPECT_EQ(sum, "20001");
  EXPECT_EQ(render("{{ ''" + repeated(" ~ 'a'", 5000) + " }}")->text, repeated("a", 5000));
  EXPECT_EQ(render("{% if 0 %}" + repeated("{% elif 0 %}", 10000) + "{% else %}x{% endif %}")->text, "x");
}

TEST_F(JinjaBounds, Arguments) {
  expect_exhausted("{{ dict(" + repeated("1,", 300) + ") }}");
  std::string keywords, parameters;
  for (int i = 0; i < 300; ++i) {
    keywords += "p" + std::to_string(i) + "=1,";
    parameters += (i > 0 ? ",p" : "p") + std::to_string(i);
  }
  expect_exhausted("{{ dict(" + keywords + ") }}");
  expect_exhausted("{% macro m(" + parameters + ") %}{% endmacro %}");
}

TEST_F(JinjaBounds, ManyVariables) {
  std::string source;
  for (int i = 0; i < 10000; ++i) source += "{% set v" + std::to_string(i) + " = 1 %}";
  expect_exhausted(source +
                   "{% for i in range(100000) %}{% for j in range(100) %}{{ v9999 }}{{ x }}{% endfor %}{% endfor %}");
}

TEST_F(JinjaBounds, SourceBytes) {
  expect_exhausted(repeated("{{ 1 }}\n", 200000));
}

TEST_F(JinjaBounds, NestingOfValues) {
  const std::string deep =
      "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = [ns.l] %}{% endfor %}";
  expect_exhausted(deep);
  expect_exhausted("{% set ns = namespace(l={}) %}{% for i in range(100000) %}{% set ns.l = {1: ns.l} %}{% endfor %}");
  // Shared, and so cheap to hold, but endless to print, compare or convert.
  const std::string doubled =
      "{% set ns = namespace(l=['x']) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}";
  EXPECT_TRUE(render(doubled));
  expect_exhausted(doubled + "{{ ns.l }}");
  expect_exhausted(doubled + "{{ ns.l | tojson }}");
  const std::string other =
      "{% set o = namespace(l=['x']) %}{% for i in range(90) %}{% set o.l = [o.l, o.l] %}{% endfor %}";
  expect_exhausted(doubled + other + "{{ ns.l == o.l }}");
  expect_exhausted(doubled + other + "{{ ns.l < o.l }}");
  expect_exhausted(doubled + other + "{{ ns.l in [o.l] }}");
  expect_exhausted(doubled +
                   "{% set t = namespace(l=(1, 1)) %}{% for i in range(90) %}{% set t.l = (t.l, t.l) %}{% endfor %}"
                   "{{ {t.l: 1} }}");
  expect_exhausted("{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}");
}

TEST_F(JinjaBounds, NestingOfInput) {
  ChatTemplateInput input;
  Json deep = 1;
  for (int i = 0; i < 200; ++i) deep = Json::array({std::move(deep)});
  input.messages = Json::array({{{"role", "user"}, {"content", deep}}});
  const auto prompt = render("{{ messages }}", input);
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(prompt.error().message.find("input nested deeper"), std::string::npos) << prompt.error().message;
}

TEST_F(JinjaBounds, DatesAreShort) {
  EXPECT_EQ(render("{{ strftime_now('" + repeated("%Y", 100) + "') | length }}")->text, "400");
  expect_exhausted("{{ strftime_now('%Y' * 1000) }}");
  expect_exhausted("{{ strftime_now('%99999999c') }}");
}

TEST_F(JinjaBounds, SearchesTakeLinearTime) {
  for (const std::string expression : {"b in a", "a.find(b)", "a.rfind(b)", "a.count(b)", "a.replace(b, 'x')|length",
                                       "a.split(b)|length", "a.rsplit(b)|length", "a == b"}) {
    const auto search = [&](size_t n) {
      const auto prompt = render(
          fmt::format("{{% set a = 'a' * {} %}}{{% set b = 'a' * {} + 'b' %}}{{{{ {} }}}}", n, n / 2, expression));
      EXPECT_TRUE(prompt) << prompt.error().message;
    };
    EXPECT_TRUE(testing::takes_linear_time(search, 125'000)) << expression;
  }
}

TEST_F(JinjaBounds, ObjectsThatHoldThemselvesAreFreed) {
  // The leak checker of an instrumented build is what fails here.
  EXPECT_TRUE(render("{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.list = [ns, ns] %}ok"));
  EXPECT_TRUE(render("{% for i in [1, 2] %}{{ loop.changed(loop) }}{% endfor %}"));
  EXPECT_FALSE(render("{% for i in [1, 2] %}{{ loop.changed(loop) }}{{ raise_exception('x') }}{% endfor %}"));
  EXPECT_TRUE(
      render("{% set ns = namespace() %}{% for i in [1] %}{% set ns.l = loop %}{% endfor %}{{ ns.l.changed(ns.l) }}"));
  EXPECT_TRUE(
      render("{% set ns = namespace() %}{% for i in [1, 2] %}{% macro m() %}{{ i }}{{ ns.m is defined }}{% endmacro %}"
             "{% set ns.m = m %}{% endfor %}{{ ns.m() }}"));
}

}  // namespace
}  // namespace sain::formats
