"""What the settings page is told: as an admin, as somebody else, with a key, and before anything is there.

And what its forms said, when they were refused or done.
"""

from typing import Any

from web import Said

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
        "id": "member 1",
        "email": "ada@example.org",
        "name": "Ada",
        "role": "ADMIN",
        "state": "ACTIVE",
        "invitedBy": "root",
        "lastSeenAt": "2026-06-01T08:00:00Z",
    } | more


def key(**more: Any) -> Json:
    return {
        "id": "key 1",
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
        "id": "endpoint 1",
        "kind": "WEBHOOK",
        "address": "https://example.org/hook",
        "types": None,
        "isEnabled": True,
        "disabledReason": None,
        "createdBy": "Ada",
    } | more


def delivery(**more: Any) -> Json:
    return {
        "id": "delivery 1",
        "state": "FAILED",
        "attempts": 10,
        "attemptedAt": "2026-06-02T08:00:00Z",
        "nextAt": None,
        "status": 500,
        "fault": None,
        "notice": {"type": "ALERT_RAISED"},
        "endpoint": {"address": "https://example.org/hook"},
    } | more


def connection(*nodes: Json, more: int = 0) -> Json:
    return {"totalCount": len(nodes) + more, "nodes": list(nodes)}


def told(**more: Any) -> Json:
    entry = {"number": 1, "doneAt": "2026-06-02T08:00:00Z", "actor": "Ada", "key": "member-1", "action": "apiKeyCreate"}
    return {
        "viewer": viewer(*RIGHTS),
        "workspace": {"name": "Northwind"},
        "members": connection(member(), member(id="member 2", name="Bob", state="INVITED", lastSeenAt=None), more=50),
        "apiKeys": connection(
            key(),
            key(id="key 2", createdBy=None, lastUsedAt=None, expiresAt="2026-07-01T00:00:00Z"),
            key(id="key 3", oldSecretEndsAt="2026-06-03T00:00:00Z"),
            key(id="key 4", revokedAt="2026-06-03T00:00:00Z"),
            more=50,
        ),
        "endpoints": {
            "nodes": [
                endpoint(),
                endpoint(id="endpoint 2", kind="EMAIL", address="ada@example.org", types=["LOOK_PUBLISHED"]),
                endpoint(id="endpoint 3", isEnabled=False, disabledReason="Disabled by hand."),
            ]
        },
        "deliveries": {
            "nodes": [
                delivery(),
                delivery(
                    id="delivery 2",
                    state="WAITING",
                    status=None,
                    fault="It did not answer.",
                    nextAt="2026-06-03T08:00:00Z",
                ),
                delivery(id="delivery 3", state="WAITING", status=None, attempts=0, attemptedAt=None),
            ]
        },
        "auditLog": connection(entry, more=400),
    } | more


def bare() -> Json:
    """An admin's page before there is anything; with a key."""
    nothing = {name: connection() for name in ("members", "apiKeys", "endpoints", "deliveries", "auditLog")}
    with_key = viewer("canAdminister", "canRead", role=None, member=None, apiKey={"scopes": ["admin", "read"]})
    return told(viewer=with_key, **nothing)


def narrow() -> Json:
    """Of somebody who is no admin, nothing else is told."""
    whole = told(viewer=viewer("canRead", role="VIEWER"))
    return {name: whole[name] for name in ("viewer", "workspace")}


def refused() -> dict[str, Said]:
    """Each form with a fault beside every field that one sees, and one that belongs to none."""
    seen = {
        "member_invite": ("name", "email", "role"),
        "member_update": ("role",),
        "member_remove": (),
        "api_key_create": ("name", "expiresAt", "scopes"),
        "api_key_rotate": ("graceHours",),
        "api_key_revoke": (),
        "endpoint_register": ("kind", "address", "types"),
        "endpoint_update": (),
        "endpoint_rotate": (),
        "endpoint_remove": (),
        "endpoint_test": (),
        "delivery_redeliver": (),
    }
    return {action: _refused(action, fields) for action, fields in seen.items()}


def _refused(action: str, fields: tuple[str, ...]) -> Said:
    noun = {"member": "member 2", "api": "key 1", "endpoint": "endpoint 1", "delivery": "delivery 1"}
    values = {field: [f"what {field} said"] for field in fields} | {"id": [noun[action.partition("_")[0]]]}
    faults = {field: [f"{field} is wrong.", f"{field} is worse."] for field in fields}
    return Said(action=action, values=values, faults=faults | {"": ["All is wrong."]})


def answered() -> dict[str, Said]:
    """Each form whose answer is shown this once, and what it answers when it is sent a second time."""
    who = {"name": "Bob", "email": "bob@example.org"}
    key, hook = {"apiKey": {"name": "warehouse"}}, {"endpoint": {"kind": "WEBHOOK", "address": "https://example.org/x"}}
    mail = {"endpoint": {"kind": "EMAIL", "address": "ada@example.org"}, "secret": None}
    link = {"member": who, "link": "https://truelift.test/link", "linkEndsAt": "2026-06-02T08:15:00Z"}
    found: dict[str, Json] = {
        "member_invite": link,
        "member_invite again": link | {"link": None, "linkEndsAt": None},
        "api_key_create": key | {"secret": "tl_0_0"},
        "api_key_rotate again": key | {"secret": None},
        "endpoint_register": hook | {"secret": "whsec_0"},
        "endpoint_register by mail": mail,
        "endpoint_rotate again": hook | {"secret": None},
    }
    return {name: Said(action=name.partition(" ")[0], values={}, answer=answer) for name, answer in found.items()}
