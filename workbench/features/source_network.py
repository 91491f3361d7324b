"""The network of a source of feature maps: its weights, input, device, precision and runtime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property, partial
from importlib.metadata import version

from workbench.config.errors import WorkbenchError
from workbench.config.options import Options
from workbench.features import device as hardware
from workbench.features import models, runtime, weights
from workbench.features.backbones import BackboneSpec
from workbench.features.network import Network
from workbench.features.openvino_network import OpenVINONetwork


class SourceNetwork:
    """A network cut at the layer of a pooling, in the runtime that is chosen at its first use."""

    def __init__(self, spec: BackboneSpec, pooling: str, options: Options) -> None:
        self.spec, self.pooling, self.options = spec, pooling, options
        self.card = spec.card()
        self.layer = spec.module(pooling)
        self.fixed = self.card.fixed_input(self.layer)
        if self.fixed is None and options.size < 2 * self.card.stride:
            raise WorkbenchError(
                f"size {options.size} is too small for {spec.name}; use {2 * self.card.stride} or more"
            )
        self.size = self.fixed.side if self.fixed else options.size
        self.resize = self.fixed.fit if self.fixed else "cells" if self.card.patches else options.resize
        self.device = hardware.choose_device(options.device)
        self.precision = hardware.choose_precision(options.precision, self.device)
        self.fingerprint = weights.fingerprint(spec, options.weights, options.seed)
        self.weight_file = None if spec.random else weights.locate(spec, options.weights)
        self._network: Network | OpenVINONetwork | None = None
        self._choice: runtime.Choice | None = None
        self._lock = threading.RLock()

    def fresh(self) -> bool:
        """Whether the weights are unchanged. Raises WorkbenchError if their file is missing."""
        return self.weight_file is None or weights.file_fingerprint(self.weight_file) == self.fingerprint

    def network(self) -> Network | OpenVINONetwork:
        """The network, built on first use."""
        with self._lock:
            if self._network is None:
                openvino = self._uses_openvino()
            if self._network is None:
                if openvino:
                    side = self.fixed.side if self.fixed else None
                    self._network = OpenVINONetwork(self._load("float32"), side, self.precision)
                else:
                    self._network = self._load(self.precision)
            return self._network

    def _load(self, precision: str) -> Network:
        options = self.options
        network = models.load_network(
            self.spec, self.layer, options.weights, self.device, precision, options.seed
        )
        if not self.fresh():
            raise WorkbenchError(
                f"the weights of {self.spec.name} have changed since they were opened; run again"
            )
        return network

    @property
    def runtime(self) -> str:
        """The runtime of the network and its version, such as ``torch 2.9.0``."""
        name = "openvino" if self._uses_openvino() else "torch"
        return f"{name} {version(name)}"

    def _uses_openvino(self, keys: Sequence[str] = ()) -> bool:
        """Whether OpenVINO runs the network; chosen at the first call, for the pictures of these keys."""
        with self._lock:
            if self._choice is None:
                self._choice = runtime.choose(
                    self.options,
                    [self.spec.name, self.layer or "", self.fingerprint],
                    self.device,
                    self.precision,
                    self.fixed.side if self.fixed else None,
                    len(keys),
                    partial(self._stored_count, keys),
                    self._load,
                )
                self._network = self._choice.network
            return self._choice.openvino

    @cached_property
    def gives_vectors(self) -> bool:
        """Whether the layer gives vectors, not maps; the network is loaded to find out."""
        return self.network().gives_vectors()

    def _stored_count(self, keys: Sequence[str], openvino: bool) -> int:
        """The number of these pictures whose maps a runtime has stored."""
        raise NotImplementedError

    def check_scales(self, scales: int) -> None:
        """Raise WorkbenchError if the network takes images of one size only and there are several scales."""
        if self.fixed is not None and scales > 1:
            raise WorkbenchError(
                f"step scales: {self.spec.name} takes only images of {self.fixed.side}x{self.fixed.side} "
                "pixels here, so there are no others; leave it out"
            )
