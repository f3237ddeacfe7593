"""What the tests of the API send: documents, and inputs that are right until a test changes them."""

from typing import Any

Input = dict[str, Any]

REGISTER = """
mutation Register($input: %(noun)sRegisterInput!) { %(verb)sRegister(input: $input) {
  %(verb)s { id key } userErrors { message code path }
} }
"""
KPI_REGISTER = REGISTER % {"noun": "Kpi", "verb": "kpi"}
HYPOTHESIS_REGISTER = REGISTER % {"noun": "Hypothesis", "verb": "hypothesis"}
EXPERIMENT_REGISTER = REGISTER % {"noun": "Experiment", "verb": "experiment"}
KPI_REDEFINE_PREVIEW = """
mutation ($input: KpiRedefinePreviewInput!) { kpiRedefinePreview(input: $input) {
    before { value } after { value } userErrors { code path message }
} }
"""
KPI_CHANGE = """
mutation Change($input: Kpi%(verb)sInput!) { kpi%(verb)s(input: $input) {
  kpi {
    name owner dataSource definitionVersion baseline { version value }
    target { version value dueOn owner approver by reason } targets { version value }
    history { number what by reason createdAt changes { path before after } }
  }
  userErrors { code path }
} }
"""
CONDITION = """condition {
  ... on ThresholdCondition { side limit clear runLength } ... on TrendCondition { side runLength }
  ... on TargetAtRiskCondition { chance clear } ... on BaselineDriftCondition { shift alpha spread }
  ... on DataStoppedCondition { runLength }
}"""
ALERT_RULE = f"""{{
  id kind {CONDITION} segment granularity severity isEnabled cooldownDays createdBy lastJudgedOn silence
}}"""
ALERT_RULE_SET = """
mutation Set($input: AlertRuleSetInput!) { alertRuleSet(input: $input) {
  kpi { alertRules RULE history { what reason changes { path before after } } } userErrors { message code path }
} }
""".replace("RULE", ALERT_RULE)
ALERT_RULE_REMOVE = """
mutation Remove($input: AlertRuleRemoveInput!) { alertRuleRemove(input: $input) {
  kpi { alertRules { id } } userErrors { message code path }
} }
"""
ALERT_ANSWER = """
mutation Answer($input: Alert%(verb)sInput!) { alert%(verb)s(input: $input) {
  alert { id state acknowledgedBy note resolvedBy resolution } userErrors { message code path }
} }
"""
ANNOTATION_ADD = """
mutation Add($input: AnnotationAddInput!) { annotationAdd(input: $input) {
  annotation { id notedOn text by alert { sentence } } userErrors { message code path }
} }
"""
ANNOTATION_REMOVE = """
mutation Remove($input: AnnotationRemoveInput!) { annotationRemove(input: $input) {
  kpi { annotations { id } } userErrors { message code path }
} }
"""
KPI_LINK = """
mutation Link($input: KpiLink%(verb)sInput!) { kpiLink%(verb)s(input: $input) {
  link {
    version source elasticity standardError df low likely high isEstimated obstacle by reason
    leading { key } lagging { key }
  }
  userErrors { code path message }
} }
"""
KPI_AT_RISK_MARK = """
mutation ($input: KpiAtRiskMarkInput!) { kpiAtRiskMark(input: $input) {
  kpi { key history { what reason changes { path before after } } } marked kept unmarked
  userErrors { code path message }
} }
"""
EXPERIMENT_START = """
mutation Start($input: ExperimentStartInput!) { experimentStart(input: $input) {
  experiment { id key state startedAt plan { sealedAt hash } } userErrors { message code path }
} }
"""
MOVE = """
mutation Move($input: Experiment%(verb)sInput!) { experiment%(verb)s(input: $input) {
  experiment {
    id key state frozenAt stoppedAt traffic moves plan { hash alpha horizonDays }
    history { action state by reason effectiveAt madeAt traffic }
    amendments {
      number by reason breaksErrorControl changesEstimand replacedHash replacedJson changes { path before after }
    }
    decisions { number choice variant verdict rule differs reason by needsApproval approvedBy planHash dataThrough }
  }
  userErrors { message code path }
} }
"""


def move(verb: str) -> str:
    """A move in the life of an experiment."""
    return MOVE % {"verb": verb}


