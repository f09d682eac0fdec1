"""How names in Redis are made. The table lists every name that the application uses, with its lifetime.

    name                                        type    lifetime
    warmline:seg:{tenant}/{collection}:{key}    string  TTL of the collection
    warmline:ret:{tenant}/{collection}          hash    TTL by uses; 4,096 entries; emptied by each change
    warmline:counters:{tenant}/{collection}     hash    none; as many fields as the code has counters
    warmline:popularity:{tenant}/{collection}   zset    30 days after the last use; trimmed to the most used
    warmline:counted:{name}:{writer}            string  a day after the writer's last batch
    warmline:measured                           hash    a day; a field for each scope
    warmline:next:{warmline:measured}           hash    the same, while it is written
    warmline:measuring                          string  while segments are measured, and the pause after
    warmline:history:{tenant}/{collection}      string  a day after the last answer; 5,712 bytes
    warmline:paths:{tenant}/{collection}        zset    none; trimmed to the hottest paths
    warmline:path-scopes                        zset    none; trimmed, with paths, to the hottest scopes
    warmline:quota:{tenant}:windows             hash    2 days after the last request; 2 fields a quota
    warmline:quota:{tenant}:{place}             zset    the same; as many members as the tenant has places

The braces around `name` (the name of a counters or popularity key), around `warmline:measured`, and around
`tenant` in a quota's key are part of the key: a Redis Cluster keeps such keys in one slot, so that one
command or script may use them. All other keys are spread over the servers one by one.

Nothing here is the only copy of anything. Redis replicates after it has answered, so a failover loses the
last writes, and a server without replicas may lose all:

    seg         a miss: the text is tokenized again. A lost deletion brings ids back that no prompt asks for,
                until they expire; only an erasure waits until replicas have deleted them (`replication.py`)
    ret         a miss: the search runs again. A lost deletion brings results back that no request finds,
                because keys have the state of the collection; an erasure waits for replicas here, too
    counters    the cache's figures are lower; no answer depends on them
    popularity  WARMLINE_ORDER=popularity sees older figures
    counted     is lost with its batch, which the same script adds: no batch is added twice
    measured    segments are measured again; without `measuring`, two processes may do so at once
    history     the page shows fewer answers
    paths       new engine replicas warm fewer prompts, until these are asked for again; also path-scopes
    quota       a tenant has used less, and may use the lost part of its minute or day again. While Redis is
                down, each replica counts for itself

Under memory pressure Redis evicts only keys that have a TTL (policy `volatile-lfu`), so the code that
writes a key without a TTL has to limit its size.

A tenant's name contains no `/` and a collection's no `:`, so the prefix of one scope is never a prefix
of another's ('a/' is not a prefix of 'ab/'). Neither contains a glob character, so a SCAN pattern matches
literally. The functions here check both names again: an unchecked name must not reach a pattern.
"""

from __future__ import annotations

from hashlib import blake2b

from deployments.core.ids import CollectionName, Scope, TenantId, collection_name, tenant_id

_DIGEST_BYTES = 24


def scope_name(kind: str, scope: Scope) -> str:
    """The name of a key that a scope has once, such as its counters. Raises InvalidRequest."""
    return f"warmline:{kind}:{tenant_id(scope.tenant)}/{collection_name(scope.collection)}"


def entry_prefix(kind: str, scope: Scope) -> str:
    """The start of the names of a scope's entries of one kind; a key follows. Raises InvalidRequest."""
    return f"{scope_name(kind, scope)}:"


def scopes_pattern(kind: str, tenant: TenantId) -> str:
    """The SCAN pattern of the keys of one kind that a tenant's scopes have once. Raises InvalidRequest."""
    return f"warmline:{kind}:{tenant_id(tenant)}/*"


def entries_pattern(kind: str, tenant: TenantId, collection: CollectionName | None) -> str:
    """The SCAN pattern of a tenant's entries of one kind, in one collection or all.

    Raises InvalidRequest.
    """
    if collection is None:
        return scopes_pattern(kind, tenant)
    return f"{entry_prefix(kind, Scope(tenant, collection))}*"


def digest(*fields: str) -> str:
    """48 hex digits that are equal only for equal fields.

    The length of each field is hashed before its text, so that characters moved from one field to the
    next change the digest. Lone surrogates, which JSON can carry, are accepted.
    """
    hashed = blake2b(digest_size=_DIGEST_BYTES)
    for field in fields:
        raw = field.encode("utf-8", "surrogatepass")
        hashed.update(len(raw).to_bytes(8, "little"))
        hashed.update(raw)
    return hashed.hexdigest()
