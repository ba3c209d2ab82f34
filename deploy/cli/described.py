"""What the API says of itself, for other tools: as OpenAPI, and as a Postman collection."""

import json
from typing import Any


def openapi() -> None:
    """Print the OpenAPI document of the API."""
    from api.app import openapi_document

    _print(openapi_document())


def postman() -> None:
    """Print a Postman collection of every request of the API, with examples that work as they are."""
    from api.app import openapi_document
    from deploy.postman import collection

    _print(collection(openapi_document()))


def _print(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))
