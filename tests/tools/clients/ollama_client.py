"""Ollama's own Python client against a running `sain serve`.

  tools/install-clients
  ~/.local/share/sain/clients/bin/python3 ollama_client.py http://127.0.0.1:8080
"""

import json
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


def stop_and_seed():
    whole = client.chat(model="assistant", messages=HELLO, options=GREEDY).message.content
    word = whole.split()[2]
    answer = client.chat(model="assistant", messages=HELLO, options=GREEDY | {"stop": [word]})
    assert answer.message.content == whole[: whole.index(word)]
    options = {"temperature": 1.5, "seed": 7, "num_predict": 16}
    first, second = (client.chat(model="assistant", messages=HELLO, options=options) for _ in range(2))
    assert first.message.content == second.message.content


def json_schema():
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]}
    messages = [{"role": "user", "content": "Ada is 36 years old."}]
    answer = client.chat(model="coding", messages=messages, format=schema, options={"temperature": 0})
    assert json.loads(answer.message.content) == {"name": "Ada", "age": 36}, answer


def tools():
    def get_weather(city: str) -> str:
        """Tells the weather in a city.

        Args:
            city: its name
        """
        return f"It rains in {city}."

    messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
    options = {"model": "coding", "tools": [get_weather], "options": {"temperature": 0}}
    answer = client.chat(messages=messages, **options).message
    (call,) = answer.tool_calls
    assert call.function.name == "get_weather" and call.function.arguments["city"].startswith("Oslo"), answer
    pieces = list(client.chat(messages=messages, stream=True, **options))
    assert [piece.message.tool_calls for piece in pieces if piece.message.tool_calls] == [answer.tool_calls]
    assert not "".join(piece.message.content or "" for piece in pieces)
    result = {"role": "tool", "tool_name": "get_weather", "content": get_weather(**call.function.arguments)}
    del options["tools"]
    answer = client.chat(messages=[*messages, answer, result], **options).message
    assert answer.content and not answer.tool_calls, answer  # what it says depends on the model


def cancel():
    stream = client.chat(model="assistant", messages=HELLO, stream=True, options={"num_predict": 2000})
    next(stream)
    stream.close()
    assert client.chat(model="assistant", messages=HELLO, options=GREEDY).done


def errors():
    try:
        client.chat(model="llama3", messages=HELLO)
        raise AssertionError("no error")
    except ollama.ResponseError as error:
        assert error.status_code == 404 and "llama3" in error.error


for check in (tags, chat, generate, stop_and_seed, json_schema, tools, errors, cancel):
    check()
    print(f"ollama: {check.__name__}: passed", flush=True)
