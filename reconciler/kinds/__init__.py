"""One file a kind, and `KINDS`, the registration: a literal tuple, so that nothing registers itself by being imported."""

from __future__ import annotations

from reconciler.core.kind import Kinds, registry

from .approle_role import APPROLE_ROLE
from .audit_device import AUDIT_DEVICE
from .auth_config import AUTH_CONFIG
from .aws_iam_policy import IAM_POLICY
from .aws_iam_role import IAM_ROLE
from .aws_kms_key import KMS_KEY
from .aws_secret import SECRET
from .aws_ssm_parameter import SSM_PARAMETER
from .cert_role import CERT_ROLE
from .database import DATABASE_CONNECTION, DATABASE_ROLE, DATABASE_STATIC_ROLE
from .edge_network_rule import NETWORK_RULE
from .edge_rate_limit import RATE_LIMIT
from .edge_route import ROUTE
from .edge_webhook import WEBHOOK
from .engine_config import ENGINE_CONFIG
from .identity import IDENTITY_ENTITY, IDENTITY_GROUP
from .identity_alias import IDENTITY_ENTITY_ALIAS, IDENTITY_GROUP_ALIAS
from .jwt_role import JWT_ROLE
from .kubernetes_role import KUBERNETES_ROLE
from .kv_secret import KV_SECRET
from .mounts import AUTH_METHOD, SECRETS_ENGINE
from .namespace import NAMESPACE
from .object import OBJECT
from .oidc import OIDC_ASSIGNMENT, OIDC_CLIENT, OIDC_KEY, OIDC_PROVIDER, OIDC_SCOPE
from .password_policy import PASSWORD_POLICY
from .pki_role import PKI_ROLE
from .policy import POLICY
from .rate_limit_quota import RATE_LIMIT_QUOTA
from .retention import RETENTION
from .rotation_policy import ROTATION_POLICY
from .secret_kind import DECLARED_SECRET
from .ssh_role import SSH_ROLE
from .token_role import TOKEN_ROLE
from .transit_key import TRANSIT_KEY
from .userpass_user import USERPASS_USER

KINDS: Kinds = registry(
    (
        NAMESPACE,
        POLICY,
        PASSWORD_POLICY,
        SECRETS_ENGINE,
        AUTH_METHOD,
        AUTH_CONFIG,
        ENGINE_CONFIG,
        APPROLE_ROLE,
        JWT_ROLE,
        KUBERNETES_ROLE,
        CERT_ROLE,
        USERPASS_USER,
        TOKEN_ROLE,
        KV_SECRET,
        TRANSIT_KEY,
        PKI_ROLE,
        SSH_ROLE,
        DATABASE_CONNECTION,
        DATABASE_ROLE,
        DATABASE_STATIC_ROLE,
        IDENTITY_ENTITY,
        IDENTITY_GROUP,
        IDENTITY_ENTITY_ALIAS,
        IDENTITY_GROUP_ALIAS,
        OIDC_KEY,
        OIDC_SCOPE,
        OIDC_ASSIGNMENT,
        OIDC_CLIENT,
        OIDC_PROVIDER,
        RATE_LIMIT_QUOTA,
        AUDIT_DEVICE,
        OBJECT,
        SECRET,
        IAM_POLICY,
        IAM_ROLE,
        KMS_KEY,
        SSM_PARAMETER,
        ROTATION_POLICY,
        DECLARED_SECRET,
        RETENTION,
        WEBHOOK,
        RATE_LIMIT,
        ROUTE,
        NETWORK_RULE,
    )
)
