"""C20: what was applied was approved by somebody else than its authors, and signed."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence, Part
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    commits = evidence.commits
    seen = [(one.id, sorted(one.authors), sorted(one.approvers), one.signature) for one in commits.found]
    unknown = [one.id[:12] for one in commits.found if one.signature == "unknown"]
    unsure = f"the signatures of {', '.join(unknown[:3])}{' ...' if len(unknown) > 3 else ''} cannot be checked on this machine"
    return judged(seen, _flaws(evidence), commits, Part((), (unsure,) if unknown else ()), nothing="no commit was applied yet")


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    for one in evidence.commits.found:
        name = f"commit/{one.id[:12]}"
        if not one.approvers - one.authors:
            yield flaw(name, "was applied, and git names nobody but its authors who approved it")
        if one.signature in ("bad", "none"):
            said = "has no signature" if one.signature == "none" else "has a signature that is not good"
            yield flaw(name, said, remedy="sign commits: git config commit.gpgsign true")


C20 = Check(
    "C20",
    "Changes approved by another person, signed",
    Severity.HIGH,
    "merge by pull request, with a review by another person (a merge commit, or a Reviewed-by line)",
    offline=False,
    assess=_assess,
)
