"""Every deployment has its own scaling options, which use the settings."""

import math

import pytest

from serve_app import scaling
from serve_app.settings import Settings


def test_every_deployment_has_bounds_of_its_own() -> None:
    """No deployment relies on Serve's defaults."""
    settings = Settings.from_env({})
    each = (scaling.ingress, scaling.agent, scaling.token_cache, scaling.engine)
    for options in (*(of(settings) for of in each), scaling.knowledge(settings, 3)):
        scale = options["autoscaling_config"]
        assert 1 <= scale["min_replicas"] <= scale["max_replicas"]
        assert scale["target_ongoing_requests"] > 0


def test_bounds_and_delays_come_from_the_settings() -> None:
    """Given as text, as in the environment."""
    settings = Settings.from_env(
        {
            "WARMLINE_AGENT_MAX_REPLICAS": "9",
            "WARMLINE_UPSCALE_DELAY_S": "0.5",
            "WARMLINE_ENGINE_REPLICAS": "3",
        }
    )
    agent, engine = (options(settings)["autoscaling_config"] for options in (scaling.agent, scaling.engine))
    assert (agent["max_replicas"], agent["upscale_delay_s"]) == (9, 0.5)
    assert (engine["min_replicas"], engine["max_replicas"]) == (3, 3)


def test_knowledge_has_one_replica_unless_the_database_takes_several_writers() -> None:
    """SQLite has one connection, in one process."""
    sqlite = scaling.knowledge(Settings.from_env({}), 3)
    postgresql = scaling.knowledge(Settings.from_env({"DATABASE_URL": "postgresql://localhost/warmline"}), 3)
    assert sqlite["autoscaling_config"]["max_replicas"] == 1
    assert postgresql["autoscaling_config"]["max_replicas"] > 1


def test_calls_that_wait_for_news_are_no_load() -> None:
    """Each replica of each agent has one, spread over the knowledge base's replicas."""
    settings = Settings.from_env(
        {"WARMLINE_AGENT_MAX_REPLICAS": "8", "DATABASE_URL": "postgresql://localhost/w"}
    )
    with_watchers, without = (scaling.knowledge(settings, agents) for agents in (3, 0))
    assert with_watchers["max_ongoing_requests"] == without["max_ongoing_requests"] + 24
    targets = [scale["autoscaling_config"] for scale in (with_watchers, without)]
    spread = targets[0]["target_ongoing_requests"] - targets[1]["target_ongoing_requests"]
    assert spread * targets[0]["max_replicas"] >= 24


@pytest.mark.parametrize(
    ("environ", "gpus", "ongoing"),
    [
        ({}, 0, 64),
        ({"WARMLINE_ENGINE_GPUS": "4"}, 4, 256),
        ({"WARMLINE_ENGINE_GPUS": "1", "WARMLINE_ENGINE_MAX_ONGOING": "1000"}, 1, 1000),
        ({"WARMLINE_ENGINE_MAX_ONGOING": "1"}, 0, 1),
    ],
)
def test_an_engine_replica_takes_what_its_platform_can(
    environ: dict[str, str], gpus: int, ongoing: int
) -> None:
    """And a quarter more, since one tenant can't take all. Another replica is added when this one is half
    full.
    """
    options = scaling.engine(Settings.from_env(environ))
    assert options["ray_actor_options"]["num_gpus"] == gpus
    assert options["max_ongoing_requests"] == math.ceil(ongoing * 1.25)
    assert options["autoscaling_config"]["target_ongoing_requests"] == (ongoing + 1) // 2


def test_a_rolling_update_starts_a_replica_before_it_stops_one() -> None:
    """Where a second one may run: not on SQLite, and not where an engine's hardware may be missing."""
    sqlite, postgresql = (
        Settings.from_env({"DATABASE_URL": url} if url else {}) for url in ("", "postgresql://localhost/w")
    )
    for options in (scaling.ingress(sqlite), scaling.agent(sqlite), scaling.token_cache(sqlite)):
        assert options["max_surge_percent"] > 0
    assert scaling.knowledge(postgresql, 3)["max_surge_percent"] > 0
    assert "max_surge_percent" not in scaling.knowledge(sqlite, 3) | scaling.engine(postgresql)
