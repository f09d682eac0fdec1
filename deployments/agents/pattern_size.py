"""How much a regular expression describes, which bounds what following it costs."""

from __future__ import annotations

import re

_AFTER_ENDLESS = 5
"""How often a character counts in a pattern after `*`, `+` or `{n,}`."""
_PATTERN_PART = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|.", re.DOTALL)


def pattern_size(pattern: str) -> int:
    """How many characters a pattern describes at most, if nothing is repeated without end.

    Characters after an endless repetition count several times, since each of the repeated ones can be their
    beginning. Counts operators too, so it is at most a little too high.
    """
    groups, last, weight = [0], 0, 1
    for part in _PATTERN_PART.finditer(pattern):
        if part[0] in ("*", "+") or part[2] == "":
            weight = _AFTER_ENDLESS
        if part[1] is not None:
            count = int(part[2] or part[1])
            groups[-1] += last * (count - 1)
            last *= count
        elif part[0] == "(":
            groups.append(0)
        elif part[0] == ")" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        else:
            last = weight
            groups[-1] += last
    return sum(groups)
