"""The engine: vLLM behind the `Generator` port. Prompts go in as token ids, deltas come out with theirs."""
