// What drawing a token from logits takes, however it is done.

/// The bits of a logit, turned so that unsigned integers compare as the logits do; 0 where it can never be chosen.
uint turned(uint bits) {
  if ((bits & 0x7f800000u) == 0x7f800000u) return 0;  // infinities and NaN
  if (bits == 0x80000000u) return bits;               // -0 is 0
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

float turned_back(uint value) {
  return uintBitsToFloat((value & 0x80000000u) != 0 ? value & 0x7fffffffu : ~value);
}

/// e^x for x <= 0, by the steps of engine/sampling/exp.h.
float exp_nonpositive(float x) {
  const float kLowest = -87;
  precise float clamped = x > kLowest ? x : kLowest;
  precise float n = roundEven(clamped * 1.44269504);
  precise float r = (clamped - n * 0.693359375) - n * -2.12194440e-4;
  precise float power = 1.0 / 5040;
  power = power * r + 1.0 / 720;
  power = power * r + 1.0 / 120;
  power = power * r + 1.0 / 24;
  power = power * r + 1.0 / 6;
  power = power * r + 0.5;
  power = power * r + 1;
  power = power * r + 1;
  return x > kLowest ? power * uintBitsToFloat(uint(int(n) + 127) << 23) : 0;
}
