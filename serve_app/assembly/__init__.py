"""Puts each deployment's plain objects together, inside its replica.

One module a deployment, so that a replica loads only what it runs: the engine's imports take seconds
and gigabytes that the front must not pay.
"""
