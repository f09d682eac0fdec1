"""The Engine deployment: vLLM as a `Generator`. Prompts are token ids; deltas have text and ids."""
