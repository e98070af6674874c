"""What a later version of the interface says."""
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unknown:
    """A variant that this version of the package does not know. Programs ignore it."""

    raw: Mapping[str, object]
    """The JSON object, as it came."""
