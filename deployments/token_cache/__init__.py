"""Token segments: keys, codec, the levels of the cache, the tokenizer, and the deployment's service."""
