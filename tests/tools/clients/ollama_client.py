"""Ollama's own Python client against a running `sain serve`.

  pip install -r requirements.txt
  python3 ollama_client.py http://127.0.0.1:8080
"""

import sys

import ollama

client = ollama.Client(host=sys.argv[1])
HELLO = [{"role": "user", "content": "Hello! How are you?"}]
GREEDY = {"temperature": 0, "num_predict": 16}


def tags():
    assert [model.model for model in client.list().models][:2] == ["auto:latest", "assistant:latest"]


def chat():
    answer = client.chat(model="assistant", messages=HELLO, options=GREEDY)
    assert answer.message.content and answer.done and answer.eval_count <= 16
    pieces = list(client.chat(model="assistant", messages=HELLO, options=GREEDY, stream=True))
    assert "".join(piece.message.content for piece in pieces) == answer.message.content
    assert pieces[-1].done_reason in ("stop", "length")


def generate():
    answer = client.generate(model="assistant", prompt="The capital of France is", raw=True, options=GREEDY)
    assert "Paris" in answer.response, answer


def errors():
    try:
        client.chat(model="llama3", messages=HELLO)
        raise AssertionError("no error")
    except ollama.ResponseError as error:
        assert error.status_code == 404 and "llama3" in error.error


for check in (tags, chat, generate, errors):
    check()
    print(f"{check.__name__}: passed")
