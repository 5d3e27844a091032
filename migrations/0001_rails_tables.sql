-- 0001: the thirteen tasker_* tables, the view and the nine functions that
-- this engine shares with the Rails Tasker engine.
--
-- Run on a fresh database only. A database that already holds these tables is
-- attached instead: its columns are compared with the expected ones and
-- nothing in it is touched.
--
-- INVARIANT: names, columns, types, nullability and defaults equal those of
-- the Rails engine; tests compare them with tasker-shared/testdata. What this
-- engine needs beyond them lives in schema `tasker` (0002).
--
-- No name is qualified: search_path decides the schema, for the tables when
-- this file runs and for the function bodies when they are called.
--
-- All times are UTC in `timestamp without time zone`. created_at and
-- updated_at have no default; the writer supplies them.
--
-- Lean index profile. The hot tables (tasks, steps, edges, both transitions)
-- get only the indexes that a statement of this engine uses, under the names
-- the Rails engine gives them; the catalogue tables are cold and get all of
-- theirs. profile_rails.sql adds the rest.
--
-- Foreign keys. Catalogue and annotation tables have them. On the five hot
-- tables they are left to profile_rails.sql: each would cost an index probe, a
-- row lock and its WAL on the parent for every inserted row, and would make
-- all tasks of one template share a lock on its catalogue row. The engine
-- inserts parent and child in one transaction and deletes neither;
-- `tasker verify` checks the same facts.
--
-- Sequences take their names from serial columns; one is cut to 63 characters
-- by PostgreSQL's own rule, exactly as in the Rails schema.

-- Catalogue ------------------------------------------------------------------

CREATE TABLE tasker_task_namespaces (
    task_namespace_id serial PRIMARY KEY,
    name varchar(64) NOT NULL,
    description varchar(255),
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL
);
CREATE INDEX task_namespaces_name_index ON tasker_task_namespaces (name);
CREATE UNIQUE INDEX task_namespaces_name_unique ON tasker_task_namespaces (name);

-- task_namespace_id is bigint although the key it refers to is integer, and
-- configuration defaults to a JSON string, not an object: both as in Rails.
CREATE TABLE tasker_named_tasks (
    named_task_id serial PRIMARY KEY,
    name varchar(64) NOT NULL,
    description varchar(255),
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL,
    task_namespace_id bigint NOT NULL DEFAULT 1,
    version varchar(16) NOT NULL DEFAULT '0.1.0',
    configuration jsonb DEFAULT '"{}"'::jsonb,
    CONSTRAINT fk_rails_16a0297759
        FOREIGN KEY (task_namespace_id) REFERENCES tasker_task_namespaces (task_namespace_id)
);
CREATE INDEX named_tasks_configuration_gin_index ON tasker_named_tasks USING gin (configuration);
CREATE INDEX named_tasks_name_index ON tasker_named_tasks (name);
CREATE UNIQUE INDEX named_tasks_namespace_name_version_unique
    ON tasker_named_tasks (task_namespace_id, name, version);
CREATE INDEX named_tasks_task_namespace_id_index ON tasker_named_tasks (task_namespace_id);
CREATE INDEX named_tasks_version_index ON tasker_named_tasks (version);

CREATE TABLE tasker_dependent_systems (
    dependent_system_id serial PRIMARY KEY,
    name varchar(64) NOT NULL,
    description varchar(255),
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL
);
CREATE INDEX dependent_systems_name_index ON tasker_dependent_systems (name);
CREATE UNIQUE INDEX dependent_systems_name_unique ON tasker_dependent_systems (name);

CREATE TABLE tasker_named_steps (
    named_step_id serial PRIMARY KEY,
    dependent_system_id integer NOT NULL,
    name varchar(128) NOT NULL,
    description varchar(255),
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL,
    CONSTRAINT named_steps_dependent_system_id_foreign
        FOREIGN KEY (dependent_system_id) REFERENCES tasker_dependent_systems (dependent_system_id)
);
CREATE UNIQUE INDEX named_step_by_system_uniq ON tasker_named_steps (dependent_system_id, name);
CREATE INDEX named_steps_dependent_system_id_index ON tasker_named_steps (dependent_system_id);
CREATE INDEX named_steps_name_index ON tasker_named_steps (name);

