-- What the engine needs beyond the thirteen Rails tables. Nothing of Rails is
-- touched: these tables live in their own schema and refer to Rails rows by id.
-- No foreign keys point at the Rails tables: each would cost a row lock and WAL
-- on the parent for every insert. `tasker verify` checks the same facts.

-- One row per distinct content of a template version. A task refers to the row
-- it was created with, so a changed file never reaches into a running task.
CREATE TABLE tasker.templates (
    definition_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    named_task_id  integer NOT NULL,
    namespace      text NOT NULL CHECK (namespace ~ '^[a-z][a-z0-9_]{0,28}$'),
    digest         text NOT NULL,
    definition     jsonb NOT NULL,
    registered_at  timestamp without time zone NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
    -- The definition new tasks get is the one most recently made current.
    current_since  timestamp without time zone NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'),
    UNIQUE (named_task_id, digest)
);

-- Run-time facts of a task the engine drives, and the row whose lock guards
-- every change to the task's steps. The counters decide finalization:
--   active      steps enqueued, running or waiting for a due time
--   unfinished  steps neither complete nor resolved_manually
--   failed      steps in error with no attempt left
-- active = 0 means nothing of the task can run: complete if unfinished = 0,
-- error if failed > 0, cancelled otherwise.
-- Updated in place many times, never on an indexed column: room for HOT updates.
CREATE TABLE tasker.task_runs (
    task_id         bigint PRIMARY KEY,
    definition_id   bigint NOT NULL,
    namespace       text NOT NULL,
    priority        integer NOT NULL DEFAULT 0,
    active          integer NOT NULL CHECK (active >= 0),
    unfinished      integer NOT NULL CHECK (unfinished >= 0),
    failed          integer NOT NULL DEFAULT 0 CHECK (failed >= 0),
    idempotency_key text,
    correlation_id  text,
    traceparent     text
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- Unfinished parents of a step that has several. A step with one parent has no
-- gate: it is ready when that parent completes. A sealed gate never opens: its
-- step was cancelled or resolved by an operator before it could run.
CREATE TABLE tasker.step_gates (
    workflow_step_id bigint PRIMARY KEY,
    task_id          bigint NOT NULL,
    unmet            integer NOT NULL CHECK (unmet >= 0),
    sealed           boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- Steps that wait for a time, kept out of the queue so that reading the queue
-- costs the same however many wait.
--   retry       a failed attempt backs off
--   no_handler  no worker that took the step had its handler
CREATE TABLE tasker.step_delays (
    workflow_step_id bigint PRIMARY KEY,
    task_id          bigint NOT NULL,
    namespace        text NOT NULL,
    due_at           timestamp without time zone NOT NULL,
    reason           text NOT NULL CHECK (reason IN ('retry', 'no_handler')),
    detail           text
);
CREATE INDEX step_delays_due ON tasker.step_delays (due_at);

-- Every attempt that did not succeed, with its error. The Rails columns keep
-- only the last one. `attempt` starts again at 1 after an operator's retry, so
-- it is not unique per step.
CREATE TABLE tasker.step_failures (
    failure_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workflow_step_id bigint NOT NULL,
    attempt          integer NOT NULL,
    kind             text NOT NULL,
    error            jsonb NOT NULL,
    started_at       timestamp without time zone,
    failed_at        timestamp without time zone NOT NULL
);
CREATE INDEX step_failures_step ON tasker.step_failures (workflow_step_id, failure_id);

-- What a handler last said of its progress, written with the lease renewal.
CREATE TABLE tasker.step_progress (
    workflow_step_id bigint PRIMARY KEY,
    attempt          integer NOT NULL,
    progress         jsonb NOT NULL,
    reported_at      timestamp without time zone NOT NULL
);

-- Worker processes and what they can run; one row each, refreshed every few
-- seconds. Only explanations read it: no claim depends on it.
CREATE TABLE tasker.workers (
    worker_id   text PRIMARY KEY,
    namespaces  text[] NOT NULL,
    handlers    text[] NOT NULL,
    started_at  timestamp without time zone NOT NULL,
    seen_at     timestamp without time zone NOT NULL
);

-- Messages the engine could not make sense of, kept for a person to look at.
CREATE TABLE tasker.unreadable_messages (
    unreadable_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue         text NOT NULL,
    message       jsonb NOT NULL,
    problem       text NOT NULL,
    found_at      timestamp without time zone NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);
