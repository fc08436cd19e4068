// All layers of one token's pass in one dispatch, whose workgroups all run at once and wait for each other.
//
// What a step makes of the step before goes through the exchange, a word at a time: a reader waits until a word is no
// longer kMissing, so there is neither a barrier over all workgroups nor an order of writes to keep, and no word is
// written twice in a pass. Weights depend on nothing, so a workgroup asks for the first of its next ones before it waits.
// A workgroup that has waited for too long goes on with what is there, and says so in the state.
//
// The steps of a layer: q, k and v; attention (a workgroup a head and share of the positions); its output, for which each
// workgroup brings all parts together; gate and up; down. Formulas are those of vector_product.comp, rope.comp and
// attention_int8.comp.
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
const uint kPartWords = kHeadDim / 2 + 4;  // means in f16, the greatest score, the sum of weights
// Of a layer's exchange.
const uint kQkvAt = kColumns / kQuantizedBlock * kQuantizedWords;
const uint kPartsAt = kQkvAt + kQueryDim + 2 * kKvDim;
const uint kFfnAt = kPartsAt + kHeads * kSplits * kPartWords;
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
shared vec4 merging[kSubgroups * kHeadDim / 4];
shared vec2 merging_weights[kSubgroups];  // the greatest score, and the sum of weights

uint thread = gl_LocalInvocationIndex;
uint patience = 1u << 18;  // looks at words that are missing, some tenths of a second

bool is_missing(uvec4 words) {
  return any(equal(words, uvec4(kMissing)));
}

/// Four words that have been looked at before.
void wait_for(uint at, inout uvec4 words) {
  while (is_missing(words) && patience != 0) {
    words = exchange_quads[at / 4];
    --patience;
  }
}

/// Two looks are under way at once.
void take_two(uint at0, uint at1, out uvec4 words0, out uvec4 words1) {
  words0 = exchange_quads[at0 / 4];
  words1 = exchange_quads[at1 / 4];
  wait_for(at0, words0);
  wait_for(at1, words1);
}

