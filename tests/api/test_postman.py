"""The Postman collection: in its format, complete, and every request of it works as it is."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import validate
from typer.testing import CliRunner

from api.app import openapi_document
from deploy.cli.main import app
from deploy.postman import collection
from tests.api.running import Api, RunWorker
from tests.workflows.scripted import Script

# What the format (collection v2.1.0) asks of the parts that the collection is made of.
_PAIRS: dict[str, Any] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["key", "value"],
        "properties": {
            "key": {"type": "string"},
            "value": {"type": "string"},
            "description": {"type": "string"},
            "disabled": {"type": "boolean"},
        },
    },
}
_FORMAT: dict[str, Any] = {
    "type": "object",
    "required": ["info", "item"],
    "properties": {
        "info": {
            "type": "object",
            "required": ["name", "schema"],
            "properties": {"schema": {"const": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"}},
        },
        "variable": _PAIRS,
        "item": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "item"],
                "properties": {"item": {"type": "array", "items": {"$ref": "#/$defs/request"}}},
            },
        },
    },
    "$defs": {
        "request": {
            "type": "object",
            "required": ["name", "request"],
            "properties": {
                "request": {
                    "type": "object",
                    "required": ["method", "url"],
                    "properties": {
                        "header": _PAIRS,
                        "body": {
                            "type": "object",
                            "required": ["mode", "raw"],
                            "properties": {"mode": {"const": "raw"}, "raw": {"type": "string"}},
                        },
                        "url": {
                            "type": "object",
                            "required": ["raw", "host", "path"],
                            "properties": {
                                "host": {"type": "array", "items": {"type": "string"}},
                                "path": {"type": "array", "items": {"type": "string"}},
                                "query": _PAIRS,
                                "variable": _PAIRS,
                            },
                        },
                    },
                }
            },
        }
    },
}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return openapi_document()


def requests_of(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for folder in made["item"]:
        yield from folder["item"]


def test_it_has_the_form_of_a_collection(described: dict[str, Any]) -> None:
    validate(collection(described), _FORMAT)


def test_every_operation_and_example_is_in_it_once(described: dict[str, Any]) -> None:
    found = list(requests_of(collection(described)))
    assert len({each["name"] for each in found}) == len(found)
    expected = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            expected += [(method.upper(), re.sub(r"\{(\w+)\}", r":\1", path))] * len(content.get("examples", [None]))
    paths = [(each["request"]["method"], "/" + "/".join(each["request"]["url"]["path"])) for each in found]
    assert sorted(paths) == sorted(expected)


def test_the_commands_print_both_documents(described: dict[str, Any]) -> None:
    for command, document in (("openapi", described), ("postman", collection(described))):
        printed = CliRunner().invoke(app, [command])
        assert printed.exit_code == 0
        assert json.loads(printed.stdout) == json.loads(json.dumps(document))


async def test_every_request_works_as_it_is(api: Api, run_worker: RunWorker, described: dict[str, Any]) -> None:
    variables = {"baseUrl": str(api.http.base_url).rstrip("/"), "apiKey": ""}
    async with run_worker(Script()):
        variables["orderId"] = (await api.submit(type="limit", limitPrice="400", clientOrderId="mine"))["orderId"]
        for each in requests_of(collection(described)):
            request = each["request"]
            path = re.sub(r":(\w+)", r"{\1}", "/" + "/".join(request["url"]["path"]))
            async with api.http.stream(**_sent(request, variables)) as answer:
                stated = described["paths"][path][request["method"].lower()]["responses"]
                assert str(answer.status_code) in stated, each["name"]
                assert answer.is_success, (each["name"], await answer.aread())


def _sent(request: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """The request as Postman sends it."""
    url = request["url"]

    def filled(text: str) -> str:
        return re.sub(r"\{\{(\w+)\}\}", lambda found: variables[found[1]], text)

    def set_ones(pairs: list[dict[str, Any]]) -> dict[str, str]:
        return {each["key"]: filled(each["value"]) for each in pairs if not each.get("disabled")}

    of_path = {each["key"]: filled(each["value"]) for each in url.get("variable", [])}
    of_path |= {"client_order_id": "mine"} if "client_order_id" in of_path else {}
    path = [of_path[part[1:]] if part.startswith(":") else part for part in url["path"]]
    return {
        "method": request["method"],
        "url": "/".join([*map(filled, url["host"]), *path]),
        "params": set_ones(url.get("query", [])),
        "headers": set_ones(request["header"]),
        "content": request.get("body", {}).get("raw"),
    }
