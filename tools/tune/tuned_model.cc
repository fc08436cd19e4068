#include "tools/tune/tuned_model.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "engine/cache_dir.h"
#include "engine/session.h"
#include "engine/thread_pool.h"
#include "tools/bench/benchmark.h"
#include "tools/commands/options.h"
#include "tools/make_model/model_file.h"
#include "tools/make_model/model_spec.h"
#include "tools/progress_bar.h"

namespace sain::tools {

namespace fs = std::filesystem;

Result<TemporaryModel> TemporaryModel::create(std::string_view preset, std::stop_token stop) {
  SAIN_ASSIGN_OR_RETURN(const ModelSpec spec, with_defaults({}, preset));
  const fs::path parent = engine::cache_dir();
  std::error_code ignored;  // the next step says it better
  fs::create_directories(parent, ignored);
  std::string folder = (parent / "tune-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    return make_error(ErrorCode::kIo, "{}: cannot make a folder for the model to measure with: {}", parent.string(),
                      std::generic_category().message(errno));
  }
  TemporaryModel model(folder);
  engine::ThreadPool pool;
  ProgressBar bar("writing a model to measure with");
  SAIN_RETURN_IF_ERROR(
      synthetic_model(spec, pool)
          .write(model.path(),
                 {.on_progress = [&](uint64_t done, uint64_t total) { bar.show_bytes(done, total); }, .stop = stop}));
  return model;
}

TemporaryModel::~TemporaryModel() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

fs::path TemporaryModel::path() const {
  return folder_ / "random-q4_0.gguf";
}

Result<TunedModel> TunedModel::open(const std::string& name_or_path, std::span<const kernels::Isa> isas,
                                    const TuneWork& work, std::stop_token stop) {
  TunedModel tuned;
  for (const kernels::Isa isa : isas) {
    SAIN_ASSIGN_OR_RETURN(LoadedModel loaded, load_model(name_or_path, RunOptions(), isa, stop));
    tuned.models_[isa] = std::move(loaded.model);
  }
  const uint32_t context = tuned.model().config().context_length;
  tuned.work_ = {std::min(work.n_prompt, context), std::min(work.n_decode, context)};
  tuned.stop_ = std::move(stop);
  return tuned;
}

Result<double> TunedModel::measure(const engine::Tuning& tuning, Phase phase) const {
  BenchCase test{.n_prompt = 0, .n_decode = 0};
  (phase == Phase::kPrefill ? test.n_prompt : test.n_decode) =
      phase == Phase::kPrefill ? work_.n_prompt : work_.n_decode;
  engine::ThreadPool pool(tuning);
  const engine::Model& model = *models_.at(kernels::detect_isa(tuning.isa));
  SAIN_ASSIGN_OR_RETURN(
      engine::Session session,
      engine::Session::create(model, pool, {.context_length = test.context_length(), .tuning = tuning}));
  SAIN_ASSIGN_OR_RETURN(const BenchSpeed speed, measure_speed(session, test, {.n_reps = 1, .stop = stop_}));
  return phase == Phase::kPrefill ? speed.prefill.median : speed.decode.median;
}

}  // namespace sain::tools
