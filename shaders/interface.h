// What C++ and the shaders agree on. Both compile this file: structs are of 4-byte scalars alone, which lie the same
// way in either language. Names begin with k where they are specialization constants' values.
#ifndef SAIN_SHADERS_INTERFACE_H
#define SAIN_SHADERS_INTERFACE_H

#ifdef __cplusplus
#include <stdint.h>
#define SAIN_CONST inline constexpr
namespace sain::shaders {
using uint = uint32_t;
#else
#define SAIN_CONST const
#endif

// Matrices are groups of 16 rows one after another, a row longer by zeros where the matrix has no more. A group is what
// kernels/packed.h says for quantized types; for floats it is steps of 4 columns, the element of row r and column 4 i +
// t at 64 i + 4 r + t, as many steps as a multiple of 32 columns takes.
SAIN_CONST uint kGroupRows = 16;

/// What product.comp does with a sum.
SAIN_CONST uint kStore = 0;     // y = sum
SAIN_CONST uint kAdd = 1;       // y += sum
SAIN_CONST uint kGated = 2;     // groups of gate and up alternate in the matrix: y = f(sum of gate) * sum of up
SAIN_CONST uint kActivate = 3;  // y holds sums of gate already: y = f(y) * sum

/// f of both.
SAIN_CONST uint kSilu = 0;
SAIN_CONST uint kGelu = 1;

/// product.comp: y (n_tokens, rows) of x (n_tokens, cols).
struct ProductParameters {
  uint cols;      // a multiple of 4; of the matrix
  uint rows;      // that are computed; a multiple of 16 but for the matrix's last ones
  uint x_stride;  // floats from one token to the next, a multiple of 4
  uint y_stride;
  uint y_offset;  // floats before the first row's result
  uint n_tokens;
  float epsilon;   // of the norm of x
  float soft_cap;  // 0: none; else y = cap * tanh(y / cap)
};

/// A vector in 8 bits: blocks of 16 elements, each of kQuantizedWords: 16 signed codes, the scale that makes elements
/// of them, and the sum of squares of what they were before the weight of a norm, if any, came to them; f32 as bits.
SAIN_CONST uint kQuantizedBlock = 16;
SAIN_CONST uint kQuantizedWords = 6;

/// vector_product.comp: y (rows) of one x (kColumns).
struct VectorProductParameters {
  uint rows;       // that are computed
  uint first_row;  // of the matrix: a multiple of 16
  uint y_offset;   // floats before the first row's result
  float epsilon;   // of the norm of x
  float soft_cap;  // 0: none; else y = cap * tanh(y / cap)
};

/// quantize.comp and halves.comp
struct QuantizeParameters {
  uint n;  // a multiple of 16, of 4 for halves
};

/// rms_norm.comp
struct NormParameters {
  uint n;  // of a row
  float epsilon;
};

/// embed.comp: the rows [first_row, first_row + rows) of the embedding, for those tokens that are among them.
struct EmbedParameters {
  uint cols;
  uint first_row;  // a multiple of 16
  uint rows;
  uint n_tokens;
  float scale;
};

/// What a decode carries on from token to token, on the device alone.
SAIN_CONST uint kHistory = 64;
struct DecodeState {
  uint position;           // of the next batch's first token
  uint n_chosen;           // by argmax.comp and its like, so far
  uint history[kHistory];  // of these, the i-th in [i % kHistory]
  uint stalled;            // layers.comp has waited for what does not come: nothing since means anything
};

/// rope.comp, attention.comp and attention_merge.comp. A layer's cache is (n_kv_heads, 2, n_slots, row) f16, keys and
/// then values; a row is a head, and zeros up to a multiple of 8. Position p is in slot p < n_sinks ? p : n_sinks + (p
/// - n_sinks) mod (n_slots - n_sinks).
struct AttentionParameters {
  uint n_heads;
  uint n_kv_heads;
  uint n_tokens;
  uint n_slots;
  uint n_sinks;
  uint window;      // 0: a token sees all before it, and there are no sinks
  float scale;      // of scores
  float soft_cap;   // 0: none
  uint rotary_dim;  // even, at most the head's
  float magnitude;  // of turned elements
  float epsilon;    // of the norm of heads
};

/// What layers.comp exchanges between workgroups: each word is written once in a pass, and kMissing before. No code of
/// a vector in 8 bits makes that word up, and of floats it is next to 0. For each layer, from these words on, in this
/// order: the layer's input in 8 bits; q, k and v (q_dim + 2 kv_dim); parts of heads (n_heads, kSplits, head_dim / 2 +
/// 4), what they have attended to in f16; in 8 bits the input of gate and up, and theirs. After the last layer, its
/// result in 8 bits.
SAIN_CONST uint kMissing = 0x80808080u;

/// The tensors of a layer that layers.comp reads, in the order of their addresses: uvec2 each, 0 where there is none.
SAIN_CONST uint kTensorQ = 0;
SAIN_CONST uint kTensorK = 1;
SAIN_CONST uint kTensorV = 2;
SAIN_CONST uint kTensorQkvBias = 3;
SAIN_CONST uint kTensorHeadNorms = 4;
SAIN_CONST uint kTensorOutput = 5;
SAIN_CONST uint kTensorOutputBias = 6;
SAIN_CONST uint kTensorFfnNorm = 7;
SAIN_CONST uint kTensorGateUp = 8;
SAIN_CONST uint kTensorDown = 9;
SAIN_CONST uint kTensorDownBias = 10;
SAIN_CONST uint kTensorNextNorm = 11;  // of the next layer's attention, or of the output
SAIN_CONST uint kTensorCache = 12;
SAIN_CONST uint kTensors = 13;

/// layers.comp
struct LayersParameters {
  uint layer_words;  // of the exchange, from one layer to the next
  uint n_slots;
  uint n_sinks;  // 0
  uint window;   // as in AttentionParameters, and so on
  float scale;
  float soft_cap;
  uint rotary_dim;
  float magnitude;
  float epsilon;
};

/// What sample_top_k.comp and sample_all.comp choose by, of tokens whose probability is a softmax of logits.
SAIN_CONST uint kMostTopK = 128;
struct SamplingState {
  uint top_k;         // 1 to kMostTopK: so many of the greatest logits (not in sample_all.comp),
  float top_p;        // of these the fewest whose probability is this together (neither is this),
  float min_p;        // of these the ones with this part of the greatest one's probability,
  float temperature;  // by which their logits are divided then
  // In [0, 1), 64 bits behind the point, the high half first: that of the token at position i is [i % kHistory].
  uint draws[2 * kHistory];
};

/// sample_top_k.comp and sample_all.comp
struct SampleParameters {
  uint n;         // logits
  uint n_groups;  // workgroups of all dispatches but the last
  uint n_tokens;  // that the state moves on by; 0: the newest token is chosen anew
};

/// argmax.comp
struct ArgmaxParameters {
  uint n;
  uint n_tokens;  // that the state moves on by
};

#ifdef __cplusplus
}  // namespace sain::shaders
#endif
#undef SAIN_CONST

#endif  // SAIN_SHADERS_INTERFACE_H