EXPERIMENT_STOP, EXPERIMENT_FREEZE = move("Stop"), move("Freeze")
INGEST = """
mutation Ingest($input: %(noun)sIngestInput!) { %(verb)sIngest(input: $input) {
  report { accepted duplicates rejected rowErrors { index code message path } } userErrors { message code path }
} }
"""
EXPOSURES_INGEST = INGEST % {"noun": "Exposures", "verb": "exposures"}
MEMBERSHIPS_INGEST = INGEST % {"noun": "Memberships", "verb": "memberships"}
OUTCOMES_INGEST = INGEST % {"noun": "Outcomes", "verb": "outcomes"}
TRAITS_INGEST = INGEST % {"noun": "Traits", "verb": "traits"}
REJECTIONS_REPLAY = """
mutation Replay($input: RejectionsReplayInput!) { rejectionsReplay(input: $input) {
  results { id outcome code message path } userErrors { message code path }
} }
"""

ENDPOINT = """
mutation Endpoint($input: Endpoint%(verb)sInput!) { endpoint%(verb)s(input: $input) {
  %(answer)s userErrors { message code path }
} }
"""
ENDPOINT_FIELDS = "id kind address types isEnabled disabledReason createdBy rotatedAt oldSecretEndsAt"
DELIVERY_FIELDS = """
id state attempts nextAt attemptedAt status answer fault deliveredAt
notice { type data key } endpoint { id }
"""
ENDPOINT_ANSWERS = {
    "Register": f"endpoint {{ {ENDPOINT_FIELDS} }} secret",
    "Update": f"endpoint {{ {ENDPOINT_FIELDS} }}",
    "Rotate": f"endpoint {{ {ENDPOINT_FIELDS} }} secret",
    "Remove": f"endpoint {{ {ENDPOINT_FIELDS} }}",
    "Test": f"delivery {{ {DELIVERY_FIELDS} }}",
}


def endpoint(verb: str) -> str:
    """Something done with an endpoint."""
    return ENDPOINT % {"verb": verb, "answer": ENDPOINT_ANSWERS[verb]}


DELIVERY_REDELIVER = f"""
mutation Redeliver($input: DeliveryRedeliverInput!) {{ deliveryRedeliver(input: $input) {{
  delivery {{ {DELIVERY_FIELDS} }} userErrors {{ message code path }}
}} }}
"""

JOB_CANCEL = """
mutation Cancel($input: JobCancelInput!) { jobCancel(input: $input) {
  job { state message } userErrors { code path }
} }
"""

EXPERIMENT_REHEARSE = """
mutation Rehearse($input: ExperimentRehearseInput!) { experimentRehearse(input: $input) {
  job { id state experiment { key } noun progress { replays replaysTotal } } userErrors { code path message }
} }
"""

REVIEW_FIELDS = """
id kind fromOn toOn state notes agenda decisions createdBy closedBy closedAt snapshotJson snapshotHash
snapshot {
  workspace readAt points { topic sentence owner kpi experiment }
  figures {
    kpi name owner direction tier driver isLeading scale granularity startOn isOfPeriod n value lower upper
    lastOn isStale reason course { starts values lower upper }
    baseline { against difference lower upper pValue isBetter isWorse reason }
    change { against difference lower upper pValue isBetter isWorse reason }
    target { value dueOn difference lower upper isMet isWithinError isOfOtherDefinition chanceNow chance }
  }
  experiments {
    experiment name owner hypothesis choice variant verdict differs reason by decidedAt
    effects { kpi name variant scale difference lower upper lift liftLower liftUpper }
    impact { kpi lift lower upper net netLower netUpper isEstimated reason }
  }
  alerts { kpi name owner severity state sentence action note raisedAt resolvedAt }
  impact { kpi name lift lower upper net netLower netUpper isEstimated reason }
  items { actionItem { id } text owner dueOn kpi experiment state note doneAt kind fromOn isEarlier isOverdue }
  backlog {
    rank kpi name owner scale startOn value target dueOn gap isWithinError worth reasons
    weight { value lower upper source top } hypotheses { key title }
  }
}
"""
REVIEW = """
mutation Review($input: Review%(verb)sInput!) { review%(verb)s(input: $input) {
  review { %(fields)s } userErrors { message code path }
} }
"""
REVIEW_READ = f"query Review($id: ID!) {{ review(id: $id) {{ {REVIEW_FIELDS} }} }}"
ACTION_ITEM = """
mutation Item($input: ActionItem%(verb)sInput!) { actionItem%(verb)s(input: $input) {
  actionItem { id text owner dueOn state note doneAt review { id } kpi { key } experiment { key } }
  userErrors { message code path }
} }
"""


def review(verb: str) -> str:
    """Something done with a review."""
    return REVIEW % {"verb": verb, "fields": REVIEW_FIELDS}


LEARNING = """
mutation Learn($input: Learning%(verb)sInput!) { learning%(verb)s(input: $input) {
  learning {
    id conclusion learned tags links by recordedAt updatedBy updatedAt experiment { key }
    history { number conclusion learned tags links by writtenAt }
  }
  userErrors { message code path }
} }
"""
LEARNING_RECORD, LEARNING_UPDATE = LEARNING % {"verb": "Record"}, LEARNING % {"verb": "Update"}


