// The vectors that make_chat_template_vectors.py wrote with Jinja2 as the oracle.
#include <cstdlib>
#include <ctime>

#include "tests/formats/chat_template_fixture.h"

namespace sain::formats {
namespace {

class JinjaVectors : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);  // strftime_now() gives local time; the vectors were made in this zone
    tzset();
  }
};

TEST_F(JinjaVectors, SnippetsRenderAsInJinja2) {
  const Json vectors = Json::parse(read_template_data("snippets.json"));
  ASSERT_GE(vectors["snippets"].size(), 600U);
  const ChatTemplateInput input = input_of(vectors, vectors["now"]);
  for (const Json& snippet : vectors["snippets"]) {
    const auto source = snippet["template"].get<std::string>();
    expect_as_oracle(render(source, input), snippet, source);
  }
}

TEST_F(JinjaVectors, ConversationsRenderAsInJinja2) {
  const Json vectors = Json::parse(read_template_data("conversations.json"));
  ASSERT_GE(vectors["results"].size(), 200U);
  for (const Json& result : vectors["results"]) {
    const auto file = result["template"].get<std::string>();
    const auto conversation = result["conversation"].get<std::string>();
    const auto compiled = ChatTemplate::compile(read_template_data(file), file);
    ASSERT_TRUE(compiled) << compiled.error().message;
    const ChatTemplateInput input = input_of(vectors["conversations"][conversation], vectors["now"]);
    expect_as_oracle(compiled->render(input), result, file + ", " + conversation);
  }
}

}  // namespace
}  // namespace sain::formats
