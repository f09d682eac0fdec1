"""Cache salts, and the secret that they are derived from."""

from __future__ import annotations

import os
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import ConfigurationError, InvalidRequest
from deployments.core.ids import TenantId, collection_name
from deployments.core.salt import SALT_COLLECTION, SECRET_FILE, cache_salt, load_secret

secrets = st.binary(min_size=16, max_size=64)
tenants = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True).map(TenantId)


epochs = st.text("0a", max_size=3)


@given(secrets, tenants, epochs)
def test_a_salt_is_64_hex_digits_and_always_the_same(secret: bytes, tenant: TenantId, epoch: str) -> None:
    salt = cache_salt(secret, tenant, epoch)
    assert salt == cache_salt(secret, tenant, epoch)
    assert len(salt) == 64
    assert set(salt) <= set("0123456789abcdef")


@given(st.lists(st.tuples(secrets, tenants, epochs), unique=True, max_size=20))
def test_tenants_epochs_and_secrets_never_share_a_salt(keys: list[tuple[bytes, TenantId, str]]) -> None:
    # HMAC pads a key with zeros to its block.
    distinct = {(secret.rstrip(b"\0"), tenant, epoch) for secret, tenant, epoch in keys}
    assert len({cache_salt(*key) for key in keys}) == len(distinct)


def test_no_caller_can_name_the_collection_whose_state_is_the_epoch() -> None:
    with pytest.raises(InvalidRequest):
        collection_name(SALT_COLLECTION)


def test_a_configured_secret_wins_and_leaves_no_file(tmp_path: Path) -> None:
    assert load_secret("0123456789abcdef", tmp_path) == b"0123456789abcdef"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("short", ["", "0123456789abcde"])
def test_a_short_secret_is_refused_by_its_name(short: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="WARMLINE_SECRET"):
        load_secret(short, tmp_path)


def test_the_first_start_makes_a_private_file_and_the_next_reads_it(tmp_path: Path) -> None:
    state_dir = tmp_path / "state" / "warmline"
    secret = load_secret(None, state_dir)
    assert len(secret) == 64
    assert load_secret(None, state_dir) == secret
    assert (state_dir / SECRET_FILE).stat().st_mode & 0o777 == 0o600
    assert state_dir.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in state_dir.iterdir()] == [SECRET_FILE]


def test_a_wide_umask_does_not_open_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_secret(None, tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / SECRET_FILE).stat().st_mode & 0o777 == 0o600


def test_those_who_start_together_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPool(16) as pool:
        found = pool.map(lambda _: load_secret(None, tmp_path), range(64))
    assert len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644])
def test_a_file_open_to_others_is_refused(mode: int, tmp_path: Path) -> None:
    load_secret(None, tmp_path)
    (tmp_path / SECRET_FILE).chmod(mode)
    with pytest.raises(ConfigurationError, match="open to others"):
        load_secret(None, tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("0123456789abcdef")
    elsewhere.chmod(0o600)
    (tmp_path / SECRET_FILE).symlink_to(elsewhere)
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_secret(None, tmp_path)


@pytest.mark.parametrize("content", ["", "\n", "short"])
def test_a_file_without_a_secret_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / SECRET_FILE
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="at least 16"):
        load_secret(None, tmp_path)


def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / SECRET_FILE).mkdir(mode=0o700)
    with pytest.raises(ConfigurationError):
        load_secret(None, tmp_path)
