"""Settings: an invalid one stops the start with its variable's name, and secrets are never shown."""

import pickle

import pytest

from deployments.agents.specs import BUSINESS, DOCUMENTATION, SUPPORT
from deployments.core.errors import ConfigurationError
from deployments.core.reuse.ordering import ORDERS
from serve_app.settings import DEFAULT_ORDER, UNPREFIXED, Settings, variable

KEY = "0123456789abcdef"
SECRETS = {
    "REDIS_URL": "redis://:hunter2@cache:6379/0",
    "DATABASE_URL": "postgresql://me:hunter2@db/warmline",
    "WARMLINE_SECRET": "hunter2-hunter2-hunter2",
    "WARMLINE_API_KEYS": "hunter2-hunter2-key=acme",
}


def test_defaults_need_no_environment():
    """A bare machine is a valid configuration: loopback, embedded everything, no keys."""
    settings = Settings.from_env({})
    assert settings.http_host == "127.0.0.1"
    assert (settings.redis_url, settings.database_url, settings.model) == (None, None, None)
    assert settings.tenants_by_key() == {}
    assert settings.state_dir.is_absolute()
    assert settings.models == settings.state_dir / "models"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("REDIS_URL", "http://cache", "redis+sentinel://"),
        ("REDIS_URL", "redis+sentinel://cache:26379", "name of the Sentinel group"),
        ("DATABASE_URL", "mysql://db", "postgresql://"),
        ("REDIS_CONNECTION_POOL_SIZE", "0", "greater than or equal to 1"),
        ("WARMLINE_HTTP_PORT", "eighty", "integer"),
        ("WARMLINE_HTTP_PORT", "70000", "65535"),
        ("WARMLINE_HTTP_HOST", "0.0.0.0", "loopback"),
        ("WARMLINE_HTTP_HOST", "example.org", "loopback"),
        ("WARMLINE_ORDER", "random", "rank, popularity, trie, best_first, best_last"),
        ("WARMLINE_ORDER", "trie,support=best", "rank, popularity, trie, best_first, best_last"),
        ("WARMLINE_ORDER", "sales=rank", "support, business, documentation"),
        ("WARMLINE_SHARE_ANSWERS", "support,sales", "support, business, documentation"),
        ("WARMLINE_SHARE_ANSWERS", "support,", "support, business, documentation"),
        ("WARMLINE_TOKEN_CACHE", "maybe", "boolean"),
        ("WARMLINE_REQUEST_TIMEOUT_S", "nan", "finite"),
        ("WARMLINE_REQUEST_TIMEOUT_S", "inf", "finite"),
        ("WARMLINE_REQUEST_TIMEOUT_S", "0", "greater than 0"),
        ("WARMLINE_SIMILARITY_THRESHOLD", "30", "less than or equal to 1"),
        ("WARMLINE_L1_BYTES", "64MiB", "integer"),
        ("WARMLINE_ENGINE_DTYPE", "int4", "'float32'"),
        ("WARMLINE_API_KEYS", "no-pair-in-here-at-all", "key=business_id pairs"),
        ("WARMLINE_API_KEYS", "short=acme", "16 characters"),
        ("WARMLINE_API_KEYS", f"{KEY}=a/b", "business_id"),
        ("WARMLINE_API_KEYS", f"{KEY}=", "business_id"),
        ("WARMLINE_API_KEYS", f"{KEY}=acme,{KEY}=other", "only once"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name, value, allowed):
    """The message has the variable's name and the rule."""
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env({name: value})
    assert f"{name}: " in refused.value.message
    assert allowed in refused.value.message


def test_all_bad_values_are_named_at_once():
    """One start reports every mistake."""
    with pytest.raises(ConfigurationError, match=r"WARMLINE_HTTP_PORT: .*; WARMLINE_ORDER: "):
        Settings.from_env({"WARMLINE_HTTP_PORT": "x", "WARMLINE_ORDER": "y"})


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("WARMLINE_ORDR", "WARMLINE_ORDER"),
        ("WARMLINE_HTTPPORT", "WARMLINE_HTTP_PORT"),
        ("WARMLINE_MODELS", "WARMLINE_MODEL"),
        ("WARMLINE_order", "WARMLINE_ORDER"),
    ],
)
def test_a_typo_is_reported_with_what_was_meant(typo, meant):
    """An unknown setting is an error, not ignored; the message has the nearest known name."""
    with pytest.raises(ConfigurationError, match=rf"unknown setting {typo}.*{meant}\?"):
        Settings.from_env({typo: "rank"})


def test_a_name_like_no_other_is_reported_without_a_guess():
    """Without a similar name, the message suggests none."""
    with pytest.raises(ConfigurationError, match=r"unknown setting WARMLINE_ZZZZZZZZZZZZ$"):
        Settings.from_env({"WARMLINE_ZZZZZZZZZZZZ": "1"})


def test_other_programs_variables_are_none_of_ours():
    """Only variables with the prefix, or listed in UNPREFIXED, are read."""
    settings = Settings.from_env({"PATH": "/bin", "ORDER": "x", "HTTP_PORT": "x", "MODEL": "x"})
    assert settings == Settings.from_env({})


@pytest.mark.parametrize("field", Settings.model_fields)
def test_an_empty_variable_is_not_set(field):
    """`NAME=` in a shell or a compose file leaves the default."""
    assert Settings.from_env({variable(field): ""}) == Settings.from_env({})


