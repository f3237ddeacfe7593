"""The forms of the pages: each states what its mutation takes, keeps what was typed, and says what is wrong with it."""

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    is_required_input_field,
    parse,
    type_from_ast,
    validate,
)

import web
from api.auth.keys import Scope
from tests.web import ladder_samples, settings_samples
from tests.web.kpi_samples import alert
from tests.web.samples import answer, early, finished
from tests.web.test_pages import ALL, Page, committed
from web import forms

Json = dict[str, Any]
OURS = {"action", "proof"}
"""What a form says beside its input."""
SETTINGS = settings_samples.told()


def input_of(action: str) -> GraphQLInputObjectType:
    (operation,) = parse(web.actions[action]).definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert operation.operation is OperationType.MUTATION
    (variable,) = operation.variable_definitions or ()
    found = get_named_type(type_from_ast(committed(), variable.type))
    assert isinstance(found, GraphQLInputObjectType)
    return found


def sent(html: str) -> list[tuple[str, set[str]]]:
    """Each form of a page that does something: its action, and the names of what it says."""
    found: list[tuple[str, set[str]]] = []
    for tag, given in Page(html).tags:
        if tag == "form":
            found.append(("", set()))
        if tag == "input" and given.get("name") == "action":
            found[-1] = (str(given["value"]), set())
        if given.get("name") and tag in {"input", "select", "textarea"}:
            found[-1][1].add(str(given["name"]))
    return [(action, names - OURS) for action, names in found if action]


def test_every_action_is_a_document_of_one_mutation_that_the_schema_has() -> None:
    assert web.actions.keys() == web.ACTIONS.keys()
    for action, text in web.actions.items():
        assert validate(committed(), parse(text)) == []
        assert input_of(action)
        assert web.ACTIONS[action].shows is ("secret\n" in text or "link\n" in text)


@pytest.mark.parametrize("name", ["settings", "settings of a new workspace", "alerts", "finished"])
def test_forms_state_all_that_their_mutations_need_and_nothing_they_do_not_take(name: str) -> None:
    found = sent(ALL[name])
    assert found
    for action, names in found:
        fields = input_of(action).fields
        assert {field for field, kind in fields.items() if is_required_input_field(kind)} <= names <= set(fields)
    if name == "settings":
        assert {action for action, _ in found} == set(settings_samples.refused())


def test_what_makes_something_new_is_sent_with_a_key_so_that_it_is_done_once() -> None:
    for action, names in [*sent(ALL["settings"]), *sent(ALL["alerts"]), *sent(ALL["finished"])]:
        assert ("idempotencyKey" in names) is ("idempotencyKey" in input_of(action).fields), action


@pytest.mark.parametrize(
    ("offered", "enum", "left_out"),
    [
        (forms.ROLES, "MemberRole", set()),
        (forms.KINDS, "EndpointKind", set()),
        (forms.NOTICES, "NoticeType", {"ENDPOINT_TESTED"}),
        (forms.CHOICES, "DecisionChoice", set()),
    ],
)
def test_choices_of_a_form_are_those_of_the_schema(offered: Json, enum: str, left_out: set[str]) -> None:
    found = committed().type_map[enum]
    assert isinstance(found, GraphQLEnumType)
    assert set(offered) == set(found.values) - left_out


def test_scopes_of_a_form_are_all_that_there_are() -> None:
    assert set(forms.SCOPES) == {str(scope) for scope in Scope}


@pytest.mark.parametrize("role", ["VIEWER", "EDITOR", "REVIEWER"])
def test_settings_of_who_is_no_admin_have_no_form(role: str) -> None:
    told = settings_samples.narrow()
    assert sent(web.render("settings", told | {"viewer": told["viewer"] | {"role": role}})) == []


@pytest.mark.parametrize("action", settings_samples.refused())
def test_form_that_was_refused_keeps_what_was_typed_and_says_what_is_wrong_beside_each_field(action: str) -> None:
    said = settings_samples.refused()[action]
    html = web.render("settings", SETTINGS, said=said)
    page = Page(html)
    assert page.text.count("All is wrong.") == 1
    told = {given["id"] for tag, given in page.tags if tag == "span" and given.get("class") == "fault"}
    seen = [field for field in said.faults if field]
    assert len(told) == len(seen)
    marked = {name for _, given in page.tags for name in (given.get("aria-describedby") or "").split()}
    assert told <= marked
    for field in seen:
        assert f"{field} is wrong. {field} is worse." in page.text
    typed = [given.get("value") for tag, given in page.tags if tag == "input"]
    assert all(f"what {field} said" in typed for field in seen if field in {"name", "email", "address", "expiresAt"})
    (focused,) = [given for _, given in page.tags if "autofocus" in given]
    assert focused.get("name", "") == (seen[0] if seen else "")
    assert "Error: Settings · Truelift" in page.words


def test_what_is_shown_once_stands_in_the_answer_and_not_when_it_is_sent_again() -> None:
    found = {
        name: Page(web.render("settings", SETTINGS, said=said)) for name, said in settings_samples.answered().items()
    }
    shown = {name: [given["value"] for _, given in page.tags if "data-copy" in given] for name, page in found.items()}
    assert shown == {
        "member_invite": ["https://truelift.test/link"],
        "member_invite again": [],
        "api_key_create": ["tl_0_0"],
        "api_key_rotate again": [],
        "endpoint_register": ["whsec_0"],
        "endpoint_register by mail": [],
        "endpoint_rotate again": [],
    }
    assert all((forms.TWICE in page.text) is name.endswith(" again") for name, page in found.items())


def test_alerts_and_decisions_have_forms_for_who_may_answer_and_decide_alone() -> None:
    viewing = ladder_samples.alerts(alert(), may_edit=False)
    assert sent(web.render("alerts", viewing, chosen={"state": "open"})) == []
    page = web.render("alerts", ladder_samples.alerts(alert(), ladder_samples.TAKEN), chosen={"state": "open"})
    assert [action for action, _ in sent(page)] == [
        "alert_acknowledge", "alert_resolve", "annotation_add", "alert_resolve", "annotation_add",
    ]  # fmt: skip
    told = answer(finished())
    assert {action for action, _ in sent(web.render("experiment", told))} == {
        "experiment_decide", "experiment_decision_approve",
    }  # fmt: skip
    reading = told | {"viewer": told["viewer"] | {"permissions": {"canDecide": False}}}
    assert sent(web.render("experiment", reading)) == []
    assert sent(web.render("experiment", answer(early()))) == []


def test_fault_of_an_alert_stands_beside_its_own_form_alone() -> None:
    said = web.Said(
        action="annotation_add",
        values={"alert": ["alert 1"], "kpi": ["k"], "notedOn": ["2026-01-01"], "text": ["The form was down"]},
        faults={"notedOn": ["It is too long ago."]},
    )
    page = Page(web.render("alerts", ladder_samples.alerts(alert(), alert()), chosen={"state": "open"}, said=said))
    assert [given["id"] for _, given in page.tags if given.get("class") == "fault"] == [
        "annotation_add-2-notedOn-fault"
    ]
    assert [given["value"] for _, given in page.tags if given.get("name") == "text"] == ["", "The form was down"]


@pytest.mark.parametrize(
    ("page", "action"),
    [
        ("settings once something is done", "api_key_revoke"),
        ("alerts once something is done", "alert_resolve"),
        ("experiment once it is decided", "experiment_decide"),
    ],
)
def test_page_says_once_what_was_done(page: str, action: str) -> None:
    assert Page(ALL[page]).text.count(web.ACTIONS[action].done) == 1
