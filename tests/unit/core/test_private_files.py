"""Only this user gets access to the folder and the files that have the tenants' data."""

import os
import stat

import pytest

from deployments.core.errors import ConfigurationError
from deployments.core.private_files import make_private, make_private_file


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _usual_umask():
    """What most systems give to new files: all users may read them."""
    old = os.umask(0o022)
    yield
    os.umask(old)


def test_a_new_folder_is_private(tmp_path):
    """From its first moment on."""
    make_private(tmp_path / "a" / "state")
    assert mode(tmp_path / "a" / "state") == 0o700


@pytest.mark.parametrize("wide", [0o755, 0o777, 0o750, 0o2775])
def test_a_folder_that_is_open_to_others_is_closed(tmp_path, wide):
    """What is in it stays."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "file").write_text("kept")
    (tmp_path / "state").chmod(wide)
    make_private(tmp_path / "state")
    assert mode(tmp_path / "state") & 0o777 == 0o700
    assert (tmp_path / "state" / "file").read_text() == "kept"


def test_a_folder_that_users_share_is_refused_and_kept(tmp_path):
    """A folder such as /tmp: other users could not use it any more."""
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigurationError, match="WARMLINE_STATE_DIR"):
        make_private(tmp_path)
    assert mode(tmp_path) == 0o1777


def test_a_file_is_created_private_or_made_so(tmp_path):
    """Its content stays."""
    make_private_file(tmp_path / "new")
    assert mode(tmp_path / "new") == 0o600
    old = tmp_path / "old"
    old.write_text("kept")
    make_private_file(old)
    assert mode(old) == 0o600
    assert old.read_text() == "kept"
