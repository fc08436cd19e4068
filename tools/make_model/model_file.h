// A model of random weights as a GGUF file that SAIN and other runtimes load.
#pragma once

#include <cstdint>
#include <filesystem>

#include "engine/thread_pool.h"
#include "formats/gguf_writer.h"
#include "formats/result.h"
#include "tools/make_model/model_spec.h"

namespace sain::tools {

/// A writer of everything that `spec`, which with_defaults() made, asks for: metadata, tokenizer, norms of ones (and
/// biases of zeros), matrices of deviation 1 / sqrt(cols), so that activations keep their size from layer to layer.
/// The bytes depend on `spec` alone. write() makes weights as it goes, a few MiB at a time, on the threads of `pool`,
/// which must live until then.
formats::GgufWriter synthetic_model(const ModelSpec& spec, engine::ThreadPool& pool);

}  // namespace sain::tools
