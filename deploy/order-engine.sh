#!/bin/sh
# The console command in the container image. With exec Python is process 1 and gets the signals of the engine.
exec python -m deploy.cli.main "$@"