CREATE TABLE tasker_named_tasks_named_steps (
    id serial PRIMARY KEY,
    named_task_id integer NOT NULL,
    named_step_id integer NOT NULL,
    skippable boolean NOT NULL DEFAULT false,
    default_retryable boolean NOT NULL DEFAULT true,
    default_retry_limit integer NOT NULL DEFAULT 3,
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL,
    CONSTRAINT named_tasks_named_steps_named_task_id_foreign
        FOREIGN KEY (named_task_id) REFERENCES tasker_named_tasks (named_task_id),
    CONSTRAINT named_tasks_named_steps_named_step_id_foreign
        FOREIGN KEY (named_step_id) REFERENCES tasker_named_steps (named_step_id)
);
CREATE INDEX named_tasks_named_steps_named_step_id_index
    ON tasker_named_tasks_named_steps (named_step_id);
CREATE INDEX named_tasks_named_steps_named_task_id_index
    ON tasker_named_tasks_named_steps (named_task_id);
CREATE UNIQUE INDEX named_tasks_steps_ids_unique
    ON tasker_named_tasks_named_steps (named_task_id, named_step_id);

-- Hot tables -----------------------------------------------------------------
-- Their rows are written at every step. A large table must not wait for a
-- fifth of itself to die before autovacuum looks at it.

