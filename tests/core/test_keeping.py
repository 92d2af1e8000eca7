"""How long things are kept: what makes no sense is refused, and no framework's minimum is undercut."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.complying import Complying
from reconciler.core.keeping import SORTS, RetentionSpec, loosened

YEAR = 365 * 86400


def test_a_name_alone_is_a_hold_that_keeps_everything() -> None:
    (hold,) = RetentionSpec.model_validate({"legal_hold": ["case-42"]}).legal_hold
    assert (hold.name, hold.keeps, hold.secrets, hold.since, hold.until) == ("case-42", SORTS, (), None, None)


def test_a_hold_may_keep_some_things_of_some_days() -> None:
    given = {"name": "audit", "keeps": ["secret_versions"], "secrets": ["db/*"], "since": "2030-01-01", "until": "2030-12-31"}
    (hold,) = RetentionSpec.model_validate({"legal_hold": [given]}).legal_hold
    assert (hold.keeps, hold.secrets) == (("secret_versions",), ("db/*",))


@pytest.mark.parametrize("place", [{"s3": "bucket/prefix", "aws": "eu"}, {"file": "archive"}])
def test_an_archive_is_a_bucket_or_a_folder(place: dict[str, str]) -> None:
    archive = RetentionSpec.model_validate({"archive": place}).archive
    assert archive is not None
    assert archive.model_dump(exclude_defaults=True) == place


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"archive": {}}, "takes one of {s3} and {file}"),
        ({"archive": {"s3": "a/b", "file": "c"}}, "takes one of {s3} and {file}"),
        ({"archive": {"file": "c", "aws": "eu"}}, "`aws` belongs to `s3`"),
        ({"legal_hold": ["one", "one"]}, "two holds have one name"),
        ({"legal_hold": "one"}, "tuple"),
        ({"legal_hold": [{"name": "a", "keeps": ["backups"], "secrets": ["x"]}]}, "narrows `secret_versions`"),
        ({"legal_hold": [{"name": "a", "since": "2027-02-01", "until": "2027-01-01"}]}, "`since` is after `until`"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words.replace("{", r"\{").replace("}", r"\}")):
        RetentionSpec.model_validate(given)


@pytest.mark.parametrize(
    ("framework", "years", "words"),
    [("pci", 1, 0), ("pci", 0.9, 1), ("hipaa", 6, 0), ("hipaa", 5, 1), ("soc2", 0.1, 0)],
)
def test_an_audit_log_is_kept_as_long_as_a_declared_framework_asks(framework: str, years: float, words: int) -> None:
    spec = RetentionSpec(audit_log=int(years * YEAR))
    assert len(list(loosened(spec, Complying.model_validate({"frameworks": [framework]})))) == words
