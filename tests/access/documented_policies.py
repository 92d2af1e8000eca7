"""Policies such as the documentation of Vault and OpenBao shows: every feature that it speaks of, in words of our own."""

from __future__ import annotations

from collections.abc import Mapping

POLICIES: Mapping[str, str] = {
    "comments of all three sorts": """
# What a payroll clerk may see.
path "payroll/data/2026/*" {
  capabilities = ["read"]   // nothing else
}
/* Not the totals:
   those are for the board. */
path "payroll/data/2026/totals" { capabilities = ["deny"] }
""",
    "an administrator": """
path "sys/health"              { capabilities = ["read", "sudo"] }
path "sys/policies/acl"        { capabilities = ["list"] }
path "sys/policies/acl/*"      { capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }
path "auth/*"                  { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }
path "sys/auth/*"              { capabilities = ["create", "update", "delete", "sudo"] }
path "sys/auth"                { capabilities = ["read"] }
path "sys/mounts/*"            { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }
path "sys/mounts"              { capabilities = ["read"] }
path "identity/*"              { capabilities = ["create", "read", "update", "delete", "list"] }
path "sys/leases/lookup/*"     { capabilities = ["list", "sudo"] }
path "sys/leases/revoke-prefix/database/creds/*" { capabilities = ["update", "sudo"] }
""",
    "segments": """
path "shops/+/orders"          { capabilities = ["read", "list"] }
path "shops/+/+/stock"         { capabilities = ["read"] }
path "+/metadata/backups/*"    { capabilities = ["list"] }
path "shops/berlin/or*"        { capabilities = ["create", "update"] }
path "shops/+/carts/*"         { capabilities = ["read"] }
""",
    "all parts of kv version 2": """
path "kv/data/app/*"           { capabilities = ["create", "update", "patch", "read"] }
path "kv/subkeys/app/*"        { capabilities = ["read"] }
path "kv/delete/app/*"         { capabilities = ["update"] }
path "kv/undelete/app/*"       { capabilities = ["update"] }
path "kv/destroy/app/*"        { capabilities = ["update"] }
path "kv/metadata/app/*"       { capabilities = ["list", "read", "delete"] }
path "kv/detailed-metadata/*"  { capabilities = ["list", "scan"] }
""",
    "parameters with lists and globs": """
path "secret/plain" {
  capabilities       = ["create", "update"]
  allowed_parameters = { "colour" = [] }
}
path "secret/chosen" {
  capabilities       = ["create"]
  allowed_parameters = {
    "colour" = ["red", "blue", "light-*"]
    "count"  = [1, 2, 3]
    "shared" = [true]
    "*"      = []
  }
}
path "secret/refused" {
  capabilities      = ["create"]
  denied_parameters = { "shape" = ["round", "*-angle"], "*" = [] }
}
path "secret/needed" {
  capabilities        = ["create"]
  required_parameters = ["owner", "purpose"]
}
""",
    "lists as values of parameters": """
path "secret/teams" {
  capabilities       = ["create", "update"]
  allowed_parameters = { "members" = [["alice", "bob"], ["bob", "alice"], []] }
  denied_parameters  = { "owners" = ["root", ["root"], ["root", "alice"]] }
}
""",
    "an empty list wins": """
path "secret/any"  {
  capabilities       = ["update"]
  allowed_parameters = { "key" = ["a"] }
}
path "secret/any"  {
  capabilities       = ["read"]
  allowed_parameters = { "key" = [] }
}
""",
    "wrapping": """
path "auth/approle/role/deploy/secret-id" {
  capabilities     = ["create", "update"]
  min_wrapping_ttl = "1s"
  max_wrapping_ttl = "90s"
}
path "auth/approle/role/deploy/role-id" {
  capabilities     = ["read"]
  max_wrapping_ttl = 300
}
""",
    "templates": """
path "home/data/{{identity.entity.id}}/*"         { capabilities = ["create", "update", "patch", "read", "delete"] }
path "home/metadata/{{identity.entity.id}}/*"     { capabilities = ["list"] }
path "teams/data/{{identity.entity.metadata.team}}/*" { capabilities = ["read"] }
path "groups/data/{{identity.groups.ids.0a1b2c3d-0000-1111-2222-333344445555.name}}/*" { capabilities = ["read"] }
path "groups/data/{{identity.groups.names.builders.id}}/*" { capabilities = ["read"] }
path "auth/userpass/users/{{identity.entity.aliases.auth_userpass_6671d643.name}}" {
  capabilities       = ["update"]
  allowed_parameters = { "password" = [] }
}
path "apps/data/{{identity.entity.aliases.auth_kubernetes_1a2b3c4d.metadata.service_account_namespace}}/{{identity.entity.aliases.auth_kubernetes_1a2b3c4d.metadata.service_account_name}}" {
  capabilities = ["read"]
}
""",
    "pages of lists": """
path "secret/metadata/" {
  capabilities        = ["list", "scan"]
  pagination_limit    = 100
  required_parameters = ["limit"]
}
path "people/metadata/" {
  capabilities                        = ["list"]
  list_scan_response_keys_filter_path = "people/data/{{ .key }}"
}
""",
    "rules that end": """
path "incident/data/*" {
  capabilities = ["read"]
  expiration   = "2099-06-30T18:00:00+02:00"
  comment      = "while the incident of June lasts"
}
""",
    "json": """
{
  "path": {
    "kv/data/reports/*": {"capabilities": ["read", "list"]},
    "auth/token/create/reporting": {"capabilities": ["update"], "allowed_parameters": {"ttl": ["15m", "30m"], "*": []}},
    "kv/data/reports/salaries": {"capabilities": ["deny"]}
  }
}
""",
    "json with a list of paths": """
{"path": [{"kv/data/one": {"capabilities": ["read"]}}, {"kv/data/two": {"capabilities": ["update"]}}]}
""",
    "heredocs": """
path "kv/data/long" {
  capabilities = ["read"]
  comment = <<EOT
Asked for by the auditors,
renewed every year.
EOT
}
path "kv/data/indented" {
  capabilities = ["read"]
  comment = <<-EOT
    Indented text.
    EOT
}
""",
    "control characters and escapes": (
        'path "kv/data/tab\\there" { capabilities = ["read"] }\n'
        'path "kv/data/bell\\u0007" { capabilities = ["read"] }\n'
        'path "kv/data/quote\\"d" { capabilities = ["read"] }\n'
        'path "kv/data/back\\\\slash" { capabilities = ["read"] }\n'
        'path "kv/data/dollar$sign" { capabilities = ["read"] }\n'
        'path "kv/data/gr\u00fc\u00dfe/\u65e5\u672c" { capabilities = ["read"] }\n'
        'path "kv/data/raw\ttab" { capabilities = ["read"] }\r\n'
    ),
    "old spellings": """
path "secret/old" { policy = "write" }
path "secret/older" { policy = "read" }
path "secret/oldest" { policy = "deny" }
path "/leading/slash" { capabilities = ["read",] }
""",
    "deny beats all": """
path "kv/*"           { capabilities = ["create", "read", "update", "delete", "list"] }
path "kv/data/root/*" { capabilities = ["deny", "read"] }
path "kv/data/root/*" { capabilities = ["list"] }
""",
    "control groups": """
path "kv/data/crown-jewels" {
  capabilities  = ["read"]
  control_group = {
    ttl = "4h"
    factor "two of the board" {
      controlled_capabilities = ["read"]
      identity {
        group_names = ["board", "auditors"]
        approvals   = 2
      }
    }
    factor "and a keeper" {
      identity {
        group_names = ["keepers"]
        approvals = 1
      }
      controlled_capabilities = ["read"]
    }
  }
}
""",
    "engines": """
path "database/creds/readonly"       { capabilities = ["read"] }
path "pki/issue/web"                 { capabilities = ["update"] }
path "pki/sign/web"                  { capabilities = ["update"] }
path "transit/encrypt/orders"        { capabilities = ["update"] }
path "transit/decrypt/orders"        { capabilities = ["update"] }
path "transit/keys/+/rotate"         { capabilities = ["update"] }
path "ssh/sign/people"               { capabilities = ["update"] }
path "ssh/creds/otp"                 { capabilities = ["update"] }
path "totp/code/+"                   { capabilities = ["read", "update"] }
path "cubbyhole/*"                   { capabilities = ["create", "read", "update", "delete", "list"] }
""",
    "a token that minds itself": """
path "auth/token/lookup-self"  { capabilities = ["read"] }
path "auth/token/renew-self"   { capabilities = ["update"] }
path "auth/token/revoke-self"  { capabilities = ["update"] }
path "sys/capabilities-self"   { capabilities = ["update"] }
path "sys/internal/ui/mounts/*" { capabilities = ["read"] }
path "sys/wrapping/unwrap"     { capabilities = ["update"] }
path "sys/leases/renew"        { capabilities = ["update"] }
path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }
""",
}
"""Texts that OpenBao takes."""

VAULT_ONLY: Mapping[str, str] = {
    "events": """
path "sys/events/subscribe/kv*" { capabilities = ["read"] }
path "kv/data/orders/*" {
  capabilities          = ["list", "subscribe"]
  subscribe_event_types = ["kv-v2/data-write", "database/*"]
}
""",
    "recovery": 'path "kv/data/lost/*" { capabilities = ["recover"] }\n',
}
"""Texts that OpenBao refuses, and Vault takes."""
