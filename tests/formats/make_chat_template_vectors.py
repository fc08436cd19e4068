#!/usr/bin/env python3
"""Writes the vectors of tests/formats/data/chat_templates with Jinja2 as the oracle.

    python3 tests/formats/make_chat_template_vectors.py

needs Debian's python3-jinja2. It renders, in the environment that Hugging Face's apply_chat_template uses,
  snippets.json       the table of jinja_snippets.py,
  conversations.json  every *.jinja of data/chat_templates with the conversations below.

The templates of SmolLM2 and Qwen2.5-Coder there are the models' own, read from their GGUF files (Apache-2.0); the files
style_*.jinja are written for this test in the manner of other families.
"""

import datetime
import json
import os
import pathlib

os.environ["TZ"] = "UTC"

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

from jinja_snippets import CONTEXT, SNIPPETS

DATA = pathlib.Path(__file__).parent / "data" / "chat_templates"
NOW = 1735300800  # 2024-12-27 12:00:00 UTC
BOS, EOS = "<s>", "</s>"


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks the assistant's words, renders its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("body"), [], [], body).set_lineno(line)

    def body(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def strftime_now(style):
        return datetime.datetime.fromtimestamp(NOW).strftime(style)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def render(env, source, variables):
    """{"output": text} or {"error": name of the exception, "message": its text}"""
    try:
        return {"output": env.from_string(source).render(variables)}
    except Exception as failure:  # whatever it is, the interpreter must fail too
        return {"error": type(failure).__name__, "message": str(failure)}


USER = {"role": "user", "content": "Hello, who are you?"}
SNIPPET_MESSAGES = [{"role": "system", "content": "Be brief."}, USER, {"role": "assistant", "content": "I am SAIN."}]

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather at a place — now.",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "A city, e.g. \"Zürich\""},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "description": "How many days", "default": 1}}}}}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time", "parameters": {
    "type": "object", "properties": {}}}}

CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "call00001", "type": "function", "function": {"name": "get_weather", "arguments": {
        "city": "Zürich <|im_end|>", "days": 2, "exact": True, "ratio": 0.5, "none": None}}}]}

CONVERSATIONS = {
    "one turn": {"messages": [USER]},
    "no generation prompt": {"messages": [USER], "add_generation_prompt": False},
    "system": {"messages": SNIPPET_MESSAGES[:2]},
    "several turns": {"messages": SNIPPET_MESSAGES + [
        {"role": "user", "content": "  Spaces,\n\nlines and <|im_end|> marks </s> [INST] <end_of_turn>  "},
        {"role": "assistant", "content": "<think>\nHm, let me see.\n</think>\n\nYes."},
        {"role": "user", "content": "日本語 🌍 “quotes” {{ 7 * 7 }} {% raw %}"}]},
    "tools": {"messages": SNIPPET_MESSAGES[:2], "tools": [WEATHER, CLOCK]},
    "tool calls": {"messages": [
        {"role": "system", "content": "You may call tools."},
        {"role": "user", "content": "Weather?"}, CALL,
        {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"t\": 21, \"s\": \"<|im_end|>\"}"},
        {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "second"},
        {"role": "assistant", "content": "It is 21 degrees."},
        {"role": "user", "content": "Thanks"}], "tools": [WEATHER]},
    "parts": {"messages": [{"role": "user", "content": [
        {"type": "text", "text": " What is this?"}, {"type": "image"}, {"type": "text", "text": "And that? "}]}]},
    "thinking off": {"messages": [USER], "extra": {"enable_thinking": False}},
    "thinking on": {"messages": [USER], "extra": {"enable_thinking": True}},
    "date given": {"messages": [USER], "extra": {"date_string": "1 Jan 2025", "custom_tools": [WEATHER]}},
    "starts with assistant": {"messages": [{"role": "assistant", "content": "Hi"}, USER]},
    "unknown role": {"messages": [USER, {"role": "wizard", "content": "abracadabra"}]},
    "no messages": {"messages": []},
    "content is null": {"messages": [USER, {"role": "assistant", "content": None}]},
    "reasoning given": {"messages": [USER, {"role": "assistant", "reasoning_content": "\nBecause.\n", "content": "\n42"}, USER]},
    "documents": {"messages": [USER], "extra": {"documents": [
        {"title": "Tall penguins", "text": "Emperor penguins are tall."}, {"title": "Empty", "text": ""}]}},
}


def variables_of(case):
    variables = {"messages": case["messages"], "tools": case.get("tools"), "documents": None,
                 "add_generation_prompt": case.get("add_generation_prompt", True), "bos_token": BOS, "eos_token": EOS}
    variables.update(case.get("extra", {}))
    return variables


def write(name, value):
    (DATA / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    env = environment()
    context = {"messages": SNIPPET_MESSAGES, "extra": CONTEXT}
    snippets = []
    for group, templates in SNIPPETS.items():
        for source in templates:
            snippets.append({"group": group, "template": source, **render(env, source, variables_of(context))})
    write("snippets.json", {"now": NOW, **context, "snippets": snippets})

    results = []
    for path in sorted(DATA.glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        for name, case in CONVERSATIONS.items():
            results.append({"template": path.name, "conversation": name, **render(env, source, variables_of(case))})
    write("conversations.json", {"now": NOW, "conversations": CONVERSATIONS, "results": results})
    failed = sum("error" in r for r in snippets), sum("error" in r for r in results)
    print(f"{len(snippets)} snippets ({failed[0]} fail), {len(results)} conversations ({failed[1]} fail)")


if __name__ == "__main__":
    main()
