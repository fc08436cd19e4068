// A package that tests make in a folder, and change.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "router/packages/checksums.h"
#include "router/packages/manifest.h"
#include "router/packages/store.h"
#include "tests/support/temporary_folder.h"

namespace sain::router::test {

inline void write_text(const std::filesystem::path& file, std::string_view text) {
  std::ofstream(file, std::ios::binary) << text;
}

inline constexpr std::string_view kChessIntents = R"(
openings = ["what do I play against e4", "name an opening for black"]
endgames = ["rook and pawn against rook", "how do I mate with two bishops"]
)";

inline std::string chess_manifest(std::string_view version) {
  return R"(
name = "chess"
version = ")" +
         std::string(version) + R"("
description = "openings, tactics, endgames"
boundaries = "No other games; a chess program in code is coding's."
licence = "Apache-2.0"
model = "model.gguf"
system_prompt = "You are a chess master."
max_tokens = 4
intents = "intents.toml"

[metric]
name = "openings by name"
questions = "questions.toml"
)";
}

inline constexpr std::string_view kChessQuestions = R"(
[[question]]
prompt = "What is 1. e4 e5 2. Nf3 Nc6 3. Bb5 called?"
answers = ["Ruy Lopez", "Spanish"]
)";

/// The package of a chess specialist, whole and with its checksums. `model` is the content of its model file.
inline void make_chess(const std::filesystem::path& folder, std::string_view version, std::string_view model) {
  std::filesystem::create_directories(folder);
  write_text(folder / kManifestName, chess_manifest(version));
  write_text(folder / "intents.toml", kChessIntents);
  write_text(folder / "questions.toml", kChessQuestions);
  write_text(folder / "model.gguf", model);
  const auto sums = checksums_of_files(folder, {"package.toml", "intents.toml", "questions.toml", "model.gguf"});
  ASSERT_TRUE(sums) << sums.error().message;
  write_text(folder / kChecksumsName, to_text(*sums));
}

}  // namespace sain::router::test
