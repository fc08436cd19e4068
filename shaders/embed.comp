// x[t] = scale * embedding[tokens[t]]
//
// Bindings: 0 the embedding, or a part of it, 1 tokens (n_tokens), 2 x (n_tokens, cols). An invocation computes 8 columns:
// the grid is (cols / 8 / workgroup size rounded up, n_tokens).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/interface.h"

layout(local_size_x_id = 0) in;

#include "shaders/weights.glsl"

layout(std430, binding = 1) readonly buffer Tokens { uint tokens[]; };
layout(std430, binding = 2) writeonly buffer X { vec4 x[]; };
layout(push_constant) uniform Parameters { EmbedParameters p; };

void main() {
  const uint column = gl_GlobalInvocationID.x * 8, t = gl_WorkGroupID.y;
  const uint row = tokens[t] - p.first_row;  // beyond all rows for a token before first_row
  if (column >= p.cols || row >= p.rows) return;
  const uint r = row % 4, at = (t * p.cols + column) / 4;
  const Tile tile = load_tile(row / kGroupRows * group_words(p.cols), column / 32, column / 8 % 4, row % kGroupRows / 4);
  x[at] = p.scale * (tile.scale[r] * tile.low[r] + tile.offset[r]);
  if (column + 4 < p.cols) x[at + 1] = p.scale * (tile.scale[r] * tile.high[r] + tile.offset[r]);
}
