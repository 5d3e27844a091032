-- Where the readers of the audit trail are: one row for each name under which
-- somebody has events delivered. Events are not stored: they are read from the
-- transitions of tasks and steps, which the engine writes anyway.

-- A position is the highest id that was handled; the gaps are ids below it that no
-- snapshot has shown yet, because their transaction is under way or was rolled
-- back: [{"first", "last", "horizon"}, ...], see store/feed/place.rs. The position in
-- the steps' transitions is null while none of the events wanted needs them.
-- Several processes may read under one name; the one with the lease does. The
-- fence grows with each change of hands: what an earlier holder says is void.
CREATE TABLE tasker.event_cursors (
    name           text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$'),
    task_position  bigint NOT NULL,
    task_gaps      jsonb NOT NULL DEFAULT '[]',
    step_position  bigint,
    step_gaps      jsonb NOT NULL DEFAULT '[]',
    fence          bigint NOT NULL DEFAULT 0,
    holder         text,
    lease_ends_at  timestamp without time zone,
    delivered      bigint NOT NULL DEFAULT 0,
    set_aside      bigint NOT NULL DEFAULT 0,
    created_at     timestamp without time zone NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
) WITH (fillfactor = 50);
