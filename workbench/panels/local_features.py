"""The available local features: SIFT, the HardNet of the package, and those trained by the user."""

from __future__ import annotations

from workbench.features.maps import Options
from workbench.local.hardnet import SHIPPED, card


def known(options: Options) -> list[tuple[str, str]]:
    """Local features as (text, name); those without weights are marked."""
    shipped = ("hardnet" + " (missing)" * (not SHIPPED.is_file()), "hardnet")
    trained = sorted(
        path.stem for path in (options.cache / "learned").glob("*.safetensors") if "views" in card(path)
    )
    return [("sift", "sift"), shipped, *((f"{name} (HardNet)", f"hardnet:{name}") for name in trained)]


def here(options: Options) -> list[str]:
    """The names of the local features that can be used on this machine."""
    return [name for text, name in known(options) if not text.endswith("(missing)")]
