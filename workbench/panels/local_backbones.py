"""The available local features: SIFT, the HardNet of the package, and those trained by the user."""

from __future__ import annotations

from workbench.config.options import Options
from workbench.local.hardnet import SHIPPED, card


def local_features(options: Options) -> list[tuple[str, str]]:
    """Local features as (text, name); those without weights are marked."""
    shipped = ("hardnet" + " (missing)" * (not SHIPPED.is_file()), "hardnet")
    trained = sorted(
        path.stem for path in (options.cache / "learned").glob("*.safetensors") if "views" in card(path)
    )
    return [("sift", "sift"), shipped, *((f"{name} (HardNet)", f"hardnet:{name}") for name in trained)]


def usable_features(options: Options) -> list[str]:
    """The names of the local features that can be used on this machine."""
    return [name for text, name in local_features(options) if not text.endswith("(missing)")]
