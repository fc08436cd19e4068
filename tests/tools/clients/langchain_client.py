"""LangChain's OpenAI chat model against a running `sain serve`.

  tools/install-clients
  ~/.local/share/sain/clients/bin/python3 langchain_client.py http://127.0.0.1:8080
"""

import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


def model(**options):
    options = {"model": "assistant", "temperature": 0, "max_completion_tokens": 24} | options
    return ChatOpenAI(base_url=sys.argv[1] + "/v1", api_key="unused-unused-unused", max_retries=0, **options)


@tool
def get_weather(city: str) -> str:
    """Tells the weather in a city."""
    return f"It rains in {city}."


def plain():
    answer = model().invoke("Hello! How are you?")
    assert answer.content and answer.usage_metadata["output_tokens"] <= 24, answer


def streaming():
    whole = model().invoke("Hello! How are you?").content
    chunks = list(model(stream_usage=True).stream("Hello! How are you?"))
    assert "".join(chunk.content for chunk in chunks) == whole
    assert sum(chunk.usage_metadata["output_tokens"] for chunk in chunks if chunk.usage_metadata) > 0


def stop():
    whole = model().invoke("Hello! How are you?").content
    word = whole.split()[2]
    assert model(stop=[word]).invoke("Hello! How are you?").content == whole[: whole.index(word)]


def seed():
    # After a prompt that is known already; without --exact the last bits of one that is not are others.
    _, first, second = (model(temperature=1.5, seed=7).invoke("Hello!").content for _ in range(3))
    assert first == second


def logprobs():
    answer = model(logprobs=True, top_logprobs=2).invoke("Hello!")
    assert all(len(token["top_logprobs"]) == 2 for token in answer.response_metadata["logprobs"]["content"])


def json_schema():
    schema = {
        "title": "person",
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    shaped = model(model="coding", max_completion_tokens=60).with_structured_output(schema, method="json_schema")
    person = shaped.invoke("Ada is 36 years old.")
    assert person == {"name": "Ada", "age": 36}, person


def tools():
    able = model(model="coding", max_completion_tokens=60).bind_tools([get_weather], tool_choice="get_weather")
    question = HumanMessage("What is the weather in Oslo?")
    answer = able.invoke([question])
    assert [call["name"] for call in answer.tool_calls] == ["get_weather"] and not answer.content, answer
    assert answer.tool_calls[0]["args"]["city"].startswith("Oslo"), answer
    whole = None
    for chunk in able.stream([question]):
        whole = chunk if whole is None else whole + chunk
    assert whole.tool_calls[0]["args"] == answer.tool_calls[0]["args"], whole
    result = ToolMessage(get_weather.invoke(answer.tool_calls[0]["args"]), tool_call_id=answer.tool_calls[0]["id"])
    free = model(model="coding").bind_tools([get_weather], tool_choice="none")
    answer = free.invoke([question, answer, result])
    assert answer.content and not answer.tool_calls, answer  # what it says depends on the model


def cancel():
    for _ in model(max_completion_tokens=2000).stream("Count to one thousand."):
        break
    assert model(max_completion_tokens=1).invoke("Hello!").content is not None


for check in (plain, streaming, stop, seed, logprobs, json_schema, tools, cancel):
    check()
    print(f"langchain: {check.__name__}: passed", flush=True)
