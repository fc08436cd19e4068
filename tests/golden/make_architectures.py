#!/usr/bin/env python3
"""Makes data/architectures: tiny models with random weights, and what Hugging Face transformers answers for them.

    pip install torch transformers gguf numpy
    python3 tests/golden/make_architectures.py [OUTPUT_FOLDER]

For each variant below two files: NAME.gguf (every tensor F32, names and metadata as converters to GGUF write them) and
NAME.json (three prompts, and the logits of the whole vocabulary at three positions of each). The reference runs in
float32 with attention "eager", on the CPU, in one thread; seeds are fixed, so a rerun gives the same weights.

A golden answer proves something only if it depends on what it is meant to test. So every variant lists `probes`:
changes to its configuration that must move a logit by more than PROBE_MOVES; the script fails where one does not.

What GGUF stores differently from the reference, after the public description of the format:
  * llama rotates adjacent pairs of elements, the reference the two halves of a head: rows of q and k are reordered;
  * gemma's norms multiply by 1 + w in the reference; GGUF stores the sum;
  * Llama 3's scaling is a tensor of divisors of the frequencies, rope_freqs.weight; linear and YaRN are metadata.
"""

import json
import math
import pathlib
import sys
import zlib

import gguf
import numpy as np
import torch
import transformers
from transformers import (Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig,
                          LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

VOCAB = 96
CONTEXT = 256
PROMPT_LENGTHS = (5, 40, 100)
WINDOW = 16
PROBE_MOVES = 1e-2
LARGEST_FILE = 112 << 10

# What all configurations share.
COMMON = dict(vocab_size=VOCAB, max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=1, pad_token_id=None)
SMALL = dict(hidden_size=32, intermediate_size=35, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             rms_norm_eps=1e-5)
# Seven layers: 0-4 and 6 see a window, 5 sees everything.
GEMMA3 = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1,
              head_dim=8, query_pre_attn_scalar=8, sliding_window=WINDOW)
# The depth of a 27B is what tells readers of GGUF that queries are scaled by d_model / n_heads (here 4), not head_dim.
GEMMA_27B = dict(hidden_size=8, intermediate_size=4, num_attention_heads=2, num_key_value_heads=1, head_dim=2,
                 query_pre_attn_scalar=4, sliding_window=WINDOW)


def rope(kind, base=10000.0, **parameters):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=base, **parameters))


def gemma_rope(kind="default", global_base=1e6, local_base=10000.0, **parameters):
    return dict(rope_parameters=dict(
        full_attention=dict(rope_type=kind, rope_theta=global_base, **parameters),
        sliding_attention=dict(rope_type="default", rope_theta=local_base)))


LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = dict(factor=4.0, original_max_position_embeddings=64)


class Variant:
    """A model to make. `config`: arguments of the reference's configuration; `probes`: changes to them that must show;
    `metadata`: GGUF keys beyond the dimensions, without the architecture's prefix."""

    def __init__(self, name, arch, model, config, metadata=None, probes=None):
        self.name, self.arch, self.model = name, arch, model
        self.config = {**COMMON, **config}
        self.metadata = metadata or {}
        self.probes = probes or {}

    def build(self, **changes):
        config_class, model_class = self.model
        config = config_class(**{**self.config, **changes})
        return model_class._from_config(config, attn_implementation="eager", dtype=torch.float32).eval()


LLAMA = (LlamaConfig, LlamaForCausalLM)
MISTRAL = (MistralConfig, MistralForCausalLM)
QWEN2 = (Qwen2Config, Qwen2ForCausalLM)
QWEN3 = (Qwen3Config, Qwen3ForCausalLM)
GEMMA2_CLASSES = (Gemma2Config, Gemma2ForCausalLM)
GEMMA3_CLASSES = (Gemma3TextConfig, Gemma3ForCausalLM)

