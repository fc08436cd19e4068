#!/usr/bin/env python3
"""Writes dequantize_vectors.bin: random blocks of every type and what the `gguf` package makes of them.

Needs `pip install gguf==0.19.0 numpy`. For each type: u32 type number, u32 blocks, the blocks, their f32 values, all
little-endian. The first block of a type is random in every byte; the others have random codes and scales from a list
with the extremes of f16.
"""
import pathlib
import struct

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

SEED = 20240817
N_BLOCKS = 7
# 0, -0, the smallest and largest subnormals, the smallest normal, 1, the largest, -largest, infinity, NaN, 0.0123, -3.5
HALVES = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF, 0x7C00, 0x7E00, 0x224C, 0xC300]
# Byte offsets of the f16 fields in a block.
HALF_FIELDS = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: [],
}


def make_blocks(rng, dtype):
    n_bytes = GGML_QUANT_SIZES[dtype][1]
    blocks = rng.integers(0, 256, (N_BLOCKS, n_bytes), dtype=np.uint8)
    for block in blocks[1:]:
        for offset in HALF_FIELDS[dtype]:
            block[offset:offset + 2] = np.frombuffer(struct.pack("<H", rng.choice(HALVES)), np.uint8)
    if dtype == T.MXFP4:
        blocks[:, 0] = [0, 1, 2, 3, 127, 254, 255]
    return blocks


def main():
    rng = np.random.default_rng(SEED)
    out = bytearray()
    for dtype in HALF_FIELDS:
        blocks = make_blocks(rng, dtype)
        with np.errstate(all="ignore"):
            values = np.concatenate([dequantize(block, dtype) for block in blocks])
        out += struct.pack("<II", dtype, N_BLOCKS) + blocks.tobytes() + values.astype("<f4").tobytes()
    for dtype in (T.F16, T.BF16, T.F32):
        n_bytes = GGML_QUANT_SIZES[dtype][1]
        data = rng.integers(0, 256, 61 * n_bytes, dtype=np.uint8)
        if dtype == T.F16:
            data[:2 * len(HALVES)] = np.frombuffer(struct.pack(f"<{len(HALVES)}H", *HALVES), np.uint8)
        values = data.view("<f4") if dtype == T.F32 else dequantize(data, dtype)
        out += struct.pack("<II", dtype, 61) + data.tobytes() + values.astype("<f4").tobytes()
    path = pathlib.Path(__file__).with_name("dequantize_vectors.bin")
    path.write_bytes(out)
    print(f"{path.name}: {len(out)} bytes")


if __name__ == "__main__":
    main()
