"""Sessions of panels that are tested without a browser."""

from __future__ import annotations

from workbench.panels.session import Session


def settled(session: Session) -> Session:
    """Wait for the work of a session, which must not fail."""
    for _ in range(3):  # a ranking, what it starts, and what that starts
        assert session.wait(120)
    assert not session.failed, session.message
    return session