VARIANTS = [
    Variant("llama", "llama", LLAMA, {**SMALL, **rope("default", 5000.0)},
            {"rope.freq_base": 5000.0, "rope.dimension_count": 8},
            {"base": rope("default", 10000.0), "epsilon": dict(rms_norm_eps=1e-1)}),
    Variant("llama_rope_llama3", "llama", LLAMA,
            {**SMALL, "num_attention_heads": 2, "num_key_value_heads": 1, **rope("llama3", **LLAMA3)},
            {"rope.freq_base": 10000.0, "rope.dimension_count": 16},
            {"scaling": rope("default"), "high_freq_factor": rope("llama3", **{**LLAMA3, "high_freq_factor": 8.0}),
             "low_freq_factor": rope("llama3", **{**LLAMA3, "low_freq_factor": 0.25})}),
    Variant("llama_rope_linear", "llama", LLAMA, {**SMALL, **rope("linear", factor=4.0)},
            {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
            {"scaling": rope("default"), "factor": rope("linear", factor=3.5)}),
    Variant("llama_rope_yarn", "llama", LLAMA,
            {**SMALL, "num_attention_heads": 2, "num_key_value_heads": 1, **rope("yarn", 500.0, **YARN)},
            {"rope.freq_base": 500.0, "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
             "rope.scaling.original_context_length": 64},
            {"scaling": rope("default", 500.0), "linear": rope("linear", 500.0, factor=4.0),
             "magnitude": rope("yarn", 500.0, **YARN, attention_factor=1.0),
             "original_context": rope("yarn", 500.0, **{**YARN, "original_max_position_embeddings": 256})}),
    Variant("llama_bias", "llama", LLAMA, {**SMALL, "attention_bias": True, **rope("default")},
            {"rope.freq_base": 10000.0}),
    Variant("llama_head_dim", "llama", LLAMA,
            {**SMALL, "head_dim": 12, "num_key_value_heads": 1, "tie_word_embeddings": True, **rope("default")},
            {"rope.dimension_count": 12, "attention.key_length": 12, "attention.value_length": 12}),
    Variant("mistral_window", "llama", MISTRAL, {**SMALL, "sliding_window": WINDOW, "head_dim": 8, **rope("default")},
            {"attention.sliding_window": WINDOW},
            {"window": dict(sliding_window=None), "window by one": dict(sliding_window=WINDOW + 1)}),
    Variant("qwen2", "qwen2", QWEN2, {**SMALL, "tie_word_embeddings": True, **rope("default", 1e6)},
            {"rope.freq_base": 1e6}, {"base": rope("default", 1e4)}),
    Variant("qwen2_rope_yarn", "qwen2", QWEN2,
            {**SMALL, "num_attention_heads": 2, "num_key_value_heads": 1,
             **rope("yarn", 1e6, **YARN, beta_fast=8.0, beta_slow=0.25)},
            {"rope.freq_base": 1e6, "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
             "rope.scaling.original_context_length": 64, "rope.scaling.yarn_beta_fast": 8.0,
             "rope.scaling.yarn_beta_slow": 0.25},
            {"betas": rope("yarn", 1e6, **YARN), "scaling": rope("default", 1e6)}),
    Variant("qwen3", "qwen3", QWEN3, {**SMALL, "head_dim": 16, "num_key_value_heads": 1, "intermediate_size": 28,
                                      "tie_word_embeddings": True, **rope("default", 1e6)},
            {"rope.freq_base": 1e6, "attention.key_length": 16, "attention.value_length": 16},
            {"base": rope("default", 1e4)}),
    Variant("gemma2", "gemma2", GEMMA2_CLASSES,
            {**SMALL, "num_hidden_layers": 3, "hidden_size": 24, "intermediate_size": 32, "num_attention_heads": 3,
             "num_key_value_heads": 1, "head_dim": 12, "query_pre_attn_scalar": 12, "sliding_window": WINDOW,
             "attn_logit_softcapping": 4.0, "final_logit_softcapping": 6.0, **rope("default")},
            {"attention.key_length": 12, "attention.value_length": 12, "attention.sliding_window": WINDOW,
             "attn_logit_softcapping": 4.0, "final_logit_softcapping": 6.0},
            {"attention cap": dict(attn_logit_softcapping=None), "final cap": dict(final_logit_softcapping=None),
             "window": dict(sliding_window=CONTEXT), "window by one": dict(sliding_window=WINDOW + 1),
             "which layers": dict(layer_types=["full_attention", "sliding_attention", "full_attention"]),
             "query scale": dict(query_pre_attn_scalar=8)}),
    Variant("gemma2_27b", "gemma2", GEMMA2_CLASSES,
            {**GEMMA_27B, "num_hidden_layers": 46, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
             **rope("default")},
            {"attention.key_length": 2, "attention.value_length": 2, "attention.sliding_window": WINDOW,
             "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
            {"query scale": dict(query_pre_attn_scalar=2), "window": dict(sliding_window=CONTEXT)}),
    Variant("gemma3", "gemma3", GEMMA3_CLASSES, {**GEMMA3, **gemma_rope()},
            {"rope.freq_base": 1e6, "attention.key_length": 8, "attention.value_length": 8,
             "attention.sliding_window": WINDOW},
            {"global base": gemma_rope(global_base=1e4), "local base": gemma_rope(local_base=1e6),
             "window": dict(sliding_window=CONTEXT), "window by one": dict(sliding_window=WINDOW + 1),
             "which layers": dict(sliding_window_pattern=7), "query scale": dict(query_pre_attn_scalar=16)}),
    Variant("gemma3_rope_linear", "gemma3", GEMMA3_CLASSES,
            {**GEMMA3, **gemma_rope("linear", factor=8.0), "final_logit_softcapping": 5.0},
            {"rope.freq_base": 1e6, "rope.freq_base_swa": 10000.0, "rope.scaling.type": "linear",
             "rope.scaling.factor": 8.0, "attention.key_length": 8, "attention.value_length": 8,
             "attention.sliding_window": WINDOW, "final_logit_softcapping": 5.0},
            {"scaling": gemma_rope(), "final cap": dict(final_logit_softcapping=None)}),
    Variant("gemma3_27b", "gemma3", GEMMA3_CLASSES, {**GEMMA_27B, "num_hidden_layers": 62, **gemma_rope()},
            {"rope.freq_base": 1e6, "attention.key_length": 2, "attention.value_length": 2,
             "attention.sliding_window": WINDOW},
            {"query scale": dict(query_pre_attn_scalar=2), "window": dict(sliding_window=CONTEXT)}),
]


def is_gemma(variant):
    return variant.arch.startswith("gemma")


def randomize(model, variant):
    """Weights large enough that no part of the model can be wrong unseen, small enough that a softmax is not a choice
    of one. Blocks of a deep model add less each: 60 random layers at full strength would amplify rounding to 1e-2."""
    random = np.random.default_rng(zlib.crc32(variant.name.encode()))
    is_deep = model.config.num_hidden_layers > 10
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        if is_deep and ("post_attention" in name or "post_feedforward" in name):
            values = random.normal(-0.8, 0.1, shape)
        elif "norm" in name:
            values = random.normal(0 if is_gemma(variant) else 1, 0.3, shape)
        elif name.endswith("bias"):
            values = random.normal(0, 0.5, shape)
        elif "embed_tokens" in name:
            values = random.normal(0, 1, shape)
        else:
            values = random.normal(0, 1.5 / math.sqrt(shape[1]), shape)
        parameter.data = torch.from_numpy(values.astype(np.float32))


def prompts(variant):
    random = np.random.default_rng(zlib.crc32(variant.name.encode()) + 1)
    return [random.integers(0, VOCAB, n).tolist() for n in PROMPT_LENGTHS]


def positions(n):
    return sorted({n // 3, 2 * n // 3, n - 1})


@torch.no_grad()
def logits(model, ids):
    """(len(ids), VOCAB)"""
    return model(torch.tensor([ids]), use_cache=False).logits[0].double().numpy()


def probe(model, variant):
    """The largest change of a logit for each of the variant's probes."""
    ids = prompts(variant)[-1]
    plain = logits(model, ids)
    moved = {}
    for name, changes in variant.probes.items():
        changed = variant.build(**changes)
        changed.load_state_dict(model.state_dict())
        moved[name] = np.abs(logits(changed, ids) - plain).max()
        if moved[name] <= PROBE_MOVES:
            sys.exit(f"{variant.name}: the answers hardly depend on {name}: {moved[name]:.2g}")
    return moved


def adjacent_pairs(weight, n_heads):
    """Rows (or elements of a bias) of each head: from two halves to pairs."""
    return weight.reshape(n_heads, 2, -1, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


# The reference's name of a layer's part, and GGUF's.
LAYER_PARTS = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
}
NORMS_AFTER_ATTENTION = {
    "llama": {"post_attention_layernorm": "ffn_norm"},
    "gemma": {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
              "post_feedforward_layernorm": "post_ffw_norm"},
}


def gguf_name(name, variant):
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}
    if name in whole:
        return whole[name]
    _, _, layer, part = name.split(".", 3)
    part, kind = part.rsplit(".", 1)
    parts = LAYER_PARTS | NORMS_AFTER_ATTENTION["gemma" if is_gemma(variant) else "llama"]
    return f"blk.{layer}.{parts[part]}.{kind}"


def gguf_tensors(model, variant):
    config = model.config
    for name, parameter in model.named_parameters():
        values = parameter.detach().numpy()
        if variant.arch == "llama" and ".q_proj." in name:
            values = adjacent_pairs(values, config.num_attention_heads)
        if variant.arch == "llama" and ".k_proj." in name:
            values = adjacent_pairs(values, config.num_key_value_heads)
        if is_gemma(variant) and "norm" in name:
            values = values + np.float32(1)
        yield gguf_name(name, variant), values
    if variant.name == "llama_rope_llama3":
        yield "rope_freqs.weight", llama3_divisors(config)


def llama3_divisors(config):
    """Short waves are kept, long ones stretched by the factor, those between in proportion (Llama 3.1's release)."""
    p = config.rope_parameters
    divisors = []
    for i in range(0, config.head_dim, 2):
        wavelength = 2 * math.pi * p["rope_theta"] ** (i / config.head_dim)
        turns = p["original_max_position_embeddings"] / wavelength
        kept = (turns - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"])
        kept = min(max(kept, 0), 1)
        divisors.append(1 / ((1 - kept) / p["factor"] + kept))
    regimes = {1.0: "kept", p["factor"]: "stretched"}
    if len({regimes.get(d, "between") for d in divisors}) != 3:
        sys.exit("llama3: expected all three regimes")
    return np.array(divisors, dtype=np.float32)


def tokenizer_vocabulary():
    """Two control tokens, byte-level tokens of a space and most of ASCII, and two merges."""
    characters = ["Ġ"] + [chr(c) for c in range(ord("!"), ord("~") + 1) if chr(c) not in "^`~"]
    tokens = ["<|start|>", "<|end|>"] + characters + ["th", "the"]
    assert len(tokens) == VOCAB
    return tokens, ["t h", "th e"]


def write_gguf(path, model, variant):
    config = model.config
    writer = gguf.GGUFWriter(path, variant.arch)
    writer.add_name(variant.name)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    for key, value in variant.metadata.items():
        add = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}[type(value)]
        add(f"{variant.arch}.{key}", value)
    tokens, merges = tokenizer_vocabulary()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([int(gguf.TokenType.CONTROL)] * 2 + [int(gguf.TokenType.NORMAL)] * (len(tokens) - 2))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)
    for name, values in gguf_tensors(model, variant):
        writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def float32_noise(model, variant):
    """How far the reference is from itself in float64 (but for the parts that it always computes in float32): what
    rounding alone does to this model's logits, from which the test derives its tolerance."""
    plain = [logits(model, ids) for ids in prompts(variant)]
    in_double = model.double()
    noise = max(np.abs(logits(in_double, ids) - rows).max() for ids, rows in zip(prompts(variant), plain))
    model.float()
    return noise


def write_answers(path, model, variant):
    cases = []
    for ids in prompts(variant):
        rows = logits(model, ids)
        # Nine digits give back the very float32.
        cases.append({"ids": ids, "logits": [{"position": p, "values": [float(f"{x:.9g}") for x in rows[p]]}
                                             for p in positions(len(ids))]})
    answers = {"reference": f"transformers {transformers.__version__}, float32, attention eager",
               "noise": float(f"{float32_noise(model, variant):.2g}"), "cases": cases}
    path.write_text(json.dumps(answers, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    return answers["noise"]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data/architectures")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for variant in VARIANTS:
        model = variant.build()
        randomize(model, variant)
        moved = probe(model, variant)
        path = folder / f"{variant.name}.gguf"
        write_gguf(path, model, variant)
        if path.stat().st_size > LARGEST_FILE:
            sys.exit(f"{path}: {path.stat().st_size} bytes are too many for the repository")
        noise = write_answers(path.with_suffix(".json"), model, variant)
        print(f"{variant.name}: {path.stat().st_size} bytes, noise {noise:.2g}",
              *(f"{name} moves {by:.2g}" for name, by in moved.items()), sep=", ")


if __name__ == "__main__":
    main()
