"""Programs on the Python client, each whole: run one with `python -m deploy.examples.NAME`."""
