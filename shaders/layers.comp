// All layers of one token's pass in one dispatch, whose workgroups all run at once and wait for each other.
//
// What a step makes of the step before goes through the exchange, a word at a time: a reader waits until a word is no
// longer kMissing, so there is neither a barrier over all workgroups nor an order of writes to keep, and no word is
// written twice in a pass. Weights depend on nothing, so a workgroup asks for the first of its next ones before it waits.
// A workgroup that has waited for too long goes on with what is there, and says so in the state.
//
// The steps of a layer: q, k and v; attention (a workgroup a head and share of the positions); its parts brought together;
// its output; gate and up; down. Formulas are those of vector_product.comp, rope.comp and attention_int8.comp.
//
// Bindings: 0 DecodeState, 1 addresses (kLayers, kTensors), 2 exchange, 3 x (kColumns), the residual stream before the first
// layer and then after the last, 4 frequencies. The first layer's input is there too; what comes last is the last input.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kColumns = 32;  // of the residual stream
layout(constant_id = 2) const uint kFeedForward = 32;
layout(constant_id = 3) const uint kHeads = 1;
layout(constant_id = 4) const uint kKvHeads = 1;
layout(constant_id = 5) const uint kHeadDim = 32;  // a multiple of 16
layout(constant_id = 6) const uint kSplits = 1;    // at most a quarter of a subgroup
layout(constant_id = 7) const uint kActivation = kSilu;
layout(constant_id = 8) const bool kAdjacent = false;
layout(constant_id = 9) const bool kHeadNorm = false;
layout(constant_id = 10) const uint kWorkgroups = 1;  // of the dispatch
layout(constant_id = 11) const uint kGroups = 2;      // of rows that a workgroup sums up at once; even
layout(constant_id = 12) const uint kLanes = 4;       // as in attention_int8.comp
layout(constant_id = 13) const uint kSubgroups = 1;   // of a workgroup
layout(constant_id = 14) const uint kCrews = 1;       // of a workgroup, of 16 invocations and a subgroup at least
layout(constant_id = 15) const uint kLayers = 1;

layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer FloatsAt { float values[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) volatile readonly buffer VectorsAt { vec4 values[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) volatile buffer CacheAt { uvec4 rows[]; };

layout(std430, binding = 0) buffer State { DecodeState state; };
layout(std430, binding = 1) readonly buffer Addresses { uvec2 addresses[]; };
layout(std430, binding = 2) coherent volatile buffer Exchange { uint exchange[]; };
layout(std430, binding = 2) coherent volatile buffer ExchangeQuads { uvec4 exchange_quads[]; };  // the same
layout(std430, binding = 3) buffer X { vec4 x[]; };
layout(std430, binding = 4) readonly buffer Frequencies { uvec2 frequencies[]; };
layout(push_constant) uniform Parameters { LayersParameters p; };

uint next_at;  // where store_quantized() writes
void store_next(uint at, uint word) {
  exchange[next_at + at] = word;
}

#include "shaders/activation.glsl"
#include "shaders/angle.glsl"
#include "shaders/cache.glsl"
#include "shaders/quantized.glsl"
#define SAIN_WEIGHTS_BY_ADDRESS
#include "shaders/weights.glsl"
#include "shaders/dot.glsl"

const uint kQueryDim = kHeads * kHeadDim, kKvDim = kKvHeads * kHeadDim;
const uint kPartWords = kHeadDim + 4;  // sums, the greatest score, the sum of weights
// Of a layer's exchange.
const uint kQkvAt = kColumns / kQuantizedBlock * kQuantizedWords;
const uint kPartsAt = kQkvAt + kQueryDim + 2 * kKvDim;
const uint kAttendedAt = kPartsAt + kHeads * kSplits * kPartWords;
const uint kFfnAt = kAttendedAt + kQueryDim / kQuantizedBlock * kQuantizedWords;
const uint kGateAt = kFfnAt + kColumns / kQuantizedBlock * kQuantizedWords;

const uint kLonger = kColumns > kFeedForward ? kColumns : kFeedForward;
const uint kLongest = kLonger > kQueryDim ? kLonger : kQueryDim;
const uint kTeams = gl_WorkGroupSize.x / kLanes;  // of kLanes neighbours, which take a position
const uint kPieces = kHeadDim / 8;  // of a row, at most kLanes
const uint kTiles = 4;  // of weights that an invocation has under way
const uint kAhead = 4;  // positions that a team has under way
const uint kLeastShare = 64;
const float kNothing = -3.4e38;
const uint kCrewSize = gl_WorkGroupSize.x / kCrews, kCrewSubgroups = kSubgroups / kCrews;
const uint kStep = kCrewSize / 16;  // blocks that a crew takes at once

shared uvec2 tensors[kLayers * kTensors];
shared uvec2 vector[kLongest / kQuantizedBlock * kQuantizedWords / 2];
shared float partial_squares[kSubgroups];
shared vec4 partial[kGroups * kCrewSubgroups * 4];
shared vec4 residual[(kColumns / kGroupRows + kWorkgroups - 1) / kWorkgroups * 4];
shared vec2 angles[kHeadDim / 2];
shared float heads[3 * kHeadDim];  // of q, k and v
shared vec4 query[kHeadDim / 4];
shared float key[kHeadDim];
shared uvec4 new_rows[kHeadDim / 4];  // of the cache: key and value
shared float scores[kTeams * kAhead];
shared vec4 merging[kSubgroups * kHeadDim / 4];

uint thread = gl_LocalInvocationIndex;
uint patience = 1u << 18;  // looks at words that are missing, some tenths of a second

uint take(uint at) {
  uint word = exchange[at];
  while (word == kMissing && patience != 0) {
    word = exchange[at];
    --patience;
  }
  return word;
}

uvec4 take_quad(uint at) {
  uvec4 words = exchange_quads[at / 4];
  while (any(equal(words, uvec4(kMissing))) && patience != 0) {
    words = exchange_quads[at / 4];
    --patience;
  }
  return words;
}

void give(uint at, vec4 values) {
  const uvec4 words = floatBitsToUint(values);
  exchange_quads[at / 4] = mix(words, uvec4(0), equal(words, uvec4(kMissing)));
}

/// Before a wait for what this workgroup itself gives: a device of one core may run one subgroup until it comes to a
/// barrier, and only then the next.
void let_others_run() {
  if (kWorkgroups == 1) barrier();
}

/// n elements in 8 bits become `vector`; returns the sum of the squares in it.
float receive(uint at, uint n) {
  float squares = 0;
  let_others_run();
  [[dont_unroll]] for (uint i = thread; i < n / kQuantizedBlock * kQuantizedWords / 4; i += gl_WorkGroupSize.x) {
    const uvec4 words = take_quad(at + 4 * i);
    vector[2 * i] = words.xy;
    vector[2 * i + 1] = words.zw;
    // The sixth word of a block.
    if (i % 3 == 1) squares += uintBitsToFloat(words.y);
    if (i % 3 == 2) squares += uintBitsToFloat(words.w);
  }
  squares = subgroupAdd(squares);
  if (subgroupElect()) partial_squares[gl_SubgroupID] = squares;
  barrier();
  return subgroupAdd(gl_SubgroupInvocationID < kSubgroups ? partial_squares[gl_SubgroupInvocationID] : 0);
}

/// A product, and what becomes of its sums: as in vector_product.comp, and of kAdd and kGated the result is in 8 bits.
struct Step {
  uint n_groups;   // of rows of the result
  uint n_columns;
  uint from_at, to_at;  // of the layer's exchange
  uint result;
  uint matrix, bias, next_weight;  // tensors
};

Step step_of(uint stage) {
  switch (stage) {
    case 0: return Step((kQueryDim + 2 * kKvDim) / kGroupRows, kColumns, 0, kQkvAt, kStore, kTensorQ, kTensorQkvBias, 0);
    case 1: return Step(kColumns / kGroupRows, kQueryDim, kAttendedAt, kFfnAt, kAdd, kTensorOutput, kTensorOutputBias, kTensorFfnNorm);
    case 2: return Step(kFeedForward / kGroupRows, kColumns, kFfnAt, kGateAt, kGated, kTensorGateUp, 0, 0);
    default: return Step(kColumns / kGroupRows, kFeedForward, kGateAt, p.layer_words, kAdd, kTensorDown, kTensorDownBias, kTensorNextNorm);
  }
}

struct Seen {
  uint position;        // of the token
  uint begin, n;        // what it sees
  uint share, n_parts;  // of that: a workgroup's, and how many these are
  uint first_slot;      // where it begins
};

void unpack(uvec4 word, out vec4 low, out vec4 high) {
  low = vec4(unpackHalf2x16(word.x), unpackHalf2x16(word.y));
  high = vec4(unpackHalf2x16(word.z), unpackHalf2x16(word.w));
}

/// Fills `query`, and `key` beside it, from what has come of the head's.
void turn(uint layer) {
  vec2 norms = vec2(p.scale, 1);
  const uvec2 norm_weights = tensors[layer * kTensors + kTensorHeadNorms];
  if (kHeadNorm) {
    vec2 squares = vec2(0);
    [[dont_unroll]] for (uint i = gl_SubgroupInvocationID; i < kHeadDim; i += gl_SubgroupSize) {
      squares += vec2(heads[i] * heads[i], heads[kHeadDim + i] * heads[kHeadDim + i]);
    }
    norms *= inversesqrt(subgroupAdd(squares) / float(kHeadDim) + p.epsilon);
  }
  [[dont_unroll]] for (uint i = thread; i < kHeadDim; i += gl_WorkGroupSize.x) {
    const uint which = i / (kHeadDim / 2), pair = i % (kHeadDim / 2);
    const bool is_half = !kAdjacent && pair < p.rotary_dim / 2;
    const uint a = is_half ? pair : 2 * pair, b = is_half ? pair + p.rotary_dim / 2 : a + 1;
    vec2 before = norms[which] * vec2(heads[which * kHeadDim + a], heads[which * kHeadDim + b]);
    if (kHeadNorm) {
      before *= vec2(FloatsAt(norm_weights).values[which * kHeadDim + a], FloatsAt(norm_weights).values[which * kHeadDim + b]);
    }
    const vec2 angle = angles[pair];
    const vec2 turned = vec2(before.x * angle.x - before.y * angle.y, before.x * angle.y + before.y * angle.x);
    if (which == 0) {
      query[a / 4][a % 4] = turned.x;
      query[b / 4][b % 4] = turned.y;
    } else {
      key[a] = turned.x;
      key[b] = turned.y;
    }
  }
  barrier();
}

uint pack(bool is_value, uint i) {
  const vec2 pair = is_value ? vec2(heads[2 * kHeadDim + i], heads[2 * kHeadDim + i + 1]) : vec2(key[i], key[i + 1]);
  return packHalf2x16(clamp(pair, -65504, 65504));
}

/// Waits for q, k and v of a head, whose key and value are written to the cache if it is this workgroup's to do so.
void receive_head(uint layer, uint base, uint head, uint position, bool has_last) {
  const uint kv_head = head / (kHeads / kKvHeads);
  [[dont_unroll]] for (uint i = thread; i < 3 * kHeadDim; i += gl_WorkGroupSize.x) {
    const uint which = i / kHeadDim;
    const uint first = which == 0 ? head * kHeadDim : kQueryDim + ((which - 1) * kKvHeads + kv_head) * kHeadDim;
    heads[i] = uintBitsToFloat(take(base + kQkvAt + first + i % kHeadDim));
  }
  barrier();
  turn(layer);
  if (!has_last) return;
  const uint row = key_at(kv_head, slot_of(position)) / 8;
  [[dont_unroll]] for (uint i = thread; i < kHeadDim / 4; i += gl_WorkGroupSize.x) {
    const bool is_value = i >= kPieces;
    const uint c = i % kPieces;
    const uvec4 words = uvec4(pack(is_value, c * 8), pack(is_value, c * 8 + 2), pack(is_value, c * 8 + 4), pack(is_value, c * 8 + 6));
    new_rows[i] = words;
    if (head % (kHeads / kKvHeads) == 0) {
      CacheAt(tensors[layer * kTensors + kTensorCache]).rows[row + (is_value ? p.n_slots * kRow / 8 : 0) + c] = words;
    }
  }
  barrier();
}

/// What the heads that are this workgroup's attend to, in this workgroup's share of the positions.
void attend(uint layer, uint base, Seen seen) {
  const uint lane = thread % kLanes, team = thread / kLanes;
  const uvec2 cache = tensors[layer * kTensors + kTensorCache];
  [[dont_unroll]] for (uint task = gl_WorkGroupID.x; task < kHeads * seen.n_parts; task += kWorkgroups) {
    const uint head = task % kHeads, split = task / kHeads, kv_head = head / (kHeads / kKvHeads);
    const uint share_begin = split * seen.share, share_end = min(share_begin + seen.share, seen.n);
    float most = kNothing, total = 0;
    vec4 low_sum = vec4(0), high_sum = vec4(0);
    barrier();  // what is shared has been read
    [[dont_unroll]] for (uint block = share_begin; block < share_end; block += kTeams * kAhead) {
      // Of the token's own position what is loaded is old, and replaced.
      uvec4 key0, key1, key2, key3, value0, value1, value2, value3;
      const uint c = min(lane, kPieces - 1), head_row = key_at(kv_head, 0) / 8 + c;
#define SAIN_ASK(a)                                                                                              \
  {                                                                                                               \
    const uint slot = seen.first_slot + min(block + a * kTeams + team, share_end - 1);                             \
    const uint row = head_row + (slot < p.n_slots ? slot : slot - p.n_slots) * (kRow / 8);                         \
    key##a = CacheAt(cache).rows[row];                                                                            \
    value##a = CacheAt(cache).rows[row + p.n_slots * kRow / 8];                                                   \
  }
      SAIN_ASK(0) SAIN_ASK(1) SAIN_ASK(2) SAIN_ASK(3)
      if (block == share_begin) receive_head(layer, base, head, seen.position, share_end == seen.n);
      const vec4 low_query = lane < kPieces ? query[c * 2] : vec4(0), high_query = lane < kPieces ? query[c * 2 + 1] : vec4(0);
#define SAIN_SCORE(a)                                                                                             \
  {                                                                                                               \
    const uint i = block + a * kTeams + team;                                                                     \
    if (i + 1 == seen.n) {                                                                                        \
      key##a = new_rows[c];                                                                                       \
      value##a = new_rows[kPieces + c];                                                                           \
    }                                                                                                             \
    vec4 low, high;                                                                                               \
    unpack(key##a, low, high);                                                                                    \
    float score = dot(low_query, low) + dot(high_query, high);                                                    \
    [[unroll]] for (uint m = 1; m < kLanes; m *= 2) score += subgroupShuffleXor(score, m);                        \
    if (lane == 0) scores[a * kTeams + team] = i < share_end ? soft_cap(score, p.soft_cap) : kNothing;            \
  }
      SAIN_SCORE(0) SAIN_SCORE(1) SAIN_SCORE(2) SAIN_SCORE(3)
      barrier();
      const float before = most;
      [[unroll]] for (uint i = 0; i < kTeams * kAhead; i += gl_SubgroupSize) most = max(most, scores[i + gl_SubgroupInvocationID]);
      most = subgroupMax(most);
      float sum = 0;
      [[unroll]] for (uint i = 0; i < kTeams * kAhead; i += gl_SubgroupSize) sum += exp(scores[i + gl_SubgroupInvocationID] - most);
      const float keep = exp(before - most);
      total = total * keep + subgroupAdd(sum);
      low_sum *= keep;
      high_sum *= keep;
#define SAIN_ADD(a)                                                  \
  {                                                                  \
    const float weight = exp(scores[a * kTeams + team] - most);      \
    vec4 low, high;                                                  \
    unpack(value##a, low, high);                                     \
    low_sum += weight * low;                                         \
    high_sum += weight * high;                                       \
  }
      SAIN_ADD(0) SAIN_ADD(1) SAIN_ADD(2) SAIN_ADD(3)
      barrier();
    }

    [[dont_unroll]] for (uint m = kLanes; m < gl_SubgroupSize; m *= 2) {
      low_sum += subgroupShuffleXor(low_sum, m);
      high_sum += subgroupShuffleXor(high_sum, m);
    }
    if (gl_SubgroupInvocationID < kPieces) {
      merging[lane * 2 * kSubgroups + gl_SubgroupID] = low_sum;
      merging[(lane * 2 + 1) * kSubgroups + gl_SubgroupID] = high_sum;
    }
    barrier();
    const uint part = base + kPartsAt + (head * kSplits + split) * kPartWords;
    [[dont_unroll]] for (uint i = thread; i < kHeadDim / 4 * kSubgroups; i += gl_WorkGroupSize.x) {
      vec4 sum = merging[i];
      [[unroll]] for (uint m = 1; m < kSubgroups; m *= 2) sum += subgroupShuffleXor(sum, m);
      if (i % kSubgroups == 0) give(part + i / kSubgroups * 4, sum);
    }
    if (thread == 0) give(part + kHeadDim, vec4(most, total, 0, 0));
  }
}

/// Brings the parts together: a subgroup 16 elements, of which 4 invocations have a part.
void merge(uint base, Seen seen) {
  const uint quad = gl_SubgroupInvocationID % 4, split = gl_SubgroupInvocationID / 4;
  let_others_run();
  [[dont_unroll]] for (uint block = gl_WorkGroupID.x + gl_SubgroupID * kWorkgroups; block < kQueryDim / 16; block += kWorkgroups * kSubgroups) {
    const uint element = block * 16 + quad * 4;
    vec4 sum = vec4(0);
    float most = kNothing, total = 0;
    if (split < seen.n_parts) {
      const uint part = base + kPartsAt + (element / kHeadDim * kSplits + split) * kPartWords;
      sum = uintBitsToFloat(take_quad(part + element % kHeadDim));
      const vec4 tail = uintBitsToFloat(take_quad(part + kHeadDim));
      most = tail.x;
      total = tail.y;
    }
    const float weight = exp(most - subgroupMax(most));
    sum *= weight;
    total *= weight;
    [[dont_unroll]] for (uint m = 4; m < gl_SubgroupSize; m *= 2) {
      sum += subgroupShuffleXor(sum, m);
      total += subgroupShuffleXor(total, m);
    }
    next_at = base + kAttendedAt;
    if (split == 0) store_quantized(element, sum / total, sum / total);
  }
}

/// A step, in which attention comes first where it is the one after that. Of the weights, which it does not have to wait
/// for, the first are asked for before anything else, and others whenever some have been used.
void run(uint layer, uint stage, Seen seen) {
  const Step s = step_of(stage);
  const uint base = layer * p.layer_words, own = gl_WorkGroupID.x, pairs = s.result == kGated ? 2 : 1;
  const uint mine = (s.n_groups + kWorkgroups - 1 - own) / kWorkgroups * pairs;  // each kWorkgroups-th one
  const uint n_blocks = s.n_columns / 32, n_rounds = (n_blocks + kStep * kTiles - 1) / (kStep * kTiles);
  const uint crew = thread / kCrewSize, first_block = thread % kCrewSize / 16, part = thread / 4 % 4, quad = thread % 4;
  Packed tile0, tile1, tile2, tile3;  // no array, which compilers would not keep in registers
  float norm = 1;
  uint from = 0;
  do {
    const uint to = min(from + kGroups, mine);
    if (from != 0) barrier();  // `partial` has been read
    // In the end a subgroup finishes a group, or a pair.
    const bool has_result = gl_SubgroupID < (to - from) / pairs;
    const uint row = (own + (from / pairs + gl_SubgroupID) * kWorkgroups) * kGroupRows + quad * 4;
    vec4 bias = vec4(0), next_weight = vec4(0);
    if (has_result && s.bias != 0 && tensors[layer * kTensors + s.bias] != uvec2(0)) {
      bias = VectorsAt(tensors[layer * kTensors + s.bias]).values[row / 4];
    }
    if (has_result && s.result == kAdd) next_weight = VectorsAt(tensors[layer * kTensors + s.next_weight]).values[row / 4];

    uint group = from + crew, round = 0, load_group = group, load_round = 0;
    const uint n_iterations = (to - from + kCrews - 1) / kCrews * n_rounds;
    vec4 sum = vec4(0);
    [[dont_unroll]] for (uint iteration = 0; iteration <= n_iterations; ++iteration) {
      uint at = (own + load_group / pairs * kWorkgroups) * pairs + load_group % pairs, tensor = s.matrix;
      if (stage == 0 && at >= kQueryDim / kGroupRows) {
        at -= kQueryDim / kGroupRows;
        tensor = kTensorK;
        if (at >= kKvDim / kGroupRows) {
          at -= kKvDim / kGroupRows;
          tensor = kTensorV;
        }
      }
      const bool uses = iteration != 0 && group < to, loads = load_group < to;
      weights_at = tensors[layer * kTensors + (loads ? tensor : 0)];
      at *= group_words(s.n_columns);
      // Beyond the last block it is that one again, and counts nothing.
      const uint used = round * kTiles * kStep + first_block, loaded = load_round * kTiles * kStep + first_block;
#define SAIN_USE(i)                                                                                       \
  {                                                                                                       \
    const uint block = used + i * kStep, x_at = (min(block, n_blocks - 1) * 2 + part / 2) * 3;            \
    const float scale = block < n_blocks ? uintBitsToFloat(vector[x_at + 2].x) : 0;                       \
    sum += multiply(codes_of(tile##i), vector[x_at + part % 2], scale);                                   \
  }
#define SAIN_LOAD(i) tile##i = load_packed(at, min(loaded + i * kStep, n_blocks - 1), part, quad);
      if (uses) {
        SAIN_USE(0) SAIN_USE(1) SAIN_USE(2) SAIN_USE(3)
      }
      if (loads) {
        SAIN_LOAD(0) SAIN_LOAD(1) SAIN_LOAD(2) SAIN_LOAD(3)
      }
      if (++load_round == n_rounds) {
        load_round = 0;
        load_group += kCrews;
      }
      if (iteration == 0) {
        if (from == 0) {
          if (stage == 1) {
            attend(layer, base, seen);
            merge(base, seen);
          }
          if (mine != 0) {
            const float squares = receive(base + s.from_at, s.n_columns);
            if (s.result == kStore || s.result == kGated) norm = inversesqrt(squares / float(s.n_columns) + p.epsilon);
          }
        }
      } else if (++round == n_rounds) {
        for (uint n = 4; n < gl_SubgroupSize; n *= 2) sum += subgroupShuffleXor(sum, n);
        if (uses && gl_SubgroupInvocationID < 4) {
          partial[((group - from) * kCrewSubgroups + gl_SubgroupID % kCrewSubgroups) * 4 + quad] = sum;
        }
        sum = vec4(0);
        round = 0;
        group += kCrews;
      }
    }
    barrier();
    if (has_result) {
      vec4 up = vec4(0);
      const uint first = gl_SubgroupID * pairs * kCrewSubgroups;
      [[dont_unroll]] for (uint i = gl_SubgroupInvocationID / 4; i < kCrewSubgroups; i += gl_SubgroupSize / 4) {
        sum += partial[(first + i) * 4 + quad];
        if (s.result == kGated) up += partial[(first + kCrewSubgroups + i) * 4 + quad];
      }
      [[dont_unroll]] for (uint n = 4; n < gl_SubgroupSize; n *= 2) {
        sum += subgroupShuffleXor(sum, n);
        up += subgroupShuffleXor(up, n);
      }
      sum = norm * sum + bias;
      next_at = base + s.to_at;
      if (gl_SubgroupInvocationID >= 4) {
      } else if (s.result == kStore) {
        give(next_at + row, sum);
      } else {
        if (s.result == kGated) {
          up *= norm;
          sum = up * vec4(activate(sum.x, kActivation), activate(sum.y, kActivation), activate(sum.z, kActivation), activate(sum.w, kActivation));
          next_weight = vec4(1);
        } else {
          const uint at = (from + gl_SubgroupID) * 4 + quad;
          sum += residual[at];
          residual[at] = sum;
        }
        store_quantized(row, sum, sum * next_weight);
      }
    }
    from += kGroups;
  } while (from < mine);
}

void main() {
  Seen seen;
  seen.position = state.position;
  seen.begin = window_begin(seen.position);
  seen.n = seen.position + 1 - seen.begin;
  seen.share = max((seen.n + kSplits - 1) / kSplits, kLeastShare);
  seen.n_parts = (seen.n + seen.share - 1) / seen.share;
  seen.first_slot = slot_of(seen.begin);
  [[dont_unroll]] for (uint i = thread; i < kLayers * kTensors; i += gl_WorkGroupSize.x) tensors[i] = addresses[i];
  [[dont_unroll]] for (uint i = thread; i < kHeadDim / 2; i += gl_WorkGroupSize.x) {
    angles[i] = i < p.rotary_dim / 2 ? p.magnitude * cos_sin(seen.position, frequencies[i]) : vec2(1, 0);
  }
  const uint n_quads = (kColumns / kGroupRows + kWorkgroups - 1 - gl_WorkGroupID.x) / kWorkgroups * 4;  // of x, its own
  [[dont_unroll]] for (uint i = thread; i < n_quads; i += gl_WorkGroupSize.x) {
    residual[i] = x[(gl_WorkGroupID.x + i / 4 * kWorkgroups) * 4 + i % 4];
  }
  barrier();
  [[dont_unroll]] for (uint i = 0; i < 4 * kLayers; ++i) run(i / 4, i % 4, seen);
  barrier();
  [[dont_unroll]] for (uint i = thread; i < n_quads; i += gl_WorkGroupSize.x) {
    x[(gl_WorkGroupID.x + i / 4 * kWorkgroups) * 4 + i % 4] = residual[i];
  }
  if (patience == 0) state.stalled = 1;
}
