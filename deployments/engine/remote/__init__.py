"""vLLM servers that somebody else runs, as engines: prompts go to them as token ids, over HTTP."""
