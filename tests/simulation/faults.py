"""What goes wrong in a simulated cluster besides messages: crashes, and damage to the caches."""

from __future__ import annotations

import asyncio

from tests.simulation.world import World

FAULTS = (
    "token_cache",
    "knowledge",
    "knowledge",
    "agent",
    "engine",
    "engine_core",
    "engine_reset",
    "redis_down",
    "redis_lost",
    "redis_damaged",
    "slow_link",
    "slow_link",
)


async def fault(world: World) -> str:
    """Makes one of `FAULTS` happen, and mends what stays broken some seconds later; returns its name."""
    name = world.dice.choice(FAULTS)
    away_s = 0.2 + world.dice.random() * 8
    match name:
        case "token_cache":
            world.crash_token_cache()
        case "knowledge":
            world.crash_knowledge()
            away_s *= world.dice.choice((0.02, 1.0))
        case "agent":
            world.crash_agent()
        case "engine":
            world.crash_engine()
        case "engine_core":
            await _engine_core(world, away_s)
        case "engine_reset":
            for engine in world.engines:
                engine.vllm.clear()
        case "redis_down":
            world.redis.down = True
            await asyncio.sleep(away_s)
            world.redis.down = False
        case "redis_lost":
            world.redis.lose(world.dice, world.dice.random())
        case "slow_link":
            for agent in world.agents[:2]:
                agent.service.way_to_knowledge.slow_down(2 * away_s)
        case "redis_damaged":
            for _ in range(30):
                world.redis.damage(world.dice)
    await asyncio.sleep(away_s)
    world.start_missing()
    return name


async def _engine_core(world: World, away_s: float) -> None:
    """An engine's own processes die. Its replica answers until it is replaced."""
    if world.engines:
        engine = world.dice.choice(world.engines)
        engine.vllm.close()
        await asyncio.sleep(away_s)
        if engine in world.engines:
            world.engines.remove(engine)
            engine.process.crash()
