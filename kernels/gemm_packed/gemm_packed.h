// Products of packed weights with 8-bit activations.
#pragma once

#include <stddef.h>

#include "kernels/dtype.h"
#include "kernels/isa.h"
#include "kernels/packed.h"
#include "kernels/quantize/quantize.h"

namespace sain::kernels {

/// Sub-blocks of 32 columns that are unpacked at once where tokens are many. A multiple of the step ends with a unit of
/// any type; the most is what `scratch` has room for.
inline constexpr size_t kTileBlocksStep = 8, kMaxTileBlocks = 32;

/// y[c][r] = sum over k of w[r][k] x[c][k] for the rows of some groups and all tokens c. The products within a block
/// of 32 columns are summed exactly, in integers; blocks are summed in f32.
struct GemmPackedArgs {
  const void* weights;  // the groups, one after another
  size_t n_groups;
  size_t n_rows;       // rows that there are in them: more than 16 * (n_groups - 1), at most 16 * n_groups
  size_t n_cols;       // elements of a row, a multiple of the type's block size
  const void* panels;  // the tokens: panels of `panel_tokens` tokens and one of the rest, without gaps
  size_t n_tokens;     // >= 1
  float* y;            // token c's first result is y[c * y_stride]
  size_t y_stride;
  void* scratch;            // GemmPacked::scratch_bytes, aligned to 64; of one thread alone
  size_t read_ahead;        // bytes of weights between what is asked of memory and what is multiplied, where tokens
                            // are few; 0: leave it to the machine
  size_t tile_blocks = 16;  // see above; versions that unpack no tiles ignore it
};

using GemmPackedFn = void (*)(const GemmPackedArgs& args);

struct GemmPacked {
  static constexpr size_t kTypes = static_cast<size_t>(DType::kQ6_K) + 1;
  GemmPackedFn by_type[kTypes] = {};
  size_t panel_tokens = 0;   // tokens of a full panel
  size_t alike_tokens = 0;   // up to so many tokens, each gets the same bits as it would get alone
  size_t scratch_bytes = 0;  // what a call needs
  size_t group_step = 1;     // groups that are taken at once: calls of a multiple of it are fastest

  /// For types of which is_packable() is true.
  GemmPackedFn operator[](DType dtype) const { return by_type[static_cast<size_t>(dtype)]; }

  /// The same with another function for one type, which takes panels and scratch as the rest does.
  GemmPacked with(DType dtype, GemmPackedFn fn) const {
    GemmPacked changed = *this;
    changed.by_type[static_cast<size_t>(dtype)] = fn;
    return changed;
  }
};

/// The best version for `isa`; a version that SAIN_KERNEL names comes first (see versions.h).
GemmPacked select_gemm_packed(Isa isa);

/// What suits this machine as GemmPackedArgs::read_ahead.
size_t default_read_ahead();

}  // namespace sain::kernels