def learning(experiment: str = "guided-tour", **changes: Any) -> Input:
    """Something learned from the experiment."""
    return {
        "experiment": experiment,
        "conclusion": "A tour helps those who come alone",
        "learned": "Invited users skip it.",
        "tags": ["onboarding", "tour"],
        "links": ["https://example.com/notes"],
    } | changes


PROTOCOL = """
mutation Protocol($input: Protocol%(verb)sInput!) { protocol%(verb)s(input: $input) {
  protocol { id key createdAt latest { ...V } versions { ...V } }
  userErrors { message code path }
} }
fragment V on ProtocolVersion {
  version name description by createdAt
  plan {
    kpis { kpi { key } role mde { difference lift } margin isFixed }
    alpha power policy looks horizonDays segmentAttributes correction holdout fixed
    targeting { attribute operator values }
  }
}
"""
PROTOCOL_REGISTER, PROTOCOL_UPDATE = PROTOCOL % {"verb": "Register"}, PROTOCOL % {"verb": "Update"}


def protocol(key: str = "careful", **changes: Any) -> Input:
    """A protocol that fixes alpha and a policy, and starts from a horizon."""
    plan = {"alpha": 0.01, "policy": "FIXED", "looks": 1, "horizonDays": 21, "fixed": ["ALPHA", "POLICY"]}
    return {"key": key, "name": "Careful", "description": "For what is hard to undo", "plan": plan} | changes


def kpi(key: str = "activation", **changes: Any) -> Input:
    """Activation within 7 days, with a baseline."""
    return {
        "key": key,
        "name": "Activation within a week",
        "direction": "HIGHER",
        "owner": "Ada",
        "definition": {"activation": {"event": "activated", "windowDays": 7}},
        "baseline": {"value": 0.4, "standardError": 0.01, "n": 2_400, "fromOn": "2026-01-01", "toOn": "2026-01-31"},
    } | changes


def hypothesis(key: str = "guidance-activates", **changes: Any) -> Input:
    """A guide makes more users activate."""
    return {
        "key": key,
        "title": "A guide makes more users activate",
        "change": "A guided tour at the first sign-in",
        "kpi": "activation",
        "direction": "INCREASE",
        "expectedLift": 0.1,
        "rationale": "Half of the interviewed users did not know where to begin.",
        "owner": "Ada",
    } | changes


def experiment(key: str = "guided-tour", **changes: Any) -> Input:
    """Two variants of equal weight, one primary KPI, read once after 14 days."""
    return {
        "key": key,
        "name": "Guided tour",
        "hypothesis": "guidance-activates",
        "kind": "ONBOARDING_FLOW",
        "owner": "Ada",
        "variants": [
            {"key": "control", "name": "No tour", "isControl": True},
            {"key": "tour", "name": "Tour"},
        ],
        "plan": plan(),
    } | changes


def plan(**changes: Any) -> Input:
    """One primary KPI, read once."""
    kpis = [{"kpi": "activation", "role": "PRIMARY", "mde": {"difference": 0.05}}]
    return {"kpis": kpis, "horizonDays": 14, "policy": "FIXED", "looks": 1} | changes


def exposure(unit: str, variant: str, at: str, **changes: Any) -> Input:
    """A unit met a variant of the experiment."""
    return {"experiment": "guided-tour", "unit": unit, "variant": variant, "exposedAt": at} | changes


def outcome(unit: str, event: str, at: str, **changes: Any) -> Input:
    """A unit did something."""
    return {"unit": unit, "event": event, "occurredAt": at} | changes


WORKSPACE_UPDATE = """
mutation Update($input: WorkspaceUpdateInput!) {
  workspaceUpdate(input: $input) {
    workspace { key name retentionDays hashesUnits firstEntryOn firstOutcomeOn } userErrors { code message path }
  }
}
"""
UNIT_FORGET = """
mutation Forget($input: UnitForgetInput!) {
  unitForget(input: $input) { outcomes exposures rejections userErrors { code message path } }
}
"""


MEMBER = """
mutation M($input: Member%(verb)sInput!) { member%(verb)s(input: $input) {
  member { id email name role state invitedBy createdAt lastSeenAt } userErrors { code path message }
} }
"""
API_KEY = """
mutation K($input: ApiKey%(verb)sInput!) { apiKey%(verb)s(input: $input) {
  apiKey { id key name scopes createdBy expiresAt lastUsedAt rotatedAt oldSecretEndsAt revokedAt }
  userErrors { code path message }
} }
"""
