"""Anthropic's own Python client against a running `sain serve`.

  pip install -r requirements.txt
  python3 anthropic_client.py http://127.0.0.1:8080
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
    assert message(**GREEDY, stop_sequences=[word]).content[0].text == whole[: whole.index(word)]


def errors():
    for options, kind in (({"model": "claude"}, anthropic.NotFoundError), ({"extra_body": {"temperature": 5}}, anthropic.BadRequestError)):
        try:
            message(**options)
            raise AssertionError(f"{options}: no error")
        except kind:
            pass


for check in (plain, streaming, counting, stop, errors):
    check()
    print(f"{check.__name__}: passed")
