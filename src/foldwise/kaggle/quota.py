"""Hours of GPU that are left this week, shown before a kernel takes some."""

import re
from typing import Any

from foldwise.console import say, warn
from foldwise.errors import InputError, RunError
from foldwise.kaggle.client import json_in, run_client

LONGEST = 12.0  # hours that a kernel with a GPU may run at most


def quota_arguments() -> list[str]:
    """The client's command."""
    return ["quota", "--format", "json"]


def uses_gpu(metadata: dict[str, Any]) -> bool:
    """True if a kernel asks for a GPU; the client takes the word "true" for it as well."""
    return str(metadata.get("enable_gpu", False)).lower() == "true"


def show_quota(slug: str) -> None:
    """Say how many hours are left, and warn where a kernel could need more.

    A quota that cannot be had is no reason not to push: Kaggle itself refuses what it does not allow.

    Args:
        slug: the contest, for messages.
    """
    try:
        left, total, refresh = gpu_hours(run_client(quota_arguments(), slug, show=False))
    except (InputError, RunError) as error:
        warn(f"the GPU quota cannot be had, going on without it: {error}")
        return
    say("kernel", f"GPU quota: {left:.1f} of {total:g} h left this week")
    again = f", new hours on {refresh}" if refresh else ""
    if left <= 0:
        warn(f"no GPU hours are left this week{again}: Kaggle will refuse the kernel or run it without a GPU")
    elif left < LONGEST:
        warn(f"a kernel may run for up to {LONGEST:g} h, and ends without output when the hours are used up{again}")


def gpu_hours(output: str) -> tuple[float, float, str]:
    """Hours left, hours a week, and the day of the next ones.

    Args:
        output: what the client wrote.

    Raises:
        RunError: it says nothing of GPUs.

    >>> gpu_hours('[{"resource": "GPU", "remaining": "12.30h", "total": "30.00h", "refreshAt": "2026-11-28T00:00:00"}]')
    (12.3, 30.0, '2026-11-28')
    """
    rows = json_in(output, "[")
    row = next((row for row in rows if isinstance(row, dict) and row.get("resource") == "GPU"), {})
    hours = [re.fullmatch(r"([\d.]+)h", str(row.get(key))) for key in ("remaining", "total")]
    if not all(hours):
        raise RunError("the kaggle client says nothing of GPU hours")
    left, total = (float(found[1]) for found in hours if found)
    return left, total, str(row.get("refreshAt") or "")[:10]
