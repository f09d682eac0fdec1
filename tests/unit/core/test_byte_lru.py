"""A byte-bounded LRU. Its bound and its order are tested against a model in token_cache/test_lru.py."""

from deployments.core.byte_lru import ByteLru


def an_lru(*keys: str) -> ByteLru[str, str]:
    lru: ByteLru[str, str] = ByteLru(3, len)
    for key in keys:
        lru.put(key, key)
    return lru


def test_peeking_does_not_use_an_entry_and_getting_does():
    """The least recently used entry makes room for a new one."""
    lru = an_lru("a", "b", "c")
    assert (lru.peek("a"), lru.get("b")) == ("a", "b")
    lru.put("d", "d")
    lru.put("e", "e")
    assert [key for key in "abcde" if lru.peek(key)] == ["b", "d", "e"]


def test_a_replaced_value_counts_with_its_new_size_only():
    lru = an_lru("a", "b")
    lru.put("a", "xx")
    assert (lru.bytes_used, len(lru), lru.peek("a")) == (3, 2, "xx")
    lru.put("a", "too large")
    assert (lru.bytes_used, len(lru), lru.peek("a")) == (1, 1, None)


def test_dropping_counts_what_was_there():
    lru = an_lru("a", "b", "c")
    lru.drop("a")
    lru.drop("never there")
    assert lru.drop_where(lambda key: key in "ab") == 1
    assert (lru.bytes_used, len(lru)) == (1, 1)
