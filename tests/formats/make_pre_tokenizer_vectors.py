#!/usr/bin/env python3
"""Writes pre_tokenizer_vectors.json: how Hugging Face's `tokenizers` (0.23.3, from PyPI) cuts awkward texts with the
pre-tokenizers of the models' published tokenizer.json. Usage: make_pre_tokenizer_vectors.py > pre_tokenizer_vectors.json

The pieces are given by their lengths in bytes. The published components are used as they stand, not as the regular
expressions that formats/tokenizer/pre_tokenizer_patterns.cc made of them.
"""
import json
import sys
import unicodedata

from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, Digits, Punctuation, Sequence, Split

GPT2 = ByteLevel(add_prefix_space=False, use_regex=True)
EACH_DIGIT = Digits(individual_digits=True)


def split(*patterns):
    return [Split(Regex(pattern), behavior="isolated") for pattern in patterns]


CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
START = r"[^\r\n\p{L}\p{N}]?"
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

# The cased letters (general categories Lu, Ll, Lt) that deepseek-llm lists: those of Unicode 12 outside these scripts.
CASED = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376"
    "\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d"
    "\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4"
    "\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139"
    "\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d"
    "\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a"
    "\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    "\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)

FAMILIES = {
    "gpt-2": [GPT2],
    "smollm": [EACH_DIGIT, GPT2],
    # Published with Digits(individual_digits=False) for "[0-9]+": that one also takes bytes such as 0xB2 for digits,
    # because ByteLevel has written them as U+00B2. No merge crosses there, so the tokens are the same.
    "falcon": [Punctuation("contiguous"), GPT2] + split("[0-9]+", "[0-9][0-9][0-9]"),
    "llama-bpe": split(CONTRACTIONS + "|" + START + r"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES),
    "qwen2": split(CONTRACTIONS + "|" + START + r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SPACES),
    "qwen35": split(CONTRACTIONS + "|" + START + r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + SPACES),
    "seed-coder": split(CONTRACTIONS + "|" + START + r"\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + SPACES),
    "bailingmoe": split(r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
                        r"|\s+(?!\S)|\s+"),
    "gpt-4o": split(START + UPPER + "*" + LOWER + "+" + CONTRACTIONS + "?|" + START + UPPER + "+" + LOWER + "*" +
                    CONTRACTIONS + r"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES),
    "tekken": split(START + UPPER + "*" + LOWER + "+|" + START + UPPER + "+" + LOWER + "*" +
                    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + SPACES),
    "bloom": split(BLOOM),
    "viking": split(BLOOM) + [EACH_DIGIT],
    "deepseek-llm": split("[\r\n]", r"\s?[" + CASED + "]+",
                          r"\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$", CJK) +
                    [EACH_DIGIT],
    "deepseek-coder": split("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK) + [EACH_DIGIT],
    "deepseek-v3": split(r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                         r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
                         r"| ?[\p{P}\p{S}]+[\r\n]*" + SPACES),
}
FAMILIES["dbrx"] = FAMILIES["llama-bpe"]

TEXTS = [
    "a", " ", "\n", "  ", " a", "a ", "  a", "a  ", "a   b", "\n\n\n", " \n", "\n ", "a\n", "a \n b", "a\r\nb\r\n",
    "\r\r\n\n", " \t \n\t x\t\ty", "a\u00a0b", "\u00a0\u00a0a", "\u3000a\u3000", "a\u2003\u2003b", "\u0085a\u0085",
    "\u180ea \u180e", "a\u200bb", "\ufeffa", "\u2028a\u2029b", "\x00\x01a\x1b[0m\x7f", "\x0b\x0ca",
    "Hello, world!", "I'm you're HE'D we'LL They'Ve isn't 'tis 'S 's' ''s o'clock's", "'\u017f a'\u017fb \u212a's K's",
    "0 1 12 123 1234 12345 1234567890", "3.14159 1,000,000.00 -42 +7 1e-9 0xDEADBEEF 50%", "a1b22c333d4444",
    "\u00bd \u00b2\u00b3 \u2082 \u0661\u0662\u0663\u0664 \u2167 \u3007\u4e00 \U0001d7ce\U0001d7cf",
    "!!! ??? ... --- *** ((()))[[[]]]{{{}}} <<>> //// \\\\\\\\ ~~~ ___ ### $$$ ^^^ ``` |||", "a/b/c//d/\n/\n\n//e",
    "parseHTTPResponseToJSON snake_case kebab-case SCREAMING_CASE iOS iPhone15Pro XMLHttpRequest's McDonald'S",
    "https://example.com/a/b?x=1&y=%20z#frag user@example.co.uk", "def f(x):\n    if x > 0:\n        return x**2\n",
    "#include <vector>\nint main() { return v[0] == 2 ? 0 : 1; }\n", "<div class=\"a\"><p>Hi &amp; bye</p></div>",
    "na\u00efve caf\u00e9 \u00c5ngstr\u00f6m \u010cesk\u00fd \u0141\u00f3d\u017a \u0130stanbul stra\u00dfe \u01c5",
    "e\u0301 a\u030a n\u0303 o\u0308\u0304", "\u0301a \u0301 \u0301\u0301b", "\u0397 \u03b3\u03c1\u03ae\u03b3\u03bf\u03c1\u03b7",
    "\u1f7d \u1fd3 \u1fdb \u1fbe \u2126 \u212a \u212b \u1e9e \u1d5d \u1d78 \u02b0 \u0294 \u0295 \u01bb \u01c0",
    "\u4f60\u597d,\u4e16\u754c\u3002\u4eca\u5929\u5929\u6c14\u5f88\u597d!\u6211\u4eec", "\u7528Python\u5199\u4e00\u4e2ahello world\u7a0b\u5e8f,\u7248\u672c3.11",
    "\u3053\u3093\u306b\u3061\u306f\u30ab\u30bf\u30ab\u30ca\u3068\u6f22\u5b57\u3002\u300c\u300d\u30fb\u30fc", "\uff21\uff22\uff43\uff11\uff12\uff01\uff1f\uff5e\uff0f \u300a\u300b",
    "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4 \u1112\u1161\u11ab \ud7b0", "\u0645\u0631\u062d\u0628\u0627\u060c \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u06d4 \u0643\u064a\u0641\u061f", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e\u0964 \u0939\u0948\u0902?", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "\U0001f600 \U0001f389 \U0001f44d\U0001f3fd \u2764\ufe0f \U0001f1eb\U0001f1f7 \U0001f469\u200d\U0001f4bb", "\U00010400\U00010428 \U000104b0 \U0001e900 \U0001d518\U0001d52b",
    "\u2018a\u2019 \u201cb\u201d \u2014 \u2026 \u20ac1.299,00 (\u2248$1,400) \u00a74.2 \u2192 \u2122 \u00b0C", "a,b.c!d?e\u2026f\u3002g\uff0ch\u3001i\u0964j\u06d4k\u060cl(m)n|o",
    " .a ,b (c) |d| [e] .. ,, ((", "<|im_start|>user\nHi<|im_end|>\n", "<0x0A> \u2581 \u2581\u2581 \u0120 \u010a", "a" * 40, "A" * 40, "=" * 40, " " * 40 + "x",
    "x" + "\n" * 20 + " " * 20, "aB" * 10, "\u4e2d" * 20, "1" * 20, "x \ny  \n  z\n\n  \n", "I\u2019m don\u2019t", "\t\t\treturn;", "a\t", "_a_ __init__ *b* ~c~",
]


def pieces(pre_tokenizers, text):
    lengths = []
    end = 0
    for _, (begin, stop) in Sequence(pre_tokenizers).pre_tokenize_str(text):
        assert begin == end, (text, begin, end)
        lengths.append(len(text[begin:stop].encode()))
        end = stop
    assert end == len(text), text
    return lengths


def main():
    for text in TEXTS:
        for character in text:
            assert unicodedata.category(character) != "Cn", f"unassigned: {character!r}"
    lines = [f'  {json.dumps(text)}: {{' + ", ".join(
        f"{json.dumps(name)}: {json.dumps(pieces(stages, text), separators=(',', ':'))}"
        for name, stages in sorted(FAMILIES.items())) + "}" for text in dict.fromkeys(TEXTS)]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
