// sain embed: texts as points, by an encoder.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/encoder.h"
#include "engine/thread_pool.h"
#include "router/catalog.h"
#include "tools/commands/commands.h"
#include "tools/commands/exit_code.h"
#include "tools/commands/options.h"

namespace sain::tools {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> texts;
  unsigned threads = 0;
  bool json = false;
};

Status embed(const Options& options) {
  for (const std::string& text : options.texts) SAIN_RETURN_IF_ERROR(check_utf8("TEXT", text));
  SAIN_ASSIGN_OR_RETURN(const std::filesystem::path path, router::resolve_model(options.model));
  engine::ThreadPool pool(options.threads);
  SAIN_ASSIGN_OR_RETURN(engine::Encoder encoder, engine::Encoder::load(path, pool));
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::vector<std::vector<float>> embeddings;
  for (const std::string& text : options.texts) {
    const std::vector<formats::Token> tokens = encoder.tokens(text);
    SAIN_ASSIGN_OR_RETURN(std::vector<float> embedding, encoder.embed(tokens));
    list.push_back({{"tokens", tokens}, {"embedding", embedding}});
    embeddings.push_back(std::move(embedding));
  }
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"dimension", encoder.dimension()}, {"embeddings", list}}.dump());
    return finish_output();
  }
  // How alike each pair is: 1 for the same direction.
  for (size_t i = 0; i < embeddings.size(); ++i) {
    for (size_t j = 0; j < embeddings.size(); ++j) {
      double cosine = 0;
      for (size_t k = 0; k < embeddings[i].size(); ++k) {
        cosine += static_cast<double>(embeddings[i][k]) * static_cast<double>(embeddings[j][k]);
      }
      fmt::print("{}{:6.3f}", j == 0 ? "" : "  ", cosine);
    }
    fmt::print("\n");
  }
  return finish_output();
}

}  // namespace

void add_embed_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("embed", "How alike texts are, by an encoder's embeddings");
  add_model_option(*command, options->model);
  command->add_option("text", options->texts, "The texts")->required()->type_name("TEXT");
  command->add_option("-t,--threads", options->threads, "Threads to compute with (default: the physical cores)")
      ->check(in_range(1u, 1024u))
      ->type_name("N");
  command->add_flag("--json", options->json, "Print tokens and embeddings as one JSON object");
  command->footer(
      "Prints the cosine of each text with each, a row a text.\n"
      "Example:\n  sain embed -m all-minilm-l6-v2 'Where is my parcel?' 'The delivery is late.' 'I like tea.'");
  command->callback([options, &exit_code] {
    const Status status = embed(*options);
    exit_code = status ? kSuccess : fail("embed", status.error());
  });
}

}  // namespace sain::tools
