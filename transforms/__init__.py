"""Decisions: pure functions, frame in, frame out. `decide` comes on first use: a DAG file stays light."""

from __future__ import annotations

from typing import Any

__all__ = ["decide_tiers"]  # noqa: F822 - made by __getattr__ below


def __getattr__(name: str) -> Any:
    if name == "decide_tiers":
        from transforms.decide import decide_tiers

        return decide_tiers
    raise AttributeError(name)
