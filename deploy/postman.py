"""A Postman collection (format 2.1) of every operation of the API, made from its OpenAPI document. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

_VARIABLE = re.compile(r"\{(\w+)\}")

_Json = dict[str, Any]


def collection(document: Mapping[str, Any]) -> _Json:
    """The collection: a folder for each tag, a request for each operation and example of its body.

    Its variables are `baseUrl`, `apiKey` (empty where no key is asked for), and `orderId`, which a request that places
    an order sets to the order it made.
    """
    folders: dict[str, list[_Json]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            folders.setdefault(operation["tags"][0], []).extend(_requests(method.upper(), path, operation))
    return {
        "info": {
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "version": document["info"]["version"],
            "schema": _FORMAT,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{apiKey}}", "type": "string"}]},
        "variable": [
            {"key": "baseUrl", "value": "http://127.0.0.1:8080"},
            {"key": "apiKey", "value": ""},
            {"key": "orderId", "value": ""},
        ],
        "item": [{"name": name, "item": items} for name, items in folders.items()],
    }


def _requests(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[_Json]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        yield _item(operation["summary"], method, path, operation, None)
        return
    for example in content["examples"].values():
        yield _item(f"{operation['summary']}: {example['summary']}", method, path, operation, example["value"])


def _item(name: str, method: str, path: str, operation: Mapping[str, Any], body: Any) -> _Json:
    parameters = operation.get("parameters", [])
    request: _Json = {
        "method": method,
        "description": operation.get("description", ""),
        "header": [_unset(each) for each in parameters if each["in"] == "header"],
        "url": _url(path, parameters),
    }
    if "security" not in operation:
        request["auth"] = {"type": "noauth"}
    if body is not None:
        request["header"].insert(0, {"key": "Content-Type", "value": "application/json"})
        request["body"] = {
            "mode": "raw",
            "raw": json.dumps(body, indent=2),
            "options": {"raw": {"language": "json"}},
        }
    item: _Json = {"name": name, "request": request, "response": []}
    if "Location" in operation["responses"].get("202", {}).get("headers", {}):
        remember = [
            "const { orderId } = pm.response.json();",
            'if (orderId) pm.collectionVariables.set("orderId", orderId);',
        ]
        item["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": remember}}]
    return item


def _url(path: str, parameters: list[Mapping[str, Any]]) -> _Json:
    query = [_unset(each) for each in parameters if each["in"] == "query"]
    asked = "&".join(f"{each['key']}={each['value']}" for each in query if not each.get("disabled"))
    written = _VARIABLE.sub(r":\1", path)
    url: _Json = {
        "raw": f"{{{{baseUrl}}}}{written}{f'?{asked}' if asked else ''}",
        "host": ["{{baseUrl}}"],
        "path": written.strip("/").split("/"),
    }
    if query:
        url["query"] = query
    names = _VARIABLE.findall(path)
    if names:
        known = {each["name"]: each for each in parameters}
        url["variable"] = [
            {"key": name, "value": _of_path(name), "description": known.get(name, {}).get("description", "")}
            for name in names
        ]
    return url


def _of_path(name: str) -> str:
    return {"order_id": "{{orderId}}", "code": "order_not_found"}.get(name, "")


def _unset(parameter: Mapping[str, Any]) -> _Json:
    """A parameter that is shown, and sent only where it must be."""
    schema = parameter["schema"]
    examples = schema.get("examples", [])
    value = examples[0] if examples else schema.get("default", "")
    shown: _Json = {
        "key": parameter["name"],
        "value": str(value),
        "description": parameter.get("description", schema.get("description", "")),
    }
    if not parameter.get("required", False):
        shown["disabled"] = True
    return shown
