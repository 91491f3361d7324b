"""What of a query and a result matches, keypoint by keypoint, and what verification makes of a ranking."""

from __future__ import annotations

from typing import Any

import ipywidgets as W

from workbench.collections.collection import Query
from workbench.config import Config
from workbench.keypoint_search import Match
from workbench.panels import matched, patch_view, sv_effect
from workbench.panels.local_features import here, known
from workbench.panels.matched import Asked
from workbench.panels.patch_view import PatchView
from workbench.panels.sampling_view import SamplingView
from workbench.panels.session import DEBOUNCE, Session
from workbench.panels.sv_effect import Effect
from workbench.panels.widgets.keypairs import NOWHERE, KeyPairs
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table
from workbench.progress import Progress

LANE = "matches"
OF_PIPELINE = ("of the pipeline", "")
WAITING = "The matches come here once the collection is ranked; then choose a result."
NOTHING = "There is no result to match: no other image was found."
MISSING = (
    "HardNet's weights are missing here: choose sift, or train one's own by: workbench train hardnet, which "
    "is then offered above."
)


class LocalMatches:
    """Query and result with keypoints and matches; a patch; shared words; verification; HardNet's sampling.

    Nothing is computed while it is folded away: local features of a whole collection take their time.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.match: Match | None = None
        self._asked: Asked | None = None  # what ``match`` answers
        self._sought: tuple[str, int] | None = None  # the image that is opened next, and its keypoint to hold
        self.features = W.Dropdown(description="Local features", options=[OF_PIPELINE])
        self.said = Text(lines=[line(WAITING)])
        self.view = KeyPairs()
        self.patch = PatchView(session, self.open)
        self.words_said = Text()
        self.words = Table(label="Words that both share", columns=matched.COLUMNS)
        self.effect = Effect(session)
        self.sampling = SamplingView(session)
        head = W.Box([self.features, self.said])
        looks = W.Box([self.view, self.patch.widget])
        words = W.VBox([self.words_said, self.words])
        tables = W.Box([words, self.effect.widget])
        self.body = W.VBox([looks, tables])
        for box, name in (
            (head, "matched-head"),
            (looks, "matched"),
            (words, "words"),
            (tables, "told-apart"),
        ):
            box.add_class(f"wb-{name}")
        self.widget = region("Local matches", head, self.body, self.sampling.widget)
        self._show_body(False)
        self.show_features(None)
        guard = session.guard
        self.features.observe(guard(self.look), "value")
        self.view.on_point(guard(self.point))
        self.view.on_pick(guard(self.pick))
        self.words.on_pick(guard(lambda word: self.mark_word(int(word))))
        self.widget.layout.observe(guard(self.fold), "display")
        session.observe(guard(self.show_features), "learned")
        session.observe(guard(self.look), "image")
        session.observe(guard(self.again), "ranking")
        session.observe(guard(self.dim), ["pipeline", "query", "box"])
        self.look(None)

    # -- what is asked

    def show_features(self, _: object) -> None:
        """Offer the local features that there are."""
        options = [OF_PIPELINE, *known(self.session.bench.options)]
        if options != list(self.features.options):
            kept = self.features.value
            self.features.options = options
            if kept in [name for _, name in options]:
                self.features.value = kept

    def asked(self) -> Asked | None:
        """The pair to be matched now; None while there is no ranking, or no image but the query."""
        session, ranked = self.session, self.session.ranked
        if session.ranking is None or ranked is None:
            return None
        query = session.queries.get(ranked.query) or Query(ranked.query, ranked.query)
        image = session.image
        if image not in session.bench.collection.images:
            best = (str(one) for one in session.ranking["image_id"].head(2))
            image = next((one for one in best if one != query.image), "")
        if not image:
            return None
        pipeline = matched.with_features(ranked.pipeline, self.features.value or "")
        return Asked(query, ranked.box, image, pipeline)

    @property
    def folded(self) -> bool:
        return bool(self.widget.layout.display == "none")

    def fold(self, _: object) -> None:
        """It was folded away, or is seen again."""
        if self.folded:
            for lane in (LANE, patch_view.LANE, sv_effect.LANE):
                self.session.lane(lane).cancel()
        else:
            self.look(None)

    # -- matching

    def dim(self, _: object) -> None:
        """What is shown answers an older question, until the new ranking is there."""
        self.view.stale = self.match is not None

    def again(self, _: object) -> None:
        """There is a new ranking: files may have changed since the last one."""
        self._asked = None
        self.effect.forget()
        self.look(None)

    def look(self, _: object) -> None:
        """Bring the panel up to date, in a worker."""
        if self.folded:
            return
        asked, session = self.asked(), self.session
        features = self.features.value or ""
        if asked is None or (features and features not in here(session.bench.options)):
            self._show_body(False)
            text = MISSING if asked else WAITING if session.ranking is None else NOTHING
            self.said.lines = [line(text)]
            return
        self.effect.refresh(features)
        self.view.stale = True
        session.run(LANE, lambda progress: self._match(asked, progress), DEBOUNCE)

    def _match(self, asked: Asked, progress: Progress) -> None:
        if self.folded:
            return
        if asked != self._asked or self.match is None:
            bench = self.session.bench
            match = bench.match(asked.query.id, asked.image, asked.pipeline, asked.box, progress)
            shown = matched.traits(bench, asked, match)
            progress("Matching", 1, 1)  # the last moment at which a newer request can still win
            self.match, self._asked = match, asked
            self._show(asked, match, shown)
        self.view.stale = False
        self._show_body(True)
        if self._sought is not None:
            image, keypoint = self._sought
            self._sought = None
            if image == asked.image:
                self.pick([1, keypoint])

    # -- showing

    def _show(self, asked: Asked, match: Match, shown: dict[str, Any]) -> None:
        with self.view.hold_sync():
            for name, value in {**shown, "lit": [[], []], "held": list(NOWHERE)}.items():
                setattr(self.view, name, value)
        self.said.lines = matched.said(match, Config.parse(asked.pipeline).local)
        bag = Config.parse(asked.pipeline).pooling.name == "bow"
        self.words_said.lines = matched.words_said(match, bag)
        with self.words.hold_sync():
            self.words.rows, self.words.chosen = matched.word_rows(match), []
        self.patch.clear(asked, match)

    def _show_body(self, shown: bool) -> None:
        self.body.layout.display = None if shown else "none"

    def point(self, place: list[int]) -> None:
        """A keypoint is pointed at: its patch is shown, where none is held."""
        if self.view.held == NOWHERE:
            self.patch.look(place)

    def pick(self, place: list[int]) -> None:
        """A keypoint was picked and is held; NOWHERE lets it go."""
        self.view.held = place
        self.patch.look(place)

    def mark_word(self, word: int) -> None:
        """Make a word's keypoints stand out in both pictures; chosen once more, they stand back."""
        again = self.words.chosen == [str(word)]
        if self.match is not None:
            self.view.lit = [[], []] if again else matched.with_word(self.match, word)
            self.words.chosen = [] if again else [str(word)]

    def open(self, image: str, keypoint: int) -> None:
        """Study an image, with a keypoint of it held."""
        self._sought = image, keypoint
        self.session.image = image
        self.look(None)
