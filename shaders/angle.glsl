// cos and sin of position times frequency, exact to f32 at any position.
//
// A frequency is a fraction of a turn in 64 bits, high and low half. Whole turns fall out of the product, and of the rest
// the upper 32 bits are kept: no doubles, and nothing of the driver's own sin, which may be off by 2^-11.
vec2 cos_sin(uint position, uvec2 frequency) {
  uint carry, unused;
  umulExtended(position, frequency.y, carry, unused);
  const uint turn = position * frequency.x + carry;
  const uint quadrant = (turn + 0x20000000u) >> 30;
  const float a = float(int(turn - (quadrant << 30))) * 1.4629180793e-9;  // 2 pi / 2^32; |a| <= pi / 4
  const float a2 = a * a;
  const float s = a * (1 + a2 * (-1.0 / 6 + a2 * (1.0 / 120 + a2 * (-1.0 / 5040 + a2 / 362880))));
  const float c = 1 + a2 * (-0.5 + a2 * (1.0 / 24 + a2 * (-1.0 / 720 + a2 * (1.0 / 40320 - a2 / 3628800))));
  const vec2 turned = (quadrant & 1u) == 0 ? vec2(c, s) : vec2(-s, c);
  return (quadrant & 2u) == 0 ? turned : -turned;
}
