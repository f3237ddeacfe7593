"""The forms of the pages: what each does, what is said once it is done, and how one that was refused is filled again.

A form's fields have the names of its mutation's input, so that the path of a fault names the field it stands beside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from web.quantities import Json

ELSEWHERE = ""
"""The place of faults that belong to no field: they stand above the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a form does: the section of its page that it is about, and what is said once it is done.

    `shows` says that the answer holds what is shown this once, so that the page is made of it there and then.
    """

    section: str
    done: str
    shows: bool = False


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "member_invite": Action(section="members", done="The member is invited.", shows=True),
        "member_update": Action(section="members", done="The role is changed. It holds within seconds."),
        "member_remove": Action(section="members", done="The member is removed, and signed out everywhere."),
        "api_key_create": Action(section="keys", done="The key is made.", shows=True),
        "api_key_rotate": Action(section="keys", done="The key has a new secret.", shows=True),
        "api_key_revoke": Action(section="keys", done="The key is revoked. It ends within seconds."),
        "endpoint_register": Action(section="endpoints", done="Notices go there from now on.", shows=True),
        "endpoint_update": Action(section="endpoints", done="The endpoint is changed."),
        "endpoint_rotate": Action(section="endpoints", done="The webhook has a new secret.", shows=True),
        "endpoint_remove": Action(section="endpoints", done="The endpoint is removed."),
        "endpoint_test": Action(section="endpoints", done="A test is on its way; below is what becomes of it."),
        "delivery_redeliver": Action(section="endpoints", done="The notice is on its way again."),
        "alert_acknowledge": Action(section="alerts", done="The alert is taken on."),
        "alert_resolve": Action(section="alerts", done="The alert is resolved. It is raised again while its value is."),
        "annotation_add": Action(section="alerts", done="The note stands on the KPI's chart."),
        "experiment_decide": Action(section="record", done="The decision is on the record."),
        "experiment_decision_approve": Action(section="record", done="The decision is approved."),
    }
)
"""By the name of the action's document."""

ROLES: Mapping[str, str] = MappingProxyType(
    {
        "VIEWER": "Viewer: sees everything",
        "EDITOR": "Editor: also registers, changes and runs",
        "REVIEWER": "Reviewer: also decides, sets targets, approves",
        "ADMIN": "Admin: also sees to members, keys and endpoints",
    }
)
SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "read": "see everything but keys and members",
        "edit": "register, change and run",
        "decide": "decide, set targets, approve",
        "ingest": "send rows",
        "evaluate": "evaluate flags",
        "schema:read": "read the schema",
        "admin": "see to members, keys and endpoints",
    }
)
KINDS: Mapping[str, str] = MappingProxyType(
    {"WEBHOOK": "Webhook, signed", "SLACK": "Slack, an incoming webhook", "EMAIL": "E-mail"}
)
CHOICES: Mapping[str, str] = MappingProxyType(
    {"SHIP": "Ship", "ROLL_BACK": "Roll back", "ITERATE": "Iterate: try another form of it", "ABANDON": "Abandon"}
)
"""What may be decided of an experiment that is over."""
NOTICES: Mapping[str, str] = MappingProxyType(
    {
        "ALERT_RAISED": "an alert is raised",
        "ALERT_RESOLVED": "an alert is resolved",
        "KPI_CHANGED": "a KPI is changed",
        "EXPERIMENT_STARTED": "an experiment is started",
        "EXPERIMENT_STOPPED": "an experiment is stopped",
        "EXPERIMENT_DECIDED": "an experiment is decided",
        "LOOK_PUBLISHED": "a planned look is published",
        "REVIEW_CLOSED": "a review is closed",
    }
)
"""What one may be told of. A test goes to whoever is tested, and is not chosen."""
GRACES: Mapping[str, str] = MappingProxyType(
    {"24": "for 24 hours", "72": "for 3 days", "168": "for 7 days", "0": "no longer: it ends now"}
)
"""How long an old secret works on, by the hours."""
TWICE = "This was sent twice and done once: what is shown once was in the first answer."
"""Said where a form comes a second time, as when the page of its answer is loaded anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a form said, and what came of it: the answer, or the faults by the field they belong to."""

    action: str
    values: Mapping[str, Sequence[str]]
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)
    answer: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of a page: `name` begins its ids, `fields` are those that one sees, `said` what it was sent with."""

    action: str
    name: str
    fields: Sequence[str]
    said: Said | None = None

    def value(self, field: str, usual: str = "") -> str:
        """What a field is filled with: what it said, else what is usual."""
        return usual if self.said is None else next(iter(self.said.values.get(field, ())), "")

    def has(self, field: str, choice: str, usual: Sequence[str] = ()) -> bool:
        """Whether a choice of several is ticked."""
        return choice in (usual if self.said is None else self.said.values.get(field, ()))

    def fault(self, field: str) -> str:
        """What is wrong with a field, in sentences; empty where nothing is."""
        return " ".join(self._faults.get(field, ()))

    @property
    def rest(self) -> list[str]:
        """What is wrong with no field that one sees."""
        return [words for field, found in self._faults.items() if field not in self.fields for words in found]

    @property
    def first(self) -> str:
        """The first field with a fault, where who reads the page goes on; empty for none."""
        return next((field for field in self.fields if self.fault(field)), "")

    @property
    def is_refused(self) -> bool:
        """Whether it comes back with faults."""
        return bool(self._faults)

    @property
    def _faults(self) -> Mapping[str, Sequence[str]]:
        return {} if self.said is None else self.said.faults


def form(
    said: Said | None, action: str, fields: Sequence[str], row: Json | None = None, place: int = 0, by: str = "id"
) -> Form:
    """The form of an action; of one that is about a row, that row's, named in a field and by its place in the list."""
    name = action if row is None else f"{action}-{place}"
    is_it = said is not None and said.action == action and (row is None or row["id"] in said.values.get(by, ()))
    return Form(action=action, name=name, fields=fields, said=said if is_it else None)


def told(said: Said | None, done: str | None, section: str) -> str:
    """What is said in a section of what was just done there; empty for nothing."""
    action = said.action if said is not None and said.answer is not None else done
    found = ACTIONS.get(action or "")
    return found.done if found is not None and found.section == section else ""


def shown(said: Said | None, *actions: str) -> Json | None:
    """What one of these actions answered just now, to be shown this once."""
    return said.answer if said is not None and said.action in actions else None


def shippable(variants: Sequence[Json]) -> dict[str, str]:
    """The variants that may be shipped, by key, and none where nothing is."""
    return {"": "Nothing"} | {variant["key"]: variant["name"] for variant in variants if not variant["isControl"]}
