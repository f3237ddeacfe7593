"""The ladder from leading to lagging KPIs, and what shipped changes are worth at its top.

`elasticity` says how a lagging KPI moves with a leading one, from `cohorts`, from `trials` or as somebody assumes it;
`carry` takes effects up the links to a KPI at the top, with the error of the links; `impact` corrects what was shipped
for the winner's curse, counts who gets it, and adds it up.
"""
