"""Bounds of what a caller may ask, for the services and for the HTTP bodies."""

from __future__ import annotations

MAX_TOP_K = 50
MAX_QUERY_CHARS = 8_000
MAX_SECTION_CHARS = 100
MAX_ANSWER_TOKENS = 4_096
MAX_TEMPERATURE = 2.0
MAX_PENALTY = 2.0
"""Of presence and frequency penalties, in both directions, and of the repetition penalty."""
MAX_SAMPLED_FROM = 1_000_000
"""Of sampling's `top_k`. No vocabulary is larger, and vLLM keeps the number in 32 bits."""
DEFAULT_TOP_K = 5
DEFAULT_ANSWER_TOKENS = 1_024
"""Default for an answer to a free question, which any agent takes."""
MAX_HISTORY_TURNS = 500
MAX_HISTORY_CHARS = 200_000
"""Earlier turns and instructions together; bounds what a replica tokenizes for one question."""
MAX_STOPS = 4
MAX_STOP_CHARS = 200
MAX_TOPIC_CHARS = 200
MAX_MATERIAL_CHARS = 200_000
"""Source code, or specifications, to write from. The model's context length is usually the tighter
bound."""
MAX_CONTENT_CHARS = 5_000_000
MAX_USER_ID_CHARS = 200
MAX_SEED = 2**63 - 1
"""vLLM keeps a seed in 64 signed bits."""
