-- Every promotion, from the signals that asked for it to the alias that was moved; one row each, in order of time.
-- Run it on the loop.duckdb of a run folder. The first model was asked for by nobody: its signals are NULL.
SELECT
    alias.day AS promoted_on,
    -- signals and decision
    decision.day AS decided_on,
    decision.f1_drop,
    decision.psi_max,
    decision.null_rate,
    decision.age_days,
    decision.clauses,
    model.cause,
    model.reason,
    -- job and training window
    model.job,
    model.recent_steps,
    model.historical_steps,
    model.n_recent + model.n_historical AS training_rows,
    model.training,
    model.change_step,
    -- MLflow
    model.mlflow_model,
    model.mlflow_version,
    model.mlflow_run_id,
    -- gates
    gates.met_on_step,
    gates.passed AS gates_passed,
    gates.enforced AS gates_enforced,
    gates.results AS gate_results,
    -- alias
    alias.alias,
    alias.model_version AS now_version,
    previous.model_version AS previous_version
FROM alias_changes AS alias
JOIN model_versions AS model
    ON model.job = alias.job AND model.ended_day = alias.day AND model.status = 'promoted'
LEFT JOIN decisions AS decision
    ON decision.job = model.job
LEFT JOIN alias_changes AS previous
    ON previous.step = alias.step AND previous.alias = 'Previous_Champion'
JOIN (
    SELECT
        job,
        any_value(step) AS met_on_step,
        count(*) FILTER (enforced AND passed) AS passed,
        count(*) FILTER (enforced) AS enforced,
        map_from_entries(list((gate, value) ORDER BY gate)) AS results
    FROM gate_results
    GROUP BY job
) AS gates
    ON gates.job = model.job
WHERE alias.alias = 'Champion'
ORDER BY alias.step;
