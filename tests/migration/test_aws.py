"""AWS Secrets Manager as a destination: history stays readable by labels of ours, whatever is cut off, by AWS's documented rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.errors import Refused
from reconciler.migration import verbs
from reconciler.migration.record import Record
from reconciler.migration.sides import LABELS, AwsSide
from reconciler.retention import versions
from reconciler.secrets.aws_store import AwsStore
from tests.migration.desks import Stand
from tests.secrets.aws_double import AwsDouble

WANTED = Record("old", "aws", "dual")
VALUES = ["one", "two", "one", "three"]


class Killed(BaseException):
    """The process ends here."""


class Double(AwsDouble):
    """Knows of secrets that wait for their deletion, too."""

    def _list_secrets(self, Filters: list[dict[str, Any]] | None = None, IncludePlannedDeletion: bool = False) -> dict[str, Any]:
        listed = super()._list_secrets(Filters)["SecretList"]
        return {
            "SecretList": [*listed, *({"Name": name} for name, kept in self.secrets.items() if kept.deleted and IncludePlannedDeletion)]
        }


class Cloud(Stand):
    """A stand whose destination is AWS."""

    def __init__(self, folder: Path, double: AwsDouble) -> None:
        super().__init__(folder)
        self.aws = AwsStore("aws", double, "app/")
        self.sides["aws"] = AwsSide(self.aws, double, "app/")

    def moved(self, path: str = "db") -> list[str]:
        """All that can be read in AWS, oldest first."""
        held = [self.aws.get(path, slot.id) for slot in self.sides["aws"].look(path).slots]
        return [one.value["value"] for one in held if one]


def filled(folder: Path, double: AwsDouble) -> Cloud:
    cloud = Cloud(folder, double)
    for value in VALUES:
        cloud.old.put("db", {"value": value})
    cloud.old.annotate("db", {"owner": "platform"})
    return cloud


def test_a_copy_that_is_cut_off_at_any_request_is_finished_by_the_next(tmp_path: Path) -> None:
    for at in range(1, 200):
        left = at

        def crash(_when: str, _operation: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed

        double = Double(crash)
        cloud = filled(tmp_path / str(at), double)
        try:
            verbs.start(cloud.desk, WANTED)
        except Killed:
            double.crash = lambda _when, _operation: None
            cloud = Cloud(cloud.folder, double)
            assert verbs.start(cloud.desk, WANTED).failed == []
        assert cloud.moved() == VALUES
        assert cloud.aws.metadata("db") == {"owner": "platform"}
        assert [one.wrong for one in verbs.verified(cloud.desk, cloud.desk.record())] == [()]
        if left > 0:
            assert at > 20
            return
    raise AssertionError("it never ended alive")


def test_later_writes_keep_the_newest_readable_within_the_labels_that_aws_takes(tmp_path: Path) -> None:
    double = Double()
    cloud = filled(tmp_path, double)
    verbs.start(cloud.desk, WANTED)
    for number in range(20):
        cloud.routed("old").put("db", {"value": str(number)})
        assert len(double.secrets["app/db"].labels) <= 20
    assert cloud.moved()[-LABELS:] == [str(number) for number in range(20 - LABELS, 20)]
    (found,) = verbs.verified(cloud.desk, cloud.desk.record())
    assert found.wrong == ()
    assert f"aws keeps {LABELS} versions: version 1 of old made room for later ones" in found.notes


def test_what_was_moved_goes_when_it_is_older_than_it_is_kept(tmp_path: Path) -> None:
    cloud = filled(tmp_path, Double())
    verbs.start(cloud.desk, WANTED)
    for thing in versions.look_at(cloud.aws, "db", "2999-01-01T00:00:00Z", ()).going:
        cloud.aws.destroy("db", thing.version)
    assert cloud.moved() == VALUES[-1:]


def test_a_secret_that_is_deleted_and_put_again_is_so_in_aws_too(tmp_path: Path) -> None:
    cloud = filled(tmp_path, Double())
    verbs.start(cloud.desk, WANTED)
    cloud.routed("old").delete("db")
    assert cloud.aws.get("db") is None
    (found,) = verbs.verified(cloud.desk, cloud.desk.record())
    assert (found.wrong, found.notes) == ((), ("it is deleted in aws: its versions can be compared when it is restored",))
    cloud.routed("old").put("db", {"value": "again"})
    assert cloud.moved() == [*VALUES, "again"]
    assert verbs.cutover(cloud.desk, lambda _record, _secrets: True)
    cloud.routed("aws").delete("db")
    assert verbs.abort(cloud.desk, lambda _record, _secrets: True)
    assert cloud.old.get("db") is None


def test_what_is_deleted_in_the_source_is_not_written_into_its_copy(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, Double())
    cloud.aws.put("db", {"value": "one"})
    verbs.start(cloud.desk, Record("aws", "new", "dual"))
    cloud.routed("aws").delete("db")
    with pytest.raises(Refused, match="db: new is a copy of aws"):
        cloud.routed("new").put("db", {"value": "two"})


@pytest.mark.parametrize(
    ("rotates", "pending", "words"), [(True, False, "AWS itself rotates it"), (False, True, "a rotation of AWS's own is under way")]
)
def test_what_aws_rotates_itself_does_not_leave_it(tmp_path: Path, rotates: bool, pending: bool, words: str) -> None:
    double = Double()
    cloud = Cloud(tmp_path, double)
    cloud.aws.put("db", {"value": "one"})
    double.secrets["app/db"].rotates = rotates
    if pending:
        double.change(
            "secretsmanager",
            "put_secret_value",
            SecretId="app/db",
            SecretString="{}",
            ClientRequestToken="p" * 32,
            VersionStages=["AWSPENDING"],
        )
    (found,) = verbs.assessed(cloud.desk, Record("aws", "new", "dual"))
    assert words in found.problems[0]
