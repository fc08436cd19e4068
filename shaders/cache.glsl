// Where a position's rows are in a layer's cache, and which positions a token sees: see AttentionParameters.

/// f16 of a row.
const uint kRow = (kHeadDim + 7) / 8 * 8;

uint slot_of(uint position) {
  return position < p.n_sinks ? position : p.n_sinks + (position - p.n_sinks) % (p.n_slots - p.n_sinks);
}

/// f16 before a key; a value is n_slots rows later.
uint key_at(uint kv_head, uint slot) {
  return (kv_head * 2 * p.n_slots + slot) * kRow;
}

/// The first of a token's positions that is no sink, as far as sinks and a window go.
uint window_begin(uint position) {
  const uint begin = p.window != 0 && position + 1 > p.window ? position + 1 - p.window : 0;
  return max(begin, min(p.n_sinks, position + 1));
}
