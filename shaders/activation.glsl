// The activations of kernels/activation/activation.h. 1 - 2 / (e^2x + 1) is tanh x without an infinity divided by another.
float activate(float x, uint activation) {
  if (activation == kSilu) return x / (1 + exp(-x));
  const float inner = 0.7978845608 * (x + 0.044715 * x * x * x);
  return 0.5 * x * (2 - 2 / (exp(2 * inner) + 1));
}

float soft_cap(float x, float cap) {
  return cap == 0 ? x : cap * (1 - 2 / (exp(2 * x / cap) + 1));
}
