-- Index profile `rails`: every further index of the Rails Tasker engine and the
-- foreign keys of the five hot tables. 0001 plus this file is that engine's
-- whole schema, duplicates and the index on a state that never occurs included.
--
-- Not numbered: it may be applied to a lean database at any later time, and
-- again. `tasker migrate` runs it only when something of it is missing, since
-- CREATE INDEX locks its table against writes even where the index exists.
-- The price is about five times the time and WAL per step; take it where Rails
-- dashboards and reports query the same database.
--
-- On a database attached to Rails it is never run: what is there stays.
--
-- migrate reads the names of the objects from this file: keep each
-- "CREATE INDEX IF NOT EXISTS <name>" and "ADD CONSTRAINT <name>" on one line.

-- Tasks -----------------------------------------------------------------------

CREATE INDEX IF NOT EXISTS idx_tasks_active_operations
    ON tasker_tasks (task_id)
    WHERE complete = false OR complete IS NULL;
CREATE INDEX IF NOT EXISTS idx_tasks_active_workflow_summary
    ON tasker_tasks (task_id, complete)
    WHERE complete = false OR complete IS NULL;
CREATE INDEX IF NOT EXISTS idx_tasks_completion_status_created
    ON tasker_tasks (complete, created_at, task_id);
CREATE INDEX IF NOT EXISTS tasks_context_idx1
    ON tasker_tasks USING gin (context jsonb_path_ops);
CREATE INDEX IF NOT EXISTS tasks_context_idx
    ON tasker_tasks USING gin (context);
CREATE INDEX IF NOT EXISTS tasks_identity_hash_index
    ON tasker_tasks (identity_hash);
CREATE INDEX IF NOT EXISTS tasks_requested_at_index
    ON tasker_tasks (requested_at);
CREATE INDEX IF NOT EXISTS tasks_source_system_index
    ON tasker_tasks (source_system);
CREATE INDEX IF NOT EXISTS tasks_tags_idx1
    ON tasker_tasks USING gin (tags jsonb_path_ops);
CREATE INDEX IF NOT EXISTS tasks_tags_idx
    ON tasker_tasks USING gin (tags);

-- Task transitions ------------------------------------------------------------

CREATE INDEX IF NOT EXISTS idx_task_transitions_most_recent
    ON tasker_task_transitions (task_id, most_recent)
    WHERE most_recent = true;
CREATE INDEX IF NOT EXISTS index_task_transitions_current_state_optimized
    ON tasker_task_transitions (task_id, most_recent)
    WHERE most_recent = true;
CREATE INDEX IF NOT EXISTS index_task_transitions_current_state
    ON tasker_task_transitions (task_id, created_at);
CREATE INDEX IF NOT EXISTS index_tasker_task_transitions_on_sort_key
    ON tasker_task_transitions (sort_key);
CREATE INDEX IF NOT EXISTS index_tasker_task_transitions_on_task_id
    ON tasker_task_transitions (task_id);

-- Steps -----------------------------------------------------------------------

CREATE INDEX IF NOT EXISTS idx_steps_active_operations
    ON tasker_workflow_steps (workflow_step_id, task_id)
    WHERE processed = false OR processed IS NULL;
CREATE INDEX IF NOT EXISTS idx_workflow_steps_task_grouping_active
    ON tasker_workflow_steps (task_id, workflow_step_id)
    WHERE processed = false OR processed IS NULL;
CREATE INDEX IF NOT EXISTS idx_workflow_steps_task_readiness
    ON tasker_workflow_steps (task_id, processed, workflow_step_id)
    WHERE processed = false;
CREATE INDEX IF NOT EXISTS index_workflow_steps_backoff_timing
    ON tasker_workflow_steps (last_attempted_at, backoff_request_seconds)
    WHERE backoff_request_seconds IS NOT NULL;
CREATE INDEX IF NOT EXISTS index_workflow_steps_by_task
    ON tasker_workflow_steps (task_id);
CREATE INDEX IF NOT EXISTS index_workflow_steps_processing_status
    ON tasker_workflow_steps (task_id, processed, in_process);
CREATE INDEX IF NOT EXISTS index_workflow_steps_retry_logic
    ON tasker_workflow_steps (attempts, retry_limit, retryable);
CREATE INDEX IF NOT EXISTS index_workflow_steps_retry_status
    ON tasker_workflow_steps (attempts, retry_limit);
CREATE INDEX IF NOT EXISTS index_workflow_steps_task_and_id
    ON tasker_workflow_steps (task_id, workflow_step_id);
CREATE INDEX IF NOT EXISTS index_workflow_steps_task_and_step_id
    ON tasker_workflow_steps (task_id, workflow_step_id);
CREATE INDEX IF NOT EXISTS index_workflow_steps_task_and_step_optimized
    ON tasker_workflow_steps (task_id, workflow_step_id);
CREATE INDEX IF NOT EXISTS index_workflow_steps_task_covering
    ON tasker_workflow_steps (task_id)
    INCLUDE (workflow_step_id, processed, in_process, attempts, retry_limit);
CREATE INDEX IF NOT EXISTS workflow_steps_last_attempted_at_index
    ON tasker_workflow_steps (last_attempted_at);
CREATE INDEX IF NOT EXISTS workflow_steps_named_step_id_index
    ON tasker_workflow_steps (named_step_id);
CREATE INDEX IF NOT EXISTS workflow_steps_processed_at_index
    ON tasker_workflow_steps (processed_at);

-- Edges -----------------------------------------------------------------------

CREATE INDEX IF NOT EXISTS idx_workflow_step_edges_dependency_lookup
    ON tasker_workflow_step_edges (to_step_id, from_step_id);
CREATE INDEX IF NOT EXISTS index_step_edges_child_lookup
    ON tasker_workflow_step_edges (to_step_id);
