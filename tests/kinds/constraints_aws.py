"""What AWS, and the endpoint that stands for it in tests, is choosy about."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.kinds import samples_aws as aws
from tests.kinds.trial import OUT, Trial, at, listed

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='\\"<>'), min_size=1, max_size=20)
TAGS = st.dictionaries(st.text("abcXYZ019", min_size=1, max_size=8), st.text("abc XYZ/_.:=+-@", max_size=8).map(str.strip), max_size=4)
DOCUMENTS = st.sampled_from([aws.READ, aws.READ_AND_DECRYPT])
MANAGED = ("arn:aws:iam::aws:policy/ReadOnlyAccess", aws.POLICY_ARN)
AWS = [
    Trial(
        "aws.secret",
        at("aws.secret"),
        {
            "description": TEXT,
            "tags": TAGS,
            "kms_key_id": st.sampled_from(["", "alias/genesis", "alias/other"]),
            "rotation": OUT,
            "resource_policy": st.sampled_from([{}, aws.SECRET_POLICY]),
            "replicas": listed("us-west-2", "eu-west-1"),  # the endpoint in tests gives all the default key
        },
        {"recovery_window_days": 0},
        examples=6,
        needed=("description",),
    ),
    Trial(
        "aws.iam_policy",
        at("aws.iam_policy"),
        {"path": st.sampled_from(["/", "/genesis/"]), "description": TEXT, "document": DOCUMENTS, "tags": TAGS},
        examples=6,
    ),
    Trial(
        "aws.iam_role",
        at("aws.iam_role", "genesis-service"),
        {
            "path": st.sampled_from(["/", "/genesis/"]),
            "description": TEXT,
            "trust_policy": st.sampled_from([aws.TRUST_EC2, aws.TRUST_ACCOUNT]),
            "managed_policies": listed(*MANAGED),
            "inline_policies": st.dictionaries(st.sampled_from(["own", "more"]), DOCUMENTS),
            "max_session_duration": st.sampled_from([3600, "2h", 43200]),
            "permissions_boundary": st.sampled_from(["", *MANAGED]),
            "tags": TAGS,
        },
        examples=6,
    ),
    Trial(
        "aws.kms_key",
        at("aws.kms_key"),
        {
            "description": st.just("") | TEXT,
            "policy": st.sampled_from([{}, aws.KEY_POLICY]),
            "rotation_period_days": OUT,
            "deletion_window_days": st.integers(7, 30),
            "tags": TAGS,
        },
        examples=6,
    ),
    Trial(
        "aws.ssm_parameter",
        at("aws.ssm_parameter"),
        {"description": TEXT, "type": st.sampled_from(["String", "SecureString"]), "key_id": OUT, "tags": TAGS},
        {"value": {"from": "vault:genesis/data/db#password"}},
        examples=6,
    ),
]