def test_values_are_read_as_what_they_are():
    """Numbers, switches, paths and lists come from their texts."""
    settings = Settings.from_env(
        {
            "WARMLINE_HTTP_PORT": "9000",
            "WARMLINE_TOKEN_CACHE": "off",
            "WARMLINE_STATE_DIR": "~/state",
            "WARMLINE_REQUEST_TIMEOUT_S": "1.5",
            "REDIS_CONNECTION_POOL_SIZE": "3",
        }
    )
    assert (settings.http_port, settings.token_cache, settings.request_timeout_s) == (9000, False, 1.5)
    assert settings.redis_connection_pool_size == 3
    assert settings.state_dir.is_absolute()
    assert "~" not in str(settings.state_dir)


def test_names_of_other_programs_carry_no_prefix():
    """Only the names in UNPREFIXED lack the prefix."""
    assert {
        variable(field) for field in Settings.model_fields if not variable(field).startswith("WARMLINE_")
    } == (set(UNPREFIXED))


@pytest.mark.parametrize(
    ("value", "orders"),
    [
        (None, (DEFAULT_ORDER, DEFAULT_ORDER, DEFAULT_ORDER)),
        ("rank", ("rank", "rank", "rank")),
        ("support=rank", ("rank", DEFAULT_ORDER, DEFAULT_ORDER)),
        ("popularity, documentation=trie", ("popularity", "popularity", "trie")),
        ("business=rank,popularity", ("popularity", "rank", "popularity")),
    ],
)
def test_order_may_differ_by_agent(value, orders):
    """A value without a name is for all agents, one with a name for that agent."""
    settings = Settings.from_env({} if value is None else {"WARMLINE_ORDER": value})
    assert tuple(settings.order_of(spec.name) for spec in (SUPPORT, BUSINESS, DOCUMENTATION)) == orders


def test_orders_are_those_that_there_are():
    """Each order of the table can be set."""
    for order in ORDERS:
        assert Settings.from_env({"WARMLINE_ORDER": order}).order_of(SUPPORT.name) == order
    assert set(ORDERS) == {"rank", "popularity", "trie", "best_first", "best_last"}


def test_agents_that_share_answers_are_those_that_are_named():
    """By comma; without any, no agent does."""
    settings = Settings.from_env({"WARMLINE_SHARE_ANSWERS": "support,documentation"})
    assert [settings.shares_answers(spec.name) for spec in (SUPPORT, BUSINESS, DOCUMENTATION)] == [
        True,
        False,
        True,
    ]
    assert not Settings.from_env({}).shares_answers(SUPPORT.name)


def test_overrides_win_and_are_checked():
    """`serve run serve_app:build_app key=value` beats the environment, by the same rules."""
    assert Settings.from_env({"WARMLINE_ORDER": "rank"}, order="popularity").order == "popularity"
    with pytest.raises(ConfigurationError, match="WARMLINE_ORDER"):
        Settings.from_env({}, order="random")
    with pytest.raises(ConfigurationError, match="WARMLINE_ORDR"):
        Settings.from_env({}, ordr="rank")


def test_settings_do_not_change():
    """They are read once and frozen."""
    with pytest.raises(ValueError, match="frozen"):
        Settings.from_env({}).order = "rank"


def test_secrets_never_show():
    """Neither a print of the settings nor their JSON shows a password or a key."""
    settings = Settings.from_env(SECRETS)
    for shown in (repr(settings), str(settings), f"{settings}", settings.model_dump_json()):
        assert "hunter2" not in shown
    assert settings.tenants_by_key() == {"hunter2-hunter2-key": "acme"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "http://:hunter2@cache"),
        ("DATABASE_URL", "mysql://me:hunter2@db"),
        ("WARMLINE_API_KEYS", "hunter2-hunter2-hunter2=a/b"),
        ("WARMLINE_API_KEYS", "hunter2-hunter2-hunter2"),
    ],
)
def test_a_bad_secret_is_refused_without_being_shown(name, value):
    """The message goes to logs and terminals, so it has the rule and not the value."""
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env({name: value})
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_settings_travel_to_replicas():
    """Pickling keeps every value, secrets included."""
    settings = Settings.from_env(SECRETS)
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_api_keys_are_pairs():
    """Blanks and a last comma do not matter, and a key may end in `=` as base64 does."""
    raw = f" {KEY}=acme , {KEY}==other,"
    settings = Settings.from_env({"WARMLINE_API_KEYS": raw})
    assert settings.tenants_by_key() == {KEY: "acme", f"{KEY}=": "other"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_keys(host):
    """Only this machine can reach a loopback address."""
    assert Settings.from_env({"WARMLINE_HTTP_HOST": host}).http_host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_the_network_is_served_with_keys_only(host):
    """Without keys, any client on the network could name any tenant."""
    served = Settings.from_env({"WARMLINE_HTTP_HOST": host, "WARMLINE_API_KEYS": f"{KEY}=acme"})
    assert served.http_host == host
    for keys in ("", " ", " , "):
        with pytest.raises(ConfigurationError, match="WARMLINE_HTTP_HOST: must be a loopback"):
            Settings.from_env({"WARMLINE_HTTP_HOST": host, "WARMLINE_API_KEYS": keys})