CREATE INDEX IF NOT EXISTS index_step_edges_dependency_pair
    ON tasker_workflow_step_edges (to_step_id, from_step_id);
CREATE INDEX IF NOT EXISTS index_step_edges_from_step_for_children
    ON tasker_workflow_step_edges (from_step_id);
CREATE INDEX IF NOT EXISTS index_step_edges_from_to_composite
    ON tasker_workflow_step_edges (from_step_id, to_step_id);
CREATE INDEX IF NOT EXISTS index_step_edges_parent_lookup
    ON tasker_workflow_step_edges (from_step_id);
CREATE INDEX IF NOT EXISTS index_step_edges_to_from_composite
    ON tasker_workflow_step_edges (to_step_id, from_step_id);
CREATE INDEX IF NOT EXISTS index_step_edges_to_step_for_parents
    ON tasker_workflow_step_edges (to_step_id);
CREATE INDEX IF NOT EXISTS index_tasker_workflow_step_edges_on_from_step_id
    ON tasker_workflow_step_edges (from_step_id);
CREATE INDEX IF NOT EXISTS index_tasker_workflow_step_edges_on_to_step_id
    ON tasker_workflow_step_edges (to_step_id);
CREATE INDEX IF NOT EXISTS index_workflow_step_edges_dependency_lookup
    ON tasker_workflow_step_edges (to_step_id, from_step_id);

-- Step transitions ------------------------------------------------------------

CREATE INDEX IF NOT EXISTS idx_step_transitions_current_state
    ON tasker_workflow_step_transitions (workflow_step_id, most_recent, to_state)
    WHERE most_recent = true;
CREATE INDEX IF NOT EXISTS idx_step_transitions_most_recent
    ON tasker_workflow_step_transitions (workflow_step_id, most_recent)
    WHERE most_recent = true;
CREATE INDEX IF NOT EXISTS index_step_transitions_completed_parents
    ON tasker_workflow_step_transitions (workflow_step_id, most_recent)
    WHERE to_state IN ('complete', 'resolved_manually') AND most_recent = true;
CREATE INDEX IF NOT EXISTS index_step_transitions_completed
    ON tasker_workflow_step_transitions (workflow_step_id, to_state)
    WHERE to_state = 'complete';
CREATE INDEX IF NOT EXISTS index_step_transitions_current_errors
    ON tasker_workflow_step_transitions (workflow_step_id, most_recent, created_at)
    WHERE to_state = 'error' AND most_recent = true;
CREATE INDEX IF NOT EXISTS index_step_transitions_current_state_optimized
    ON tasker_workflow_step_transitions (workflow_step_id, most_recent)
    WHERE most_recent = true;
CREATE INDEX IF NOT EXISTS index_step_transitions_failures_with_timing
    ON tasker_workflow_step_transitions (workflow_step_id, to_state, created_at)
    WHERE to_state = 'failed';
CREATE INDEX IF NOT EXISTS index_step_transitions_for_current_state
    ON tasker_workflow_step_transitions (workflow_step_id, created_at);
CREATE INDEX IF NOT EXISTS index_tasker_workflow_step_transitions_on_sort_key
    ON tasker_workflow_step_transitions (sort_key);
CREATE INDEX IF NOT EXISTS index_tasker_workflow_step_transitions_on_workflow_step_id
    ON tasker_workflow_step_transitions (workflow_step_id);

-- Foreign keys of the hot tables ----------------------------------------------

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'tasker_tasks'::regclass AND conname = 'tasks_named_task_id_foreign') THEN
        ALTER TABLE tasker_tasks
            ADD CONSTRAINT tasks_named_task_id_foreign
            FOREIGN KEY (named_task_id) REFERENCES tasker_named_tasks (named_task_id);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'tasker_task_transitions'::regclass AND conname = 'fk_rails_e8caec803c') THEN
        ALTER TABLE tasker_task_transitions
            ADD CONSTRAINT fk_rails_e8caec803c
            FOREIGN KEY (task_id) REFERENCES tasker_tasks (task_id);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'tasker_workflow_steps'::regclass AND conname = 'workflow_steps_task_id_foreign') THEN
        ALTER TABLE tasker_workflow_steps
            ADD CONSTRAINT workflow_steps_task_id_foreign
            FOREIGN KEY (task_id) REFERENCES tasker_tasks (task_id);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'tasker_workflow_steps'::regclass AND conname = 'workflow_steps_named_step_id_foreign') THEN
        ALTER TABLE tasker_workflow_steps
            ADD CONSTRAINT workflow_steps_named_step_id_foreign
            FOREIGN KEY (named_step_id) REFERENCES tasker_named_steps (named_step_id);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'tasker_workflow_step_edges'::regclass AND conname = 'fk_rails_7b4652ccf2') THEN
        ALTER TABLE tasker_workflow_step_edges
            ADD CONSTRAINT fk_rails_7b4652ccf2
            FOREIGN KEY (from_step_id) REFERENCES tasker_workflow_steps (workflow_step_id);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'tasker_workflow_step_edges'::regclass AND conname = 'fk_rails_93ec0bf6eb') THEN
        ALTER TABLE tasker_workflow_step_edges
            ADD CONSTRAINT fk_rails_93ec0bf6eb
            FOREIGN KEY (to_step_id) REFERENCES tasker_workflow_steps (workflow_step_id);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'tasker_workflow_step_transitions'::regclass AND conname = 'fk_rails_6e0f6eb833') THEN
        ALTER TABLE tasker_workflow_step_transitions
            ADD CONSTRAINT fk_rails_6e0f6eb833
            FOREIGN KEY (workflow_step_id) REFERENCES tasker_workflow_steps (workflow_step_id);
    END IF;
END;
$$;
