"""Samples of kinds without a remote system: what is declared is what counts."""

from __future__ import annotations

from tests.kinds.sample import Sample

SAMPLES: dict[str, list[Sample]] = {
    "secret": [
        Sample(
            "api_keys/internal",
            {"type": "api_key", "owner": "orchestrator", "consumers": ["search", "orchestrator"]},
            {"type": "api_key", "owner": "search"},
        ),
    ],
    "rotation_policy": [Sample("api_keys", {"interval_days": 30, "overlap_hours": 24}, {"interval_days": 60, "warning_days": 7})],
    "retention": [
        Sample(
            "default",
            {"audit_log": "7y", "secret_versions": "90d", "archive": {"s3": "audit-archive/genesis"}, "legal_hold": ["case-42"]},
            {"audit_log": "10y", "archive": {"file": "archive"}},
        )
    ],
    "webhook": [
        Sample(
            "github",
            {
                "route": "/webhooks/github",
                "scheme": "github",
                "secret": "webhooks/github_secret",
                "algorithms": ["sha256"],
                "networks": ["192.30.252.0/22"],
                "user_agent": "^GitHub-Hookshot/",
                "repositories": ["genesis/desired-state"],
            },
            {"route": "/webhooks/github", "scheme": "github", "secret": "webhooks/other", "algorithms": ["sha256", "sha1"]},
        ),
        Sample(
            "billing",
            {
                "route": "/webhooks/billing",
                "scheme": "generic",
                "secret": "webhooks/billing",
                "algorithms": ["sha512"],
                "header": "X-Signature",
                "prefix": "v1=",
                "encoding": "base64",
                "timestamp_header": "X-Timestamp",
                "tolerance": "2m",
            },
            {"route": "/webhooks/billing", "scheme": "stripe", "secret": "webhooks/billing", "tolerance": "10m"},
        ),
        Sample(
            "gitlab",
            {"route": "/webhooks/gitlab", "scheme": "gitlab", "secret": "webhooks/gitlab", "algorithms": ["token"]},
            {"route": "/webhooks/gitlab", "scheme": "gitlab", "secret": "webhooks/gitlab", "repositories": ["genesis/infra/desired-state"]},
        ),
    ],
    "rate_limit": [
        Sample(
            "orchestration",
            {
                "routes": ["/v1/*"],
                "limit": 100,
                "per": "60s",
                "burst": 20,
                "algorithm": "sliding_window",
                "key": "ip",
                "adaptive": True,
            },
            {"routes": ["/v1/*", "/v2/*"], "limit": 50, "per": "1h", "algorithm": "leaky_bucket", "key": "header:X-Team"},
        ),
    ],
    "route": [
        Sample("health", {"path": "/health", "access": "public"}, {"path": "/health", "access": "protected", "principals": ["vault:*"]}),
    ],
    "network_rule": [
        Sample(
            "default",
            {
                "trusted_proxies": ["10.0.0.0/8"],
                "deny_countries": ["KP"],
                "unknown_country": "deny",
                "ban": {"after": 10, "base": "60s", "max": "1d"},
            },
            {
                "trusted_proxies": ["fd00::/8"],
                "allow": ["203.0.113.7", "::ffff:198.51.100.0/120"],
                "allow_countries": ["NL", "DE"],
                "unknown_country": "allow",
                "private": "deny",
                "hosts": ["Reconciler.example.com"],
                "exempt": ["203.0.113.0/24"],
                "revoked": ["spiffe://genesis/old"],
            },
        ),
    ],
}
"""What is declared, as the contract and the guides write it, and the same changed in most of its fields."""
