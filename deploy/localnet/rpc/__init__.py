"""The JSON-RPC methods, grouped by topic; `dispatch` knows them all."""
