"""All samples, by kind."""

from __future__ import annotations

from tests.kinds import samples_aws, samples_roles, samples_system
from tests.kinds.sample import Sample

SAMPLES: dict[str, list[Sample]] = {**samples_system.SAMPLES, **samples_roles.SAMPLES, **samples_aws.SAMPLES}