CREATE TABLE tasker_tasks (
    task_id bigserial PRIMARY KEY,
    named_task_id integer NOT NULL,
    complete boolean NOT NULL DEFAULT false,
    requested_at timestamp NOT NULL,
    initiator varchar(128),
    source_system varchar(128),
    reason varchar(128),
    bypass_steps json,
    tags jsonb,
    context jsonb,
    identity_hash varchar(128) NOT NULL,
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX index_tasks_on_identity_hash ON tasker_tasks (identity_hash);
CREATE INDEX tasks_named_task_id_index ON tasker_tasks (named_task_id);

CREATE TABLE tasker_task_transitions (
    id bigserial PRIMARY KEY,
    to_state varchar NOT NULL,
    from_state varchar,
    metadata jsonb DEFAULT '{}'::jsonb,
    sort_key integer NOT NULL,
    most_recent boolean NOT NULL DEFAULT true,
    task_id bigint NOT NULL,
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX index_tasker_task_transitions_on_task_id_and_most_recent
    ON tasker_task_transitions (task_id, most_recent) WHERE (most_recent = true);
CREATE UNIQUE INDEX index_tasker_task_transitions_on_task_id_and_sort_key
    ON tasker_task_transitions (task_id, sort_key);

-- A step row is updated at claim and at completion. No indexed column changes,
-- so with room left in the page both updates stay heap-only.
CREATE TABLE tasker_workflow_steps (
    workflow_step_id bigserial PRIMARY KEY,
    task_id bigint NOT NULL,
    named_step_id integer NOT NULL,
    retryable boolean NOT NULL DEFAULT true,
    retry_limit integer DEFAULT 3,
    in_process boolean NOT NULL DEFAULT false,
    processed boolean NOT NULL DEFAULT false,
    processed_at timestamp,
    attempts integer,
    last_attempted_at timestamp,
    backoff_request_seconds integer,
    inputs jsonb,
    results jsonb,
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL,
    skippable boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX workflow_steps_task_id_index ON tasker_workflow_steps (task_id);

CREATE TABLE tasker_workflow_step_edges (
    id bigserial PRIMARY KEY,
    from_step_id bigint NOT NULL,
    to_step_id bigint NOT NULL,
    name varchar NOT NULL,
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX idx_step_edges_from_to ON tasker_workflow_step_edges (from_step_id, to_step_id);
CREATE INDEX idx_step_edges_to_from ON tasker_workflow_step_edges (to_step_id, from_step_id);

CREATE TABLE tasker_workflow_step_transitions (
    id bigserial PRIMARY KEY,
    to_state varchar NOT NULL,
    from_state varchar,
    metadata jsonb DEFAULT '{}'::jsonb,
    sort_key integer NOT NULL,
    most_recent boolean NOT NULL DEFAULT true,
    workflow_step_id bigint NOT NULL,
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX idx_on_workflow_step_id_most_recent_97d5374ad6
    ON tasker_workflow_step_transitions (workflow_step_id, most_recent) WHERE (most_recent = true);
CREATE UNIQUE INDEX idx_on_workflow_step_id_sort_key_4d476d7adb
    ON tasker_workflow_step_transitions (workflow_step_id, sort_key);

-- Annotations and object maps: the engine never writes them ------------------

CREATE TABLE tasker_annotation_types (
    annotation_type_id serial PRIMARY KEY,
    name varchar(64) NOT NULL,
    description varchar(255),
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL
);
CREATE INDEX annotation_types_name_index ON tasker_annotation_types (name);
CREATE UNIQUE INDEX annotation_types_name_unique ON tasker_annotation_types (name);

CREATE TABLE tasker_task_annotations (
    task_annotation_id bigserial PRIMARY KEY,
    task_id bigint NOT NULL,
    annotation_type_id integer NOT NULL,
    annotation jsonb,
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL,
    CONSTRAINT task_annotations_task_id_foreign
        FOREIGN KEY (task_id) REFERENCES tasker_tasks (task_id),
    CONSTRAINT task_annotations_annotation_type_id_foreign
        FOREIGN KEY (annotation_type_id) REFERENCES tasker_annotation_types (annotation_type_id)
);
CREATE INDEX task_annotations_annotation_idx ON tasker_task_annotations USING gin (annotation);
CREATE INDEX task_annotations_annotation_idx1
    ON tasker_task_annotations USING gin (annotation jsonb_path_ops);
CREATE INDEX task_annotations_annotation_type_id_index
    ON tasker_task_annotations (annotation_type_id);
CREATE INDEX task_annotations_task_id_index ON tasker_task_annotations (task_id);

CREATE TABLE tasker_dependent_system_object_maps (
    dependent_system_object_map_id bigserial PRIMARY KEY,
    dependent_system_one_id integer NOT NULL,
    dependent_system_two_id integer NOT NULL,
    remote_id_one varchar(128) NOT NULL,
    remote_id_two varchar(128) NOT NULL,
    created_at timestamp(6) NOT NULL,
    updated_at timestamp(6) NOT NULL,
    CONSTRAINT dependent_system_object_maps_dependent_system_one_id_foreign
        FOREIGN KEY (dependent_system_one_id)
        REFERENCES tasker_dependent_systems (dependent_system_id),
    CONSTRAINT dependent_system_object_maps_dependent_system_two_id_foreign
        FOREIGN KEY (dependent_system_two_id)
        REFERENCES tasker_dependent_systems (dependent_system_id)
);
CREATE UNIQUE INDEX dependent_system_object_maps_dependent_system_one_id_dependent_
    ON tasker_dependent_system_object_maps
    (dependent_system_one_id, dependent_system_two_id, remote_id_one, remote_id_two);
CREATE INDEX dependent_system_object_maps_dependent_system_one_id_index
    ON tasker_dependent_system_object_maps (dependent_system_one_id);
CREATE INDEX dependent_system_object_maps_dependent_system_two_id_index
    ON tasker_dependent_system_object_maps (dependent_system_two_id);
CREATE INDEX dependent_system_object_maps_remote_id_one_index
    ON tasker_dependent_system_object_maps (remote_id_one);
CREATE INDEX dependent_system_object_maps_remote_id_two_index
    ON tasker_dependent_system_object_maps (remote_id_two);

-- Functions ------------------------------------------------------------------
-- All STABLE. now() is taken in UTC explicitly, so that a session in another
-- time zone reads the same back-off as one in UTC.

-- Readiness of the steps of one task, or of those of them in step_ids.
-- Rules: a missing transition means pending; a missing attempts counts as 0
-- (as 1 in the back-off), a missing retry_limit as 3. After an error a step
-- waits 2^attempts seconds, at most 30, and in any case until its requested
-- back-off ends. next_retry_at names the requested back-off when there is one,
-- even when the other ends later.
-- Indexes: steps (task_id), transitions (step) where most_recent, edges (to, from).
CREATE FUNCTION get_step_readiness_status(
    input_task_id bigint,
    step_ids bigint[] DEFAULT NULL
) RETURNS TABLE (
    workflow_step_id bigint,
    task_id bigint,
    named_step_id integer,
    name text,
    current_state text,
    dependencies_satisfied boolean,
    retry_eligible boolean,
    ready_for_execution boolean,
    last_failure_at timestamp,
    next_retry_at timestamp,
    total_parents integer,
    completed_parents integer,
    attempts integer,
    retry_limit integer,
    backoff_request_seconds integer,
    last_attempted_at timestamp
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT
        s.workflow_step_id,
        s.task_id,
        s.named_step_id,
        n.name::text,
        f.state,
        f.parents_done,
        f.attempts_left,
        f.state IN ('pending', 'error')
            AND s.processed IS NOT TRUE
            AND f.parents_done
            AND f.attempts_left
            AND s.retryable IS NOT FALSE
            AND s.in_process IS NOT TRUE
            AND COALESCE(f.explicit_until <= clock.utc, true)
            AND COALESCE(f.failure_until <= clock.utc, true),
        f.failed_at,
        COALESCE(f.explicit_until, f.failure_until),
        p.total::integer,
        p.done::integer,
        COALESCE(s.attempts, 0),
        COALESCE(s.retry_limit, 3),
        s.backoff_request_seconds,
        s.last_attempted_at
    FROM tasker_workflow_steps s
    CROSS JOIN (SELECT now() AT TIME ZONE 'UTC' AS utc) clock
    LEFT JOIN tasker_named_steps n ON n.named_step_id = s.named_step_id
    LEFT JOIN tasker_workflow_step_transitions t
        ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS total,
            count(*) FILTER (WHERE pt.to_state IN ('complete', 'resolved_manually')) AS done
        FROM tasker_workflow_step_edges e
        LEFT JOIN tasker_workflow_step_transitions pt
            ON pt.workflow_step_id = e.from_step_id AND pt.most_recent = true
        WHERE e.to_step_id = s.workflow_step_id
    ) p
    CROSS JOIN LATERAL (
        SELECT
            COALESCE(t.to_state, 'pending')::text AS state,
            p.done = p.total AS parents_done,
            COALESCE(s.attempts, 0) < COALESCE(s.retry_limit, 3) AS attempts_left,
            CASE WHEN t.to_state = 'error' THEN t.created_at END AS failed_at,
            s.last_attempted_at
                + s.backoff_request_seconds * interval '1 second' AS explicit_until,
            -- The exponent is capped too: power() overflows beyond 1023.
            CASE WHEN t.to_state = 'error' THEN
                t.created_at
                    + LEAST(power(2, LEAST(COALESCE(s.attempts, 1), 5)), 30)
                    * interval '1 second'
            END AS failure_until
    ) f
    WHERE s.task_id = input_task_id
        AND (step_ids IS NULL OR s.workflow_step_id = ANY (step_ids));
END;
$$;

-- The same for all steps of several tasks.
CREATE FUNCTION get_step_readiness_status_batch(
    input_task_ids bigint[]
) RETURNS TABLE (
    workflow_step_id bigint,
    task_id bigint,
    named_step_id integer,
    name text,
    current_state text,
    dependencies_satisfied boolean,
    retry_eligible boolean,
    ready_for_execution boolean,
    last_failure_at timestamp,
    next_retry_at timestamp,
    total_parents integer,
    completed_parents integer,
    attempts integer,
    retry_limit integer,
    backoff_request_seconds integer,
    last_attempted_at timestamp
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT r.*
    FROM (SELECT DISTINCT unnest(input_task_ids) AS id) wanted
    CROSS JOIN LATERAL get_step_readiness_status(wanted.id) r;
END;
$$;

-- Where one task stands and what to do next; no row if there is no such task.
-- A failed step still inside its back-off, or not retryable, leaves the task
-- waiting_for_dependencies: "blocked" counts only exhausted attempts.
CREATE FUNCTION get_task_execution_context(
    input_task_id bigint
) RETURNS TABLE (
    task_id bigint,
    named_task_id integer,
    status text,
    total_steps bigint,
    pending_steps bigint,
    in_progress_steps bigint,
    completed_steps bigint,
    failed_steps bigint,
    ready_steps bigint,
    execution_status text,
    recommended_action text,
    completion_percentage numeric,
    health_status text
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT
        task.task_id,
        task.named_task_id,
        COALESCE(state.to_state, 'pending')::text,
        c.total,
        c.pending,
        c.in_progress,
        c.completed,
        c.failed,
        c.ready,
        CASE
            WHEN c.ready > 0 THEN 'has_ready_steps'
            WHEN c.in_progress > 0 THEN 'processing'
            WHEN c.blocked > 0 THEN 'blocked_by_failures'
            WHEN c.completed = c.total AND c.total > 0 THEN 'all_complete'
            ELSE 'waiting_for_dependencies'
        END,
        CASE
            WHEN c.ready > 0 THEN 'execute_ready_steps'
            WHEN c.in_progress > 0 THEN 'wait_for_completion'
            WHEN c.blocked > 0 THEN 'handle_failures'
            WHEN c.completed = c.total AND c.total > 0 THEN 'finalize_task'
            ELSE 'wait_for_dependencies'
        END,
        CASE
            WHEN c.total = 0 THEN 0.0
            ELSE round(c.completed::numeric / c.total * 100, 2)
        END,
        CASE
            WHEN c.failed = 0 THEN 'healthy'
            WHEN c.ready > 0 THEN 'recovering'
            WHEN c.blocked > 0 THEN 'blocked'
            ELSE 'recovering'
        END
    FROM tasker_tasks task
    LEFT JOIN tasker_task_transitions state
        ON state.task_id = task.task_id AND state.most_recent = true
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS total,
            count(*) FILTER (WHERE r.current_state = 'pending') AS pending,
            count(*) FILTER (WHERE r.current_state = 'in_progress') AS in_progress,
            count(*) FILTER (
                WHERE r.current_state IN ('complete', 'resolved_manually')
            ) AS completed,
            count(*) FILTER (WHERE r.current_state = 'error') AS failed,
            count(*) FILTER (WHERE r.ready_for_execution) AS ready,
            count(*) FILTER (
                WHERE r.current_state = 'error' AND r.attempts >= r.retry_limit
            ) AS blocked
        FROM get_step_readiness_status(task.task_id) r
    ) c
    WHERE task.task_id = input_task_id;
END;
$$;

-- The same for several tasks, by task_id; unknown ids are left out.
CREATE FUNCTION get_task_execution_contexts_batch(
    input_task_ids bigint[]
) RETURNS TABLE (
    task_id bigint,
    named_task_id integer,
    status text,
    total_steps bigint,
    pending_steps bigint,
    in_progress_steps bigint,
    completed_steps bigint,
    failed_steps bigint,
    ready_steps bigint,
    execution_status text,
    recommended_action text,
    completion_percentage numeric,
    health_status text
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT c.*
    FROM (SELECT DISTINCT unnest(input_task_ids) AS id) wanted
    CROSS JOIN LATERAL get_task_execution_context(wanted.id) c
    ORDER BY c.task_id;
END;
$$;

-- Longest distance in edges of each step of a task from its roots.
-- Kahn's algorithm over arrays: each step and edge is looked at once. Walking
-- paths instead (a recursive query) is exponential on stacked diamonds and
-- endless on a cycle. Steps on or behind a cycle have no level and are left
-- out, as are those behind a parent that belongs to another task.
CREATE FUNCTION calculate_dependency_levels(
    input_task_id bigint
) RETURNS TABLE (
    workflow_step_id bigint,
    dependency_level integer
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    ids bigint[];
    unmet integer[];       -- parents not yet placed, by position in ids
    first_child integer[]; -- position in children of a step's first child
    children integer[];    -- positions in ids, grouped by parent
    levels integer[];
    queue integer[];       -- positions of steps whose parents are all placed
    head integer := 1;
    parent integer;
    child integer;
BEGIN
    SELECT
        array_agg(s.workflow_step_id ORDER BY s.workflow_step_id),
        array_agg(d.parents ORDER BY s.workflow_step_id)
    INTO ids, unmet
    FROM tasker_workflow_steps s
    CROSS JOIN LATERAL (
        SELECT count(*)::integer AS parents
        FROM tasker_workflow_step_edges e
        WHERE e.to_step_id = s.workflow_step_id
    ) d
    WHERE s.task_id = input_task_id;

    IF ids IS NULL THEN
        RETURN;
    END IF;

    WITH steps AS MATERIALIZED (
        SELECT s.workflow_step_id AS id,
            row_number() OVER (ORDER BY s.workflow_step_id)::integer AS at
        FROM tasker_workflow_steps s
        WHERE s.task_id = input_task_id
    ), pairs AS MATERIALIZED (
        SELECT f.at AS parent, t.at AS child
        FROM steps f
        JOIN tasker_workflow_step_edges e ON e.from_step_id = f.id
        JOIN steps t ON t.id = e.to_step_id
    ), degrees AS (
        SELECT steps.at, count(pairs.child)::integer AS n
        FROM steps LEFT JOIN pairs ON pairs.parent = steps.at
        GROUP BY steps.at
    )
    SELECT
        (SELECT array_agg(p.child ORDER BY p.parent) FROM pairs p),
        (SELECT array_agg(o.start ORDER BY o.at)
         FROM (SELECT d.at, (1 + sum(d.n) OVER (ORDER BY d.at) - d.n)::integer AS start
               FROM degrees d) o)
    INTO children, first_child;

    -- One sentinel behind the last step closes its range of children.
    first_child := first_child || (COALESCE(cardinality(children), 0) + 1);
    levels := array_fill(NULL::integer, ARRAY[cardinality(ids)]);
    queue := '{}';
    FOR parent IN 1 .. cardinality(ids) LOOP
        IF unmet[parent] = 0 THEN
            levels[parent] := 0;
            queue := queue || parent;
        END IF;
    END LOOP;

    -- A step enters the queue when its last parent leaves it. The queue is in
    -- order of level, so that parent is one of the deepest.
    WHILE head <= cardinality(queue) LOOP
        parent := queue[head];
        head := head + 1;
        FOR at IN first_child[parent] .. first_child[parent + 1] - 1 LOOP
            child := children[at];
            unmet[child] := unmet[child] - 1;
            IF unmet[child] = 0 THEN
                levels[child] := levels[parent] + 1;
                queue := queue || child;
            END IF;
        END LOOP;
    END LOOP;

    RETURN QUERY
    SELECT l.id, l.level
    FROM unnest(ids, levels) AS l (id, level)
    WHERE l.level IS NOT NULL
    ORDER BY l.level, l.id;
END;
$$;

-- Counts over the whole database. States are those of the most recent
-- transition: rows without any are in the totals only.
CREATE FUNCTION get_system_health_counts_v01() RETURNS TABLE (
    total_tasks bigint,
    pending_tasks bigint,
    in_progress_tasks bigint,
    complete_tasks bigint,
    error_tasks bigint,
    cancelled_tasks bigint,
    total_steps bigint,
    pending_steps bigint,
    in_progress_steps bigint,
    complete_steps bigint,
    error_steps bigint,
    retryable_error_steps bigint,
    exhausted_retry_steps bigint,
    in_backoff_steps bigint,
    active_connections bigint,
    max_connections bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT
        tasks.*,
        steps.*,
        (SELECT count(*) FROM pg_stat_activity a
         WHERE a.datname = current_database() AND a.state = 'active'),
        current_setting('max_connections')::bigint
    FROM (
        SELECT
            count(*),
            count(*) FILTER (WHERE t.to_state = 'pending'),
            count(*) FILTER (WHERE t.to_state = 'in_progress'),
            count(*) FILTER (WHERE t.to_state = 'complete'),
            count(*) FILTER (WHERE t.to_state = 'error'),
            count(*) FILTER (WHERE t.to_state = 'cancelled')
        FROM tasker_tasks task
        LEFT JOIN tasker_task_transitions t
            ON t.task_id = task.task_id AND t.most_recent = true
    ) tasks
    CROSS JOIN (
        SELECT
            count(*),
            count(*) FILTER (WHERE t.to_state = 'pending'),
            count(*) FILTER (WHERE t.to_state = 'in_progress'),
            count(*) FILTER (WHERE t.to_state = 'complete'),
            count(*) FILTER (WHERE t.to_state = 'error'),
            count(*) FILTER (WHERE e.retryable),
            count(*) FILTER (WHERE t.to_state = 'error' AND s.attempts >= s.retry_limit),
            count(*) FILTER (WHERE e.retryable AND s.last_attempted_at IS NOT NULL)
        FROM tasker_workflow_steps s
        LEFT JOIN tasker_workflow_step_transitions t
            ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true
        CROSS JOIN LATERAL (
            SELECT t.to_state = 'error'
                AND s.attempts < s.retry_limit
                AND s.retryable IS NOT FALSE AS retryable
        ) e
    ) steps;
END;
$$;

-- Activity since a moment, by default one hour ago. The health score always
-- looks at the last hour. A task counts as completed (or failed) here when at
-- least one of its steps is complete (or in error); it can be both.
CREATE FUNCTION get_analytics_metrics_v01(
    since_timestamp timestamptz DEFAULT NULL
) RETURNS TABLE (
    active_tasks_count bigint,
    total_namespaces_count bigint,
    unique_task_types_count bigint,
    system_health_score numeric,
    task_throughput bigint,
    completion_count bigint,
    error_count bigint,
    completion_rate numeric,
    error_rate numeric,
    avg_task_duration numeric,
    avg_step_duration numeric,
    step_throughput bigint,
    analysis_period_start timestamptz,
    calculated_at timestamptz
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    period_start timestamptz := COALESCE(since_timestamp, now() - interval '1 hour');
    since_utc timestamp := period_start AT TIME ZONE 'UTC';
    hour_ago_utc timestamp := (now() - interval '1 hour') AT TIME ZONE 'UTC';
BEGIN
    RETURN QUERY
    WITH step_states AS (
        SELECT
            task.task_id,
            task.created_at AS task_created_at,
            s.workflow_step_id,
            s.created_at AS step_created_at,
            t.to_state,
            t.created_at AS reached_at
        FROM tasker_tasks task
        LEFT JOIN tasker_workflow_steps s ON s.task_id = task.task_id
        LEFT JOIN tasker_workflow_step_transitions t
            ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true
        WHERE task.created_at > LEAST(since_utc, hour_ago_utc)
    ), period AS (
        SELECT
            count(DISTINCT x.task_id) AS tasks,
            count(DISTINCT x.task_id) FILTER (WHERE x.to_state = 'complete') AS completions,
            count(DISTINCT x.task_id) FILTER (WHERE x.to_state = 'error') AS errors,
            count(x.workflow_step_id) AS steps,
            avg(EXTRACT(epoch FROM x.reached_at - x.task_created_at))
                FILTER (WHERE x.to_state = 'complete') AS task_seconds,
            avg(EXTRACT(epoch FROM x.reached_at - x.step_created_at))
                FILTER (WHERE x.to_state = 'complete') AS step_seconds
        FROM step_states x
        WHERE x.task_created_at > since_utc
    ), last_hour AS (
        SELECT
            count(DISTINCT x.task_id) FILTER (WHERE x.to_state = 'complete') AS completions,
            count(DISTINCT x.task_id) FILTER (WHERE x.to_state = 'error') AS errors
        FROM step_states x
        WHERE x.task_created_at > hour_ago_utc
    )
    SELECT
        (SELECT count(DISTINCT s.task_id)
         FROM tasker_workflow_step_transitions t
         JOIN tasker_workflow_steps s ON s.workflow_step_id = t.workflow_step_id
         WHERE t.most_recent = true
             AND t.to_state NOT IN ('complete', 'error', 'skipped', 'resolved_manually')),
        (SELECT count(DISTINCT ns.name)
         FROM tasker_task_namespaces ns
         JOIN tasker_named_tasks nt ON nt.task_namespace_id = ns.task_namespace_id
         WHERE EXISTS (SELECT FROM tasker_tasks k WHERE k.named_task_id = nt.named_task_id)),
        (SELECT count(DISTINCT nt.name)
         FROM tasker_named_tasks nt
         WHERE EXISTS (SELECT FROM tasker_tasks k WHERE k.named_task_id = nt.named_task_id)),
        CASE
            WHEN h.completions + h.errors = 0 THEN 1.0
            ELSE round(h.completions::numeric / (h.completions + h.errors), 3)
        END,
        p.tasks,
        p.completions,
        p.errors,
        COALESCE(round(p.completions::numeric / NULLIF(p.tasks, 0) * 100, 2), 0),
        COALESCE(round(p.errors::numeric / NULLIF(p.tasks, 0) * 100, 2), 0),
        COALESCE(round(p.task_seconds, 3), 0),
        COALESCE(round(p.step_seconds, 3), 0),
        p.steps,
        period_start,
        now()
    FROM period p CROSS JOIN last_hour h;
END;
$$;

-- Complete steps created since a moment (by default a day ago), slowest first.
-- The Rails version fails on every call, since it hands timestamps to
-- timestamptz columns; the casts here are explicit.
CREATE FUNCTION get_slowest_steps_v01(
    since_timestamp timestamptz DEFAULT NULL,
    limit_count integer DEFAULT 10,
    namespace_filter text DEFAULT NULL,
    task_name_filter text DEFAULT NULL,
    version_filter text DEFAULT NULL
) RETURNS TABLE (
    workflow_step_id bigint,
    task_id bigint,
    step_name varchar,
    task_name varchar,
    namespace_name varchar,
    version varchar,
    duration_seconds numeric,
    attempts integer,
    created_at timestamptz,
    completed_at timestamptz,
    retryable boolean,
    step_status varchar
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    since_utc timestamp :=
        COALESCE(since_timestamp, now() - interval '24 hours') AT TIME ZONE 'UTC';
BEGIN
    RETURN QUERY
    SELECT
        s.workflow_step_id,
        s.task_id,
        step.name,
        nt.name,
        ns.name,
        nt.version,
        round(EXTRACT(epoch FROM t.created_at - s.created_at), 3),
        s.attempts,
        s.created_at AT TIME ZONE 'UTC',
        t.created_at AT TIME ZONE 'UTC',
        s.retryable,
        t.to_state
    FROM tasker_workflow_steps s
    JOIN tasker_workflow_step_transitions t
        ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true
    JOIN tasker_named_steps step ON step.named_step_id = s.named_step_id
    JOIN tasker_tasks task ON task.task_id = s.task_id
    JOIN tasker_named_tasks nt ON nt.named_task_id = task.named_task_id
    JOIN tasker_task_namespaces ns ON ns.task_namespace_id = nt.task_namespace_id
    WHERE s.created_at > since_utc
        AND t.to_state = 'complete'
        AND t.created_at > s.created_at
        AND (namespace_filter IS NULL OR ns.name = namespace_filter)
        AND (task_name_filter IS NULL OR nt.name = task_name_filter)
        AND (version_filter IS NULL OR nt.version = version_filter)
    ORDER BY t.created_at - s.created_at DESC, s.workflow_step_id
    LIMIT limit_count;
END;
$$;

-- Tasks created since a moment that have a complete or failed step, slowest
-- first; a task lasts until the latest of these. Each step counts once. The
-- Rails version fails on every call, like the one above.
CREATE FUNCTION get_slowest_tasks_v01(
    since_timestamp timestamptz DEFAULT NULL,
    limit_count integer DEFAULT 10,
    namespace_filter text DEFAULT NULL,
    task_name_filter text DEFAULT NULL,
    version_filter text DEFAULT NULL
) RETURNS TABLE (
    task_id bigint,
    task_name varchar,
    namespace_name varchar,
    version varchar,
    duration_seconds numeric,
    step_count bigint,
    completed_steps bigint,
    error_steps bigint,
    created_at timestamptz,
    completed_at timestamptz,
    initiator varchar,
    source_system varchar
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    since_utc timestamp :=
        COALESCE(since_timestamp, now() - interval '24 hours') AT TIME ZONE 'UTC';
BEGIN
    RETURN QUERY
    WITH ended AS (
        SELECT
            task.task_id,
            count(*) AS steps,
            count(*) FILTER (WHERE t.to_state = 'complete') AS completed,
            count(*) FILTER (WHERE t.to_state = 'error') AS failed,
            max(t.created_at) FILTER (WHERE t.to_state IN ('complete', 'error')) AS ended_at
        FROM tasker_tasks task
        JOIN tasker_workflow_steps s ON s.task_id = task.task_id
        LEFT JOIN tasker_workflow_step_transitions t
            ON t.workflow_step_id = s.workflow_step_id AND t.most_recent = true
        WHERE task.created_at > since_utc
        GROUP BY task.task_id
    )
    SELECT
        task.task_id,
        nt.name,
        ns.name,
        nt.version,
        round(EXTRACT(epoch FROM e.ended_at - task.created_at), 3),
        e.steps,
        e.completed,
        e.failed,
        task.created_at AT TIME ZONE 'UTC',
        e.ended_at AT TIME ZONE 'UTC',
        task.initiator,
        task.source_system
    FROM ended e
    JOIN tasker_tasks task ON task.task_id = e.task_id
    JOIN tasker_named_tasks nt ON nt.named_task_id = task.named_task_id
    JOIN tasker_task_namespaces ns ON ns.task_namespace_id = nt.task_namespace_id
    WHERE e.ended_at IS NOT NULL
        AND (namespace_filter IS NULL OR ns.name = namespace_filter)
        AND (task_name_filter IS NULL OR nt.name = task_name_filter)
        AND (version_filter IS NULL OR nt.version = version_filter)
    ORDER BY e.ended_at - task.created_at DESC, task.task_id
    LIMIT limit_count;
END;
$$;

-- View -----------------------------------------------------------------------

-- One row per step with its neighbours in the graph. Everything is computed
-- for the rows asked for only. The depth walks upwards from the step; UNION
-- keeps each (step, distance) once, so the work is at most 50 times the number
-- of ancestors, and 50 levels end it on a cycle (NULL: no root reached).
CREATE VIEW tasker_step_dag_relationships AS
SELECT
    s.workflow_step_id,
    s.task_id,
    s.named_step_id,
    p.ids AS parent_step_ids,
    c.ids AS child_step_ids,
    p.n AS parent_count,
    c.n AS child_count,
    p.n = 0 AS is_root_step,
    c.n = 0 AS is_leaf_step,
    (
        WITH RECURSIVE up (step_id, distance) AS (
            SELECT s.workflow_step_id, 0
            UNION
            SELECT e.from_step_id, up.distance + 1
            FROM up
            JOIN tasker_workflow_step_edges e ON e.to_step_id = up.step_id
            WHERE up.distance < 50
        )
        SELECT min(up.distance)
        FROM up
        WHERE NOT EXISTS (
            SELECT FROM tasker_workflow_step_edges e WHERE e.to_step_id = up.step_id
        )
    ) AS min_depth_from_root
FROM tasker_workflow_steps s
CROSS JOIN LATERAL (
    SELECT
        COALESCE(jsonb_agg(e.from_step_id ORDER BY e.from_step_id), '[]') AS ids,
        count(*) AS n
    FROM tasker_workflow_step_edges e
    WHERE e.to_step_id = s.workflow_step_id
) p
CROSS JOIN LATERAL (
    SELECT
        COALESCE(jsonb_agg(e.to_step_id ORDER BY e.to_step_id), '[]') AS ids,
        count(*) AS n
    FROM tasker_workflow_step_edges e
    WHERE e.from_step_id = s.workflow_step_id
) c;
