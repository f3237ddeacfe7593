"""What the settings page is told: as an admin, as somebody else, with a key, and before anything is there."""

from typing import Any

Json = dict[str, Any]
RIGHTS = ("canRead", "canEdit", "canDecide", "canIngest", "canAdminister", "canReadSchema")


def viewer(*rights: str, **more: Any) -> Json:
    return {
        "workspace": "Northwind",
        "name": "Ada",
        "role": "ADMIN",
        "apiKey": None,
        "member": {"email": "ada@example.org"},
        "permissions": {name: name in rights for name in RIGHTS},
    } | more


def member(**more: Any) -> Json:
    return {
        "email": "ada@example.org",
        "name": "Ada",
        "role": "ADMIN",
        "state": "ACTIVE",
        "invitedBy": "root",
        "lastSeenAt": "2026-06-01T08:00:00Z",
    } | more


def key(**more: Any) -> Json:
    return {
        "key": "0123456789abcdef",
        "name": "warehouse",
        "scopes": ["ingest", "read"],
        "createdBy": "Ada",
        "createdAt": "2026-06-01T08:00:00Z",
        "lastUsedAt": "2026-06-02T08:00:00Z",
        "expiresAt": None,
        "oldSecretEndsAt": None,
        "revokedAt": None,
    } | more


def endpoint(**more: Any) -> Json:
    return {
        "kind": "WEBHOOK",
        "address": "https://example.org/hook",
        "isEnabled": True,
        "disabledReason": None,
        "createdBy": "Ada",
    } | more


def connection(*nodes: Json, more: int = 0) -> Json:
    return {"totalCount": len(nodes) + more, "nodes": list(nodes)}


def told(**more: Any) -> Json:
    entry = {"number": 1, "doneAt": "2026-06-02T08:00:00Z", "actor": "Ada", "key": "member-1", "action": "apiKeyCreate"}
    return {
        "viewer": viewer(*RIGHTS),
        "workspace": {"name": "Northwind"},
        "members": connection(member(), member(name="Bob", state="INVITED", lastSeenAt=None), more=50),
        "apiKeys": connection(
            key(),
            key(createdBy=None, lastUsedAt=None, expiresAt="2026-07-01T00:00:00Z"),
            key(oldSecretEndsAt="2026-06-03T00:00:00Z"),
            key(revokedAt="2026-06-03T00:00:00Z"),
            more=50,
        ),
        "endpoints": {"nodes": [endpoint(), endpoint(isEnabled=False, disabledReason="Disabled by hand.")]},
        "auditLog": connection(entry, more=400),
    } | more


def bare() -> Json:
    """An admin's page before there is anything; with a key."""
    nothing = {name: connection() for name in ("members", "apiKeys", "endpoints", "auditLog")}
    with_key = viewer("canAdminister", "canRead", role=None, member=None, apiKey={"scopes": ["admin", "read"]})
    return told(viewer=with_key, **nothing)


def narrow() -> Json:
    """Of somebody who is no admin, nothing else is told."""
    whole = told(viewer=viewer("canRead", role="VIEWER"))
    return {name: whole[name] for name in ("viewer", "workspace")}
