"""How messages become JSON and back. One converter per process: the compiled form of each message is kept in it."""

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter

# The SDK makes a converter for every run of a workflow and several for each of its tasks. On its own each would
# compile the messages it meets anew.
_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())


class MessageConverter(CompositePayloadConverter):
    """Pydantic models as JSON, the same whichever workflow or activity they belong to."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


data_converter = DataConverter(payload_converter_class=MessageConverter)