void give_word(uint at, uint word) {
  exchange[at] = word == kMissing ? 0 : word;
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

/// A part of a vector in 8 bits becomes one of `vector`; returns the squares in it.
float keep_quad(uint i, uvec4 words) {
  vector[2 * i] = words.xy;
  vector[2 * i + 1] = words.zw;
  // The sixth word of a block.
  return i % 3 == 0 ? 0 : uintBitsToFloat(i % 3 == 1 ? words.y : words.w);
}

/// n elements in 8 bits become `vector`; returns the sum of the squares in it.
float receive(uint at, uint n) {
  float squares = 0;
  let_others_run();
  const uint n_quads = n / kQuantizedBlock * kQuantizedWords / 4;
  [[dont_unroll]] for (uint i = thread; i < n_quads; i += 2 * gl_WorkGroupSize.x) {
    const uint j = i + gl_WorkGroupSize.x;
    uvec4 words0, words1;
    take_two(at + 4 * i, at + 4 * min(j, n_quads - 1), words0, words1);
    squares += keep_quad(i, words0);
    if (j < n_quads) squares += keep_quad(j, words1);
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
    case 1: return Step(kColumns / kGroupRows, kQueryDim, kPartsAt, kFfnAt, kAdd, kTensorOutput, kTensorOutputBias, kTensorFfnNorm);
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

/// Eight elements of a head's q, k or v: a lane's.
void take_row(uint at, out vec4 low, out vec4 high) {
  uvec4 words0, words1;
  take_two(at, at + 4, words0, words1);
  low = uintBitsToFloat(words0);
  high = uintBitsToFloat(words1);
}

vec4 shuffle(vec4 values, uint lane) {
  return vec4(subgroupShuffle(values.x, lane), subgroupShuffle(values.y, lane), subgroupShuffle(values.z, lane), subgroupShuffle(values.w, lane));
}

/// Two neighbouring pairs, of which the first is `pair`.
vec4 turn_pairs(vec4 pairs, uint pair) {
  const vec2 a = angles[pair], b = angles[pair + 1];
  return vec4(pairs.x * a.x - pairs.y * a.y, pairs.x * a.y + pairs.y * a.x, pairs.z * b.x - pairs.w * b.y, pairs.z * b.y + pairs.w * b.x);
}

/// Four elements, each the first (sign -1) or second (1) of the pairs from `pair` on, whose others are `other`.
vec4 turn_halves(vec4 mine, vec4 other, uint pair, float sign) {
  const vec4 cosines = vec4(angles[pair].x, angles[pair + 1].x, angles[pair + 2].x, angles[pair + 3].x);
  const vec4 sines = vec4(angles[pair].y, angles[pair + 1].y, angles[pair + 2].y, angles[pair + 3].y);
  return mine * cosines + sign * other * sines;
}

/// Normalises a head of q (0) or k (1), if the model does, and turns it; the lanes of a team together.
void turn(uint layer, uint which, uint c, inout vec4 low, inout vec4 high) {
  const bool is_part = gl_SubgroupInvocationID % kLanes < kPieces;
  if (kHeadNorm) {
    const uvec2 at = tensors[layer * kTensors + kTensorHeadNorms];
    float squares = is_part ? dot(low, low) + dot(high, high) : 0;
    [[unroll]] for (uint m = 1; m < kLanes; m *= 2) squares += subgroupShuffleXor(squares, m);
    const float norm = inversesqrt(squares / float(kHeadDim) + p.epsilon);
    low *= norm * VectorsAt(at).values[which * kHeadDim / 4 + c * 2];
    high *= norm * VectorsAt(at).values[which * kHeadDim / 4 + c * 2 + 1];
  }
  if (kAdjacent) {
    low = turn_pairs(low, c * 4);
    high = turn_pairs(high, c * 4 + 2);
    return;
  }
  const uint half_lanes = p.rotary_dim / 16, team = gl_SubgroupInvocationID / kLanes * kLanes;
  const bool is_first = c < half_lanes;
  const uint partner = c >= 2 * half_lanes ? c : is_first ? c + half_lanes : c - half_lanes;
  const vec4 low_other = shuffle(low, team + partner), high_other = shuffle(high, team + partner);
  if (c >= 2 * half_lanes) return;
  const uint pair = (is_first ? c : c - half_lanes) * 8;
  low = turn_halves(low, low_other, pair, is_first ? -1 : 1);
  high = turn_halves(high, high_other, pair + 4, is_first ? -1 : 1);
}

/// As the cache has them.
uvec4 pack(vec4 low, vec4 high) {
  low = clamp(low, -65504, 65504);
  high = clamp(high, -65504, 65504);
  return uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy), packHalf2x16(high.zw));
}

/// Of the i-th position that is seen.
uint row_of(uint head_row, Seen seen, uint i) {
  const uint slot = seen.first_slot + i;
  return head_row + (slot < p.n_slots ? slot : slot - p.n_slots) * (kRow / 8);
}

/// What the heads that are this workgroup's attend to, in this workgroup's share of the positions: a team looks at some
/// of them, and what teams have seen is brought together in the end.
void attend(uint layer, uint base, Seen seen) {
  const uint lane = thread % kLanes, team = thread / kLanes, c = min(lane, kPieces - 1);
  const uvec2 cache = tensors[layer * kTensors + kTensorCache];
  let_others_run();
  [[dont_unroll]] for (uint task = gl_WorkGroupID.x; task < kHeads * seen.n_parts; task += kWorkgroups) {
    const uint head = task % kHeads, split = task / kHeads, kv_head = head / (kHeads / kKvHeads);
    const uint share_begin = split * seen.share, share_end = min(share_begin + seen.share, seen.n);
    const uint head_row = key_at(kv_head, 0) / 8 + c, to_value = p.n_slots * kRow / 8;
    float most = kNothing, total = 0;
    vec4 low_sum = vec4(0), high_sum = vec4(0), low_query, high_query;
    // Rows of the cache are asked for as long before they are needed as there is room for them. Of the token's own
    // position what is loaded is old, and replaced.
    uvec4 key0, key1, key2, key3, value0, value1, value2, value3;
#define SAIN_FOR_AHEAD(f) f(0) f(1) f(2) f(3)
#define SAIN_ROW(a) row_of(head_row, seen, min(asked + a * kTeams + team, share_end - 1))
#define SAIN_ASK_KEY(a) key##a = CacheAt(cache).rows[SAIN_ROW(a)];
#define SAIN_ASK_VALUE(a) value##a = CacheAt(cache).rows[SAIN_ROW(a) + to_value];
    uint asked = share_begin;
    SAIN_FOR_AHEAD(SAIN_ASK_KEY)
    SAIN_FOR_AHEAD(SAIN_ASK_VALUE)
    take_row(base + kQkvAt + head * kHeadDim + c * 8, low_query, high_query);
    turn(layer, 0, c, low_query, high_query);
    low_query *= lane < kPieces ? p.scale : 0;
    high_query *= lane < kPieces ? p.scale : 0;
    // The token's own key and value, where they are this team's.
    uvec4 new_key = uvec4(0), new_value = uvec4(0);
    const bool has_new = share_end == seen.n && (seen.n - 1 - share_begin) % kTeams == team;
    if (has_new) {
      vec4 low, high;
      take_row(base + kQkvAt + kQueryDim + kv_head * kHeadDim + c * 8, low, high);
      turn(layer, 1, c, low, high);
      new_key = pack(low, high);
      take_row(base + kQkvAt + kQueryDim + kKvDim + kv_head * kHeadDim + c * 8, low, high);
      new_value = pack(low, high);
      if (head % (kHeads / kKvHeads) == 0 && lane < kPieces) {
        const uint row = head_row + slot_of(seen.position) * (kRow / 8);
        CacheAt(cache).rows[row] = new_key;
        CacheAt(cache).rows[row + to_value] = new_value;
      }
    }
    [[dont_unroll]] for (uint block = share_begin; block < share_end; block += kTeams * kAhead) {
      asked = block + kTeams * kAhead;
      const bool asks = asked < share_end;
      float score0, score1, score2, score3;
#define SAIN_SCORE(a)                                                                            \
  {                                                                                              \
    const uint i = block + a * kTeams + team;                                                    \
    vec4 low, high;                                                                              \
    unpack(has_new && i + 1 == seen.n ? new_key : key##a, low, high);                            \
    if (asks) { SAIN_ASK_KEY(a) }                                                                \
    score##a = dot(low_query, low) + dot(high_query, high);                                      \
    [[unroll]] for (uint m = 1; m < kLanes; m *= 2) score##a += subgroupShuffleXor(score##a, m); \
    score##a = i < share_end ? soft_cap(score##a, p.soft_cap) : kNothing;                        \
  }
      SAIN_FOR_AHEAD(SAIN_SCORE)
      const float before = most;
      most = max(most, max(max(score0, score1), max(score2, score3)));
      const float keep = exp(before - most);
      total *= keep;
      low_sum *= keep;
      high_sum *= keep;
#define SAIN_ADD(a)                                                                               \
  {                                                                                               \
    const float weight = score##a == kNothing ? 0 : exp(score##a - most);                         \
    vec4 low, high;                                                                               \
    unpack(has_new && block + a * kTeams + team + 1 == seen.n ? new_value : value##a, low, high); \
    if (asks) { SAIN_ASK_VALUE(a) }                                                               \
    total += weight;                                                                              \
    low_sum += weight * low;                                                                      \
    high_sum += weight * high;                                                                    \
  }
      SAIN_FOR_AHEAD(SAIN_ADD)
    }

    [[dont_unroll]] for (uint m = kLanes; m < gl_SubgroupSize; m *= 2) {
      const float other = subgroupShuffleXor(most, m), both = max(most, other), mine = exp(most - both), theirs = exp(other - both);
      most = both;
      total = mine * total + theirs * subgroupShuffleXor(total, m);
      low_sum = mine * low_sum + theirs * subgroupShuffleXor(low_sum, m);
      high_sum = mine * high_sum + theirs * subgroupShuffleXor(high_sum, m);
    }
    if (gl_SubgroupInvocationID < kPieces) {
      merging[lane * 2 * kSubgroups + gl_SubgroupID] = low_sum;
      merging[(lane * 2 + 1) * kSubgroups + gl_SubgroupID] = high_sum;
    }
    if (subgroupElect()) merging_weights[gl_SubgroupID] = vec2(most, total);
    barrier();
    const uint part = base + kPartsAt + (head * kSplits + split) * kPartWords;
    [[dont_unroll]] for (uint i = thread; i < kHeadDim / 4 * kSubgroups; i += gl_WorkGroupSize.x) {
      const vec2 seen_by = merging_weights[i % kSubgroups];
      float greatest = seen_by.x;
      [[unroll]] for (uint m = 1; m < kSubgroups; m *= 2) greatest = max(greatest, subgroupShuffleXor(greatest, m));
      const float weight = exp(seen_by.x - greatest);
      vec4 sum = weight * merging[i];
      float all = weight * seen_by.y;
      [[unroll]] for (uint m = 1; m < kSubgroups; m *= 2) {
        sum += subgroupShuffleXor(sum, m);
        all += subgroupShuffleXor(all, m);
      }
      if (i % kSubgroups == 0) {
        sum = clamp(sum / all, -65504, 65504);
        give_word(part + i / kSubgroups * 2, packHalf2x16(sum.xy));
        give_word(part + i / kSubgroups * 2 + 1, packHalf2x16(sum.zw));
      }
      if (i == 0) give(part + kHeadDim / 2, vec4(greatest, all, 0, 0));
    }
    barrier();  // what is shared has been read
  }
}

/// Four codes of 8 bits.
uint codes_word(vec4 elements) {
  const ivec4 codes = ivec4(round(elements)) & 0xff;
  return uint(codes.x | codes.y << 8 | codes.z << 16 | codes.w << 24);
}

/// The parts of all heads, brought together, become `vector`: 8 elements an invocation.
void receive_attended(uint base, Seen seen) {
  let_others_run();
  [[dont_unroll]] for (uint i = thread; i < kQueryDim / 8; i += gl_WorkGroupSize.x) {
    const uint part = base + kPartsAt + i * 8 / kHeadDim * kSplits * kPartWords, word = i * 8 % kHeadDim / 2;
    uvec4 tails[kSplits], words[kSplits];
    [[unroll]] for (uint split = 0; split < kSplits; ++split) {
      const uint at = part + min(split, seen.n_parts - 1) * kPartWords;
      tails[split] = exchange_quads[(at + kHeadDim / 2) / 4];
      words[split] = exchange_quads[(at + word) / 4];
    }
    float most = kNothing, total = 0;
    vec4 low_sum = vec4(0), high_sum = vec4(0);
    [[unroll]] for (uint split = 0; split < kSplits; ++split) {
      if (split >= seen.n_parts) break;
      const uint at = part + split * kPartWords;
      wait_for(at + kHeadDim / 2, tails[split]);
      wait_for(at + word, words[split]);
      const vec2 tail = uintBitsToFloat(tails[split].xy);
      vec4 low, high;
      unpack(words[split], low, high);
      const float greatest = max(most, tail.x), keep = exp(most - greatest), weight = exp(tail.x - greatest) * tail.y;
      low_sum = keep * low_sum + weight * low;
      high_sum = keep * high_sum + weight * high;
      total = keep * total + weight;
      most = greatest;
    }
    low_sum /= total;
    high_sum /= total;
    const vec4 magnitudes = max(abs(low_sum), abs(high_sum));
    float greatest = max(max(magnitudes.x, magnitudes.y), max(magnitudes.z, magnitudes.w));
    greatest = max(greatest, subgroupShuffleXor(greatest, 1));
    const float scale = greatest == 0 ? 0 : 127 / greatest;
    const uint at = i / 2 * 3;
    vector[at + i % 2] = uvec2(codes_word(low_sum * scale), codes_word(high_sum * scale));
    if (i % 2 == 0) vector[at + 2] = uvec2(floatBitsToUint(greatest / 127), 0);
  }
  barrier();
}

uint pairs_of(Step s) {
  return s.result == kGated ? 2 : 1;
}

/// Of the groups of a product this workgroup has each kWorkgroups-th.
uint groups_of(Step s) {
  return (s.n_groups + kWorkgroups - 1 - gl_WorkGroupID.x) / kWorkgroups * pairs_of(s);
}

Packed tile0, tile1, tile2, tile3;  // no array, which compilers would not keep in registers

/// A step, and attention first where it is the one after that. Weights do not have to be waited for: the next of each tile
/// are asked for as soon as it has been used, at the end of a step those of the next one, unless that has attention first.
void run(uint layer, uint stage, Seen seen) {
  const Step s = step_of(stage);
  const uint base = layer * p.layer_words, own = gl_WorkGroupID.x, pairs = pairs_of(s), mine = groups_of(s);
  const uint n_blocks = s.n_columns / 32, n_rounds = (n_blocks + kStep * kTiles - 1) / (kStep * kTiles);
  const uint crew = thread / kCrewSize, first_block = thread % kCrewSize / 16, part = thread / 4 % 4, quad = thread % 4;
  const bool is_ahead = stage != 1 && layer + stage != 0, goes_ahead = stage != 0 && layer + 1 + stage / 3 <= kLayers;
  float norm = 1;
  uint from = 0;
  if (stage == 1) attend(layer, base, seen);
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
      Step asked = s;
      uint asked_to = to, asked_layer = layer;
      if (goes_ahead && to == mine && iteration == n_iterations) {
        asked = step_of((stage + 1) % 4);
        asked_to = groups_of(asked);
        asked_layer += stage / 3;
        load_group = crew;
        load_round = 0;
      } else if (is_ahead && from == 0 && iteration == 0) {
        asked_to = 0;  // they are under way
      }
      const uint asked_pairs = pairs_of(asked), asked_blocks = asked.n_columns / 32;
      uint at = (own + load_group / asked_pairs * kWorkgroups) * asked_pairs + load_group % asked_pairs, tensor = asked.matrix;
      if (tensor == kTensorQ && at >= kQueryDim / kGroupRows) {
        at -= kQueryDim / kGroupRows;
        tensor = kTensorK;
        if (at >= kKvDim / kGroupRows) {
          at -= kKvDim / kGroupRows;
          tensor = kTensorV;
        }
      }
      const bool uses = iteration != 0 && group < to, loads = load_group < asked_to;
      weights_at = tensors[asked_layer * kTensors + (loads ? tensor : 0)];
      at *= group_words(asked.n_columns);
      const uint used = round * kTiles * kStep + first_block, loaded = load_round * kTiles * kStep + first_block;
#define SAIN_USE(i)                                                                                   \
  if (uses && used + i * kStep < n_blocks) {                                                          \
    const uint x_at = ((used + i * kStep) * 2 + part / 2) * 3;                                        \
    sum += multiply(codes_of(tile##i), vector[x_at + part % 2], uintBitsToFloat(vector[x_at + 2].x)); \
  }
#define SAIN_LOAD(i) if (loads && loaded + i * kStep < asked_blocks) tile##i = load_packed(at, loaded + i * kStep, part, quad);
      SAIN_USE(0) SAIN_LOAD(0)
      SAIN_USE(1) SAIN_LOAD(1)
      SAIN_USE(2) SAIN_LOAD(2)
      SAIN_USE(3) SAIN_LOAD(3)
      if (++load_round == n_rounds) {
        load_round = 0;
        load_group += kCrews;
      }
      if (iteration == 0) {
        if (from == 0) {
          if (stage == 1) {
            if (mine != 0) receive_attended(base, seen);
          } else if (mine != 0) {
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
