"""The available local features: SIFT, HardNet as shipped and as trained here, and other networks."""

from __future__ import annotations

from workbench.config.options import Options
from workbench.config.steps import LEARNED, LIGHTGLUE, LIGHTGLUE_FOR
from workbench.local.hardnet import SHIPPED, card
from workbench.local.learned_weights import INSTALL, installed

_MISSING, _NOT_INSTALLED = " (missing)", " (not installed)"
_NOT_USABLE = {
    _MISSING: "HardNet's weights are missing here: choose sift, or train your own with workbench train "
    "hardnet; they are then offered above.",
    _NOT_INSTALLED: f"They are not installed here: choose others above, or run {INSTALL}",
}


def local_features(options: Options) -> list[tuple[str, str]]:
    """Local features as (text, name); those without weights are marked."""
    shipped = ("hardnet" + _MISSING * (not SHIPPED.is_file()), "hardnet")
    trained = sorted(
        path.stem for path in (options.cache / "learned").glob("*.safetensors") if "views" in card(path)
    )
    return [
        ("sift", "sift"),
        shipped,
        *((f"{name} (HardNet)", f"hardnet:{name}") for name in trained),
        *((name + _NOT_INSTALLED * (not installed(name)), name) for name in LEARNED),
    ]


def matched_features(options: Options) -> list[tuple[str, str]]:
    """Local features and, where a network matches them, those with it, as (text, name)."""
    matched = [f"{name}+{LIGHTGLUE}" for name in LIGHTGLUE_FOR]
    return [
        *local_features(options),
        *((name + _NOT_INSTALLED * (not installed(name)), name) for name in matched),
    ]


def not_usable(options: Options, name: str) -> str:
    """Why local features of ``matched_features`` cannot be used on this machine; empty if they can."""
    texts = {known: text for text, known in matched_features(options)}
    text = texts.get(name, _MISSING)  # the file of a HardNet was deleted
    return next((reason for mark, reason in _NOT_USABLE.items() if text.endswith(mark)), "")


def usable_features(options: Options) -> list[str]:
    """The names of the local features that can be used on this machine."""
    return [name for _, name in local_features(options) if not not_usable(options, name)]


def hardnets(options: Options) -> list[tuple[str, str]]:
    """The HardNets with weights on this machine, as (text, name)."""
    usable = usable_features(options)
    return [pair for pair in local_features(options) if pair[1].startswith("hardnet") and pair[1] in usable]
