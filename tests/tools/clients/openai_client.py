"""OpenAI's own Python client against a running `sain serve`: plain, streaming, logprobs, stop, seed, tools, JSON
by a schema, errors, cancel.

  tools/install-clients
  ~/.local/share/sain/clients/bin/python3 openai_client.py http://127.0.0.1:8080
"""

import json
import sys
import time

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="unused-unused-unused", max_retries=0)
HELLO = [{"role": "user", "content": "Hello! How are you?"}]


def chat(**options):
    options = {"model": "assistant", "messages": HELLO, "max_tokens": 24} | options
    return client.chat.completions.create(**options)


def text(answer):
    return answer.choices[0].message.content


def models():
    names = [model.id for model in client.models.list()]
    assert names[:2] == ["auto", "assistant"], names


def plain():
    answer = chat()
    assert text(answer), answer
    assert answer.model == "assistant"
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens <= 24


def streaming():
    whole = text(chat(temperature=0))
    chunks = list(chat(temperature=0, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")
    assert not chunks[-1].choices and chunks[-1].usage.completion_tokens > 0
    assert chunks[0].choices[0].delta.role == "assistant"


def conversation():
    answer = chat(
        model="coding",  # the assistant is too small for this
        messages=[
            {"role": "system", "content": "Answer in one word."},
            {"role": "user", "content": [{"type": "text", "text": "My name is Ada."}]},
            {"role": "assistant", "content": "Hello, Ada!"},
            {"role": "user", "content": "What is my name?"},
        ],
        temperature=0,
    )
    assert "Ada" in text(answer), answer


def length():
    answer = chat(max_completion_tokens=3, max_tokens=openai.NOT_GIVEN)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 3


def stop():
    whole = text(chat(temperature=0))
    word = whole.split()[2]
    answer = chat(temperature=0, stop=[word])
    assert text(answer) == whole[: whole.index(word)], (whole, answer)
    assert answer.choices[0].finish_reason == "stop"


def seed():
    first, second = (text(chat(temperature=1.5, seed=7)) for _ in range(2))
    assert first == second
    others = {text(chat(temperature=1.5)) for _ in range(3)}
    assert len(others) > 1, others


def several():
    answer = chat(n=2, temperature=1.5, seed=1)
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[0].message.content != answer.choices[1].message.content


def logprobs():
    answer = chat(temperature=0, logprobs=True, top_logprobs=2)
    tokens = answer.choices[0].logprobs.content
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)
    assert "".join(token.token for token in tokens).startswith(text(answer)[:10])


def logit_bias():
    first = chat(temperature=0, max_tokens=1)
    biased = chat(temperature=0, max_tokens=1, logit_bias={"504": 100})
    assert text(first) != text(biased)


def completions():
    answer = client.completions.create(model="assistant", prompt="The capital of France is", temperature=0, max_tokens=4)
    assert "Paris" in answer.choices[0].text, answer
    chunks = client.completions.create(model="assistant", prompt="The capital of France is", temperature=0, max_tokens=4, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == answer.choices[0].text


def responses():
    answer = client.responses.create(model="assistant", input="Hello!", temperature=0, max_output_tokens=16)
    assert answer.output_text and answer.usage.output_tokens <= 16
    with client.responses.stream(model="assistant", input="Hello!", temperature=0, max_output_tokens=16) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    assert text == answer.output_text


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
WEATHER = {"name": "get_weather", "description": "Tells the weather in a city.", "parameters": PARAMETERS}
QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}


def json_schema():
    answer = chat(
        model="coding",
        messages=[{"role": "user", "content": "Ada is 36 years old."}],
        response_format={"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}},
        temperature=0,
        max_tokens=60,
    )
    assert json.loads(text(answer)) == {"name": "Ada", "age": 36}, answer


def tools():
    options = {"model": "coding", "tools": [{"type": "function", "function": WEATHER}], "temperature": 0, "max_tokens": 60}
    for choice in ("auto", "required", {"type": "function", "function": {"name": "get_weather"}}):
        answer = chat(messages=[QUESTION], tool_choice=choice, **options).choices[0]
        assert answer.finish_reason == "tool_calls" and not answer.message.content, (choice, answer)
        (call,) = answer.message.tool_calls
        assert call.function.name == "get_weather", call
        assert json.loads(call.function.arguments)["city"].startswith("Oslo"), call

    with client.chat.completions.stream(messages=[QUESTION], **options) as stream:
        for event in stream:
            assert event.type != "content.delta", event
        final = stream.get_final_completion().choices[0]
    assert json.loads(final.message.tool_calls[0].function.arguments) == json.loads(call.function.arguments), final
    assert final.finish_reason == "tool_calls"

    result = {"role": "tool", "tool_call_id": call.id, "content": "It rains, 8 degrees."}
    answer = chat(messages=[QUESTION, answer.message, result], tool_choice="none", **options)
    assert text(answer) and not answer.choices[0].message.tool_calls, answer  # what it says depends on the model
    try:
        chat(messages=[QUESTION, result], **options)
        raise AssertionError("a result without its call: no error")
    except openai.BadRequestError as error:
        assert "tool_call_id" in str(error), error


def tools_of_responses():
    options = {"model": "coding", "tools": [{"type": "function", "strict": True} | WEATHER], "temperature": 0}
    answer = client.responses.create(input=[QUESTION], tool_choice="required", parallel_tool_calls=False, **options)
    (call,) = answer.output
    assert call.type == "function_call" and json.loads(call.arguments)["city"].startswith("Oslo"), call
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "It rains, 8 degrees."}
    answer = client.responses.create(input=[QUESTION, call, result], tool_choice="none", **options)
    assert answer.output_text, answer
    with client.responses.stream(input=[QUESTION], tool_choice="required", parallel_tool_calls=False, **options) as stream:
        deltas = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        assert "".join(deltas) == call.arguments == stream.get_final_response().output[0].arguments


def embeddings():
    parcel, delivery, tea = (
        item.embedding
        for item in client.embeddings.create(model="auto", input=["Where is my parcel?", "The delivery is late.", "I like tea."]).data
    )
    dot = lambda a, b: sum(x * y for x, y in zip(a, b))
    assert abs(dot(parcel, parcel) - 1) < 1e-3
    assert dot(parcel, delivery) > dot(parcel, tea)


def routed():
    answer = chat(model="auto", messages=[{"role": "user", "content": "Write a Python function that adds two numbers."}])
    assert answer.model == "coding", answer.model
    assert chat(model="coding").model == "coding"


def errors():
    for options, kind, word in (
        ({"model": "gpt-4o"}, openai.NotFoundError, "gpt-4o"),
        ({"temperature": 9}, openai.BadRequestError, "temperature"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, openai.BadRequestError, "tokens"),
    ):
        try:
            chat(**options)
            raise AssertionError(f"{options}: no error")
        except kind as error:
            assert word in str(error), error


def cancel():
    stream = chat(stream=True, max_tokens=2000, messages=[{"role": "user", "content": "Count to one thousand."}])
    next(iter(stream))
    stream.close()
    start = time.monotonic()
    assert text(chat(max_tokens=1)) is not None
    assert time.monotonic() - start < 5


for check in (
    *(models, plain, streaming, conversation, length, stop, seed, several, logprobs, logit_bias),
    *(completions, responses, json_schema, tools, tools_of_responses, embeddings, routed, errors, cancel),
):
    check()
    print(f"openai: {check.__name__}: passed", flush=True)
