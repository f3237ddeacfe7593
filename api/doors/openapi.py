"""The OpenFeature Remote Evaluation Protocol 0.3 as it is spoken here, as an OpenAPI document.

The public document cannot hold its own answers: its alternatives overlap, and its reasons lack DEFAULT. Here a success
and a failure are told apart by what they must have.
"""

from typing import Any

from api.version import VERSION
from experiments.enums import State
from experiments.flags.evaluation import Reason

KEY = {"type": "string", "description": "The key of the flag, which is that of the experiment."}
DETAILS = {"type": "string", "description": "What is wrong, in a sentence."}
CODES = ["PARSE_ERROR", "INVALID_CONTEXT", "TARGETING_KEY_MISSING", "FLAG_NOT_FOUND", "GENERAL"]


def _object(description: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "description": description, "required": required, "properties": properties}


def _closed(description: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return _object(description, required, **properties) | {"additionalProperties": False}


def _context(required: list[str], **more: Any) -> dict[str, Any]:
    unit = {"type": "string", "maxLength": 200, "pattern": "^[^\\x00]*$", "description": "The id of the unit.", **more}
    known = "What is known of the unit: attributes for targeting beside its id. Lists and objects are left out."
    return _object(known, required, targetingKey=unit)


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _said(description: str, schema: dict[str, Any], **headers: str) -> dict[str, Any]:
    told = {name: {"description": said, "schema": {"type": "string"}} for name, said in headers.items()}
    return {"description": description, "content": {"application/json": {"schema": schema}}} | (
        {"headers": told} if told else {}
    )


SCHEMAS = {
    "Request": _object(
        "For whom a flag is evaluated. One that is not drawn needs no unit, and is answered without.",
        ["context"],
        context=_context(["targetingKey"], minLength=1),
    ),
    "RequestForAll": _object(
        "For whom flags are evaluated; without a unit those that need one fail by themselves.",
        [],
        context=_context([], type=["string", "null"]),
    ),
    "Evaluation": _closed(
        "What the unit is served. Without a value the code does what it does by default.",
        ["key", "reason", "variant", "metadata"],
        key=KEY,
        reason={"type": "string", "enum": list(Reason), "description": "Why."},
        variant={"type": "string", "description": "The key of the variant."},
        value={"description": "The variant's payload; of a plan without payloads the variant's key."},
        metadata=_closed(
            "What whoever shows the variant needs to know.",
            ["exposes", "state"],
            exposes={"type": "boolean", "description": "Whether meeting the variant now is an exposure to report."},
            state={"type": "string", "enum": list(State), "description": "Where the experiment is in its life."},
        ),
    ),
    "Failure": _closed(
        "Why a flag cannot be evaluated.",
        ["key", "errorCode", "errorDetails"],
        key=KEY,
        errorCode={"type": "string", "enum": CODES},
        errorDetails=DETAILS,
    ),
    "Fault": _closed(
        "Why a request cannot be answered.",
        ["errorCode", "errorDetails"],
        key=KEY,
        errorCode={"type": "string", "enum": CODES},
        errorDetails=DETAILS,
    ),
    "Refusal": _object("A refusal that comes before the protocol.", ["errors"], errors={"type": "array"}),
    "Evaluations": _closed(
        "Every flag of the workspace, evaluated for the unit.",
        ["flags", "eventStreams", "metadata"],
        flags={"type": "array", "items": {"oneOf": [_ref("Evaluation"), _ref("Failure")]}},
        eventStreams={"type": "array", "items": _ref("EventStream")},
        metadata=_closed(
            "What the flags are as of.",
            ["version"],
            version={"type": "integer", "description": "Grows with every move that somebody makes."},
        ),
    ),
    "EventStream": _closed(
        "Where to hear that flags have changed.",
        ["type", "endpoint", "inactivityDelaySec"],
        type={"type": "string", "enum": ["sse"]},
        endpoint=_closed(
            "At the origin that was asked.",
            ["requestUri"],
            requestUri={"type": "string", "description": "Carries a token that opens nothing else, for a day."},
        ),
        inactivityDelaySec={"type": "integer", "minimum": 1},
    ),
}
FAULTS = {
    "401": _said("The key does not work.", _ref("Fault")),
    "403": _said("The key lacks the scope `evaluate`.", _ref("Fault")),
    "413": _said("The body is too large.", {"anyOf": [_ref("Fault"), _ref("Refusal")]}),
    "415": _said("The body is not application/json.", _ref("Fault")),
    "429": _said(
        "Asked too often, or too many wrong keys came from this address.",
        {"anyOf": [_ref("Fault"), _ref("Refusal")]},
        **{"Retry-After": "Seconds to wait."},
    ),
    "503": _said("The database does not answer.", _ref("Refusal")),
}
KNOWN = {
    "name": "flagConfigEtag",
    "in": "query",
    "required": False,
    "schema": {"type": "string"},
    "description": "What an event of the stream said: the answer is at least as new.",
}


def _evaluation(summary: str, body: str, answers: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "post": {
            "tags": ["OFREP Core"],
            "summary": summary,
            "parameters": [*parameters, KNOWN],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(body)}}},
            "responses": answers | FAULTS,
        }
    }


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Truelift: OpenFeature Remote Evaluation Protocol (OFREP) 0.3",
        "version": VERSION,
        "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "security": [{"BearerAuth": []}, {"ApiKeyAuth": []}],
    "tags": [{"name": "OFREP Core"}, {"name": "Event Streams"}],
    "paths": {
        "/ofrep/v1/evaluate/flags/{key}": _evaluation(
            "Evaluate one flag",
            "Request",
            {
                "200": _said("What the unit is served.", _ref("Evaluation")),
                "400": _said("The request is wrong.", _ref("Failure")),
                "404": _said("There is no experiment of this key.", _ref("Failure")),
            },
            {"name": "key", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}},
        ),
        "/ofrep/v1/evaluate/flags": _evaluation(
            "Evaluate all flags",
            "RequestForAll",
            {
                "200": _said("What the unit is served.", _ref("Evaluations"), ETag="What the flags are known by."),
                "304": {"description": "The flags are those that the client knows."},
                "400": _said("The request is wrong.", _ref("Fault")),
            },
            {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}},
        ),
        "/ofrep/v1/events": {
            "get": {
                "tags": ["Event Streams"],
                "summary": "Hear that flags have changed; the address comes with the answer to all flags",
                "security": [],
                "parameters": [
                    {"name": "token", "in": "query", "required": True, "schema": {"type": "string"}},
                    {"name": "since", "in": "query", "required": False, "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {
                        "description": "Events whose data is {type: refetchEvaluation, etag, lastModified}.",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    },
                    "401": FAULTS["401"],
                    "429": FAULTS["429"],
                    "503": FAULTS["503"],
                },
            }
        },
    },
    "components": {
        "securitySchemes": {
            "BearerAuth": {"type": "http", "scheme": "bearer"},
            "ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
        "schemas": SCHEMAS,
    },
}
