"""Anthropic's own Python client against a running `sain serve`.

  tools/install-clients
  ~/.local/share/sain/clients/bin/python3 anthropic_client.py http://127.0.0.1:8080
"""

import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="unused-unused-unused", max_retries=0)
HELLO = [{"role": "user", "content": "Hello! How are you?"}]
GREEDY = {"extra_body": {"temperature": 0}}  # an argument only in older versions


def message(**options):
    return client.messages.create(**({"model": "assistant", "messages": HELLO, "max_tokens": 16} | options))


def plain():
    answer = message()
    assert answer.content[0].text and answer.role == "assistant"
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert 0 < answer.usage.output_tokens <= 16


def streaming():
    whole = message(**GREEDY).content[0].text
    with client.messages.stream(model="assistant", messages=HELLO, max_tokens=16, **GREEDY) as stream:
        assert "".join(stream.text_stream) == whole
        final = stream.get_final_message()
    assert final.content[0].text == whole and final.usage.output_tokens > 0


def counting():
    counted = client.messages.count_tokens(model="assistant", messages=HELLO, system="Be brief.")
    assert counted.input_tokens == message(system="Be brief.").usage.input_tokens


def stop():
    whole = message(**GREEDY).content[0].text
    word = whole.split()[2]
    answer = message(**GREEDY, stop_sequences=[word])
    assert answer.content[0].text == whole[: whole.index(word)]
    assert answer.stop_reason == "stop_sequence" and answer.stop_sequence == word


def tools():
    question = {"role": "user", "content": "What is the weather in Oslo?"}
    weather = {
        "name": "get_weather",
        "description": "Tells the weather in a city.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    options = {"model": "coding", "tools": [weather], "max_tokens": 60} | GREEDY
    for choice in ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "get_weather"}):
        answer = message(messages=[question], tool_choice=choice, **options)
        assert answer.stop_reason == "tool_use", (choice, answer)
        (call,) = answer.content
        assert call.type == "tool_use" and call.input["city"].startswith("Oslo"), call
    with client.messages.stream(messages=[question], **options) as stream:
        final = stream.get_final_message()
    assert final.content[0].input == call.input and final.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "It rains, 8 degrees."}
    history = [question, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    answer = message(messages=history, tool_choice={"type": "none"}, **options)
    assert answer.stop_reason != "tool_use" and answer.content[0].text, answer  # what it says depends on the model


def cancel():
    with client.messages.stream(model="assistant", messages=HELLO, max_tokens=2000) as stream:
        next(iter(stream))
    assert message(max_tokens=1).content


def errors():
    for options, kind in (({"model": "claude"}, anthropic.NotFoundError), ({"extra_body": {"temperature": 5}}, anthropic.BadRequestError)):
        try:
            message(**options)
            raise AssertionError(f"{options}: no error")
        except kind:
            pass


for check in (plain, streaming, counting, stop, tools, errors, cancel):
    check()
    print(f"anthropic: {check.__name__}: passed", flush=True)
