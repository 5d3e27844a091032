-- What the migrations leave behind: for reading and for review of a change,
-- not for loading. Written by the test schema_dump_is_current.

-- Schema public

TABLE tasker_annotation_types (
    annotation_type_id integer NOT NULL DEFAULT nextval('tasker_annotation_types_annotation_type_id_seq'::regclass),
    name character varying(64) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT tasker_annotation_types_pkey PRIMARY KEY (annotation_type_id)
);
CREATE INDEX annotation_types_name_index ON public.tasker_annotation_types USING btree (name);
CREATE UNIQUE INDEX annotation_types_name_unique ON public.tasker_annotation_types USING btree (name);
CREATE UNIQUE INDEX tasker_annotation_types_pkey ON public.tasker_annotation_types USING btree (annotation_type_id);

TABLE tasker_dependent_system_object_maps (
    dependent_system_object_map_id bigint NOT NULL DEFAULT nextval('tasker_dependent_system_objec_dependent_system_object_map_i_seq'::regclass),
    dependent_system_one_id integer NOT NULL,
    dependent_system_two_id integer NOT NULL,
    remote_id_one character varying(128) NOT NULL,
    remote_id_two character varying(128) NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT dependent_system_object_maps_dependent_system_one_id_foreign FOREIGN KEY (dependent_system_one_id) REFERENCES tasker_dependent_systems(dependent_system_id),
    CONSTRAINT dependent_system_object_maps_dependent_system_two_id_foreign FOREIGN KEY (dependent_system_two_id) REFERENCES tasker_dependent_systems(dependent_system_id),
    CONSTRAINT tasker_dependent_system_object_maps_pkey PRIMARY KEY (dependent_system_object_map_id)
);
CREATE UNIQUE INDEX dependent_system_object_maps_dependent_system_one_id_dependent_ ON public.tasker_dependent_system_object_maps USING btree (dependent_system_one_id, dependent_system_two_id, remote_id_one, remote_id_two);
CREATE INDEX dependent_system_object_maps_dependent_system_one_id_index ON public.tasker_dependent_system_object_maps USING btree (dependent_system_one_id);
CREATE INDEX dependent_system_object_maps_dependent_system_two_id_index ON public.tasker_dependent_system_object_maps USING btree (dependent_system_two_id);
CREATE INDEX dependent_system_object_maps_remote_id_one_index ON public.tasker_dependent_system_object_maps USING btree (remote_id_one);
CREATE INDEX dependent_system_object_maps_remote_id_two_index ON public.tasker_dependent_system_object_maps USING btree (remote_id_two);
CREATE UNIQUE INDEX tasker_dependent_system_object_maps_pkey ON public.tasker_dependent_system_object_maps USING btree (dependent_system_object_map_id);

TABLE tasker_dependent_systems (
    dependent_system_id integer NOT NULL DEFAULT nextval('tasker_dependent_systems_dependent_system_id_seq'::regclass),
    name character varying(64) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT tasker_dependent_systems_pkey PRIMARY KEY (dependent_system_id)
);
CREATE INDEX dependent_systems_name_index ON public.tasker_dependent_systems USING btree (name);
CREATE UNIQUE INDEX dependent_systems_name_unique ON public.tasker_dependent_systems USING btree (name);
CREATE UNIQUE INDEX tasker_dependent_systems_pkey ON public.tasker_dependent_systems USING btree (dependent_system_id);

TABLE tasker_named_steps (
    named_step_id integer NOT NULL DEFAULT nextval('tasker_named_steps_named_step_id_seq'::regclass),
    dependent_system_id integer NOT NULL,
    name character varying(128) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT named_steps_dependent_system_id_foreign FOREIGN KEY (dependent_system_id) REFERENCES tasker_dependent_systems(dependent_system_id),
    CONSTRAINT tasker_named_steps_pkey PRIMARY KEY (named_step_id)
);
CREATE UNIQUE INDEX named_step_by_system_uniq ON public.tasker_named_steps USING btree (dependent_system_id, name);
CREATE INDEX named_steps_dependent_system_id_index ON public.tasker_named_steps USING btree (dependent_system_id);
CREATE INDEX named_steps_name_index ON public.tasker_named_steps USING btree (name);
CREATE UNIQUE INDEX tasker_named_steps_pkey ON public.tasker_named_steps USING btree (named_step_id);

TABLE tasker_named_tasks (
    named_task_id integer NOT NULL DEFAULT nextval('tasker_named_tasks_named_task_id_seq'::regclass),
    name character varying(64) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    task_namespace_id bigint NOT NULL DEFAULT 1,
    version character varying(16) NOT NULL DEFAULT '0.1.0'::character varying,
    configuration jsonb DEFAULT '"{}"'::jsonb,
    CONSTRAINT fk_rails_16a0297759 FOREIGN KEY (task_namespace_id) REFERENCES tasker_task_namespaces(task_namespace_id),
    CONSTRAINT tasker_named_tasks_pkey PRIMARY KEY (named_task_id)
);
CREATE INDEX named_tasks_configuration_gin_index ON public.tasker_named_tasks USING gin (configuration);
CREATE INDEX named_tasks_name_index ON public.tasker_named_tasks USING btree (name);
CREATE UNIQUE INDEX named_tasks_namespace_name_version_unique ON public.tasker_named_tasks USING btree (task_namespace_id, name, version);
CREATE INDEX named_tasks_task_namespace_id_index ON public.tasker_named_tasks USING btree (task_namespace_id);
CREATE INDEX named_tasks_version_index ON public.tasker_named_tasks USING btree (version);
CREATE UNIQUE INDEX tasker_named_tasks_pkey ON public.tasker_named_tasks USING btree (named_task_id);

TABLE tasker_named_tasks_named_steps (
    id integer NOT NULL DEFAULT nextval('tasker_named_tasks_named_steps_id_seq'::regclass),
    named_task_id integer NOT NULL,
    named_step_id integer NOT NULL,
    skippable boolean NOT NULL DEFAULT false,
    default_retryable boolean NOT NULL DEFAULT true,
    default_retry_limit integer NOT NULL DEFAULT 3,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT named_tasks_named_steps_named_step_id_foreign FOREIGN KEY (named_step_id) REFERENCES tasker_named_steps(named_step_id),
    CONSTRAINT named_tasks_named_steps_named_task_id_foreign FOREIGN KEY (named_task_id) REFERENCES tasker_named_tasks(named_task_id),
    CONSTRAINT tasker_named_tasks_named_steps_pkey PRIMARY KEY (id)
);
CREATE INDEX named_tasks_named_steps_named_step_id_index ON public.tasker_named_tasks_named_steps USING btree (named_step_id);
CREATE INDEX named_tasks_named_steps_named_task_id_index ON public.tasker_named_tasks_named_steps USING btree (named_task_id);
CREATE UNIQUE INDEX named_tasks_steps_ids_unique ON public.tasker_named_tasks_named_steps USING btree (named_task_id, named_step_id);
CREATE UNIQUE INDEX tasker_named_tasks_named_steps_pkey ON public.tasker_named_tasks_named_steps USING btree (id);

VIEW tasker_step_dag_relationships (
    workflow_step_id bigint,
    task_id bigint,
    named_step_id integer,
    parent_step_ids jsonb,
    child_step_ids jsonb,
    parent_count bigint,
    child_count bigint,
    is_root_step boolean,
    is_leaf_step boolean,
    min_depth_from_root integer
);

TABLE tasker_task_annotations (
    task_annotation_id bigint NOT NULL DEFAULT nextval('tasker_task_annotations_task_annotation_id_seq'::regclass),
    task_id bigint NOT NULL,
    annotation_type_id integer NOT NULL,
    annotation jsonb,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT task_annotations_annotation_type_id_foreign FOREIGN KEY (annotation_type_id) REFERENCES tasker_annotation_types(annotation_type_id),
    CONSTRAINT task_annotations_task_id_foreign FOREIGN KEY (task_id) REFERENCES tasker_tasks(task_id),
    CONSTRAINT tasker_task_annotations_pkey PRIMARY KEY (task_annotation_id)
);
CREATE INDEX task_annotations_annotation_idx ON public.tasker_task_annotations USING gin (annotation);
CREATE INDEX task_annotations_annotation_idx1 ON public.tasker_task_annotations USING gin (annotation jsonb_path_ops);
CREATE INDEX task_annotations_annotation_type_id_index ON public.tasker_task_annotations USING btree (annotation_type_id);
CREATE INDEX task_annotations_task_id_index ON public.tasker_task_annotations USING btree (task_id);
CREATE UNIQUE INDEX tasker_task_annotations_pkey ON public.tasker_task_annotations USING btree (task_annotation_id);

TABLE tasker_task_namespaces (
    task_namespace_id integer NOT NULL DEFAULT nextval('tasker_task_namespaces_task_namespace_id_seq'::regclass),
    name character varying(64) NOT NULL,
    description character varying(255),
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT tasker_task_namespaces_pkey PRIMARY KEY (task_namespace_id)
);
CREATE INDEX task_namespaces_name_index ON public.tasker_task_namespaces USING btree (name);
CREATE UNIQUE INDEX task_namespaces_name_unique ON public.tasker_task_namespaces USING btree (name);
CREATE UNIQUE INDEX tasker_task_namespaces_pkey ON public.tasker_task_namespaces USING btree (task_namespace_id);

TABLE tasker_task_transitions WITH (autovacuum_vacuum_scale_factor=0.02) (
    id bigint NOT NULL DEFAULT nextval('tasker_task_transitions_id_seq'::regclass),
    to_state character varying NOT NULL,
    from_state character varying,
    metadata jsonb DEFAULT '{}'::jsonb,
    sort_key integer NOT NULL,
    most_recent boolean NOT NULL DEFAULT true,
    task_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT tasker_task_transitions_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX index_tasker_task_transitions_on_task_id_and_most_recent ON public.tasker_task_transitions USING btree (task_id, most_recent) WHERE (most_recent = true);
CREATE UNIQUE INDEX index_tasker_task_transitions_on_task_id_and_sort_key ON public.tasker_task_transitions USING btree (task_id, sort_key);
CREATE UNIQUE INDEX tasker_task_transitions_pkey ON public.tasker_task_transitions USING btree (id);

TABLE tasker_tasks WITH (autovacuum_vacuum_scale_factor=0.02) (
    task_id bigint NOT NULL DEFAULT nextval('tasker_tasks_task_id_seq'::regclass),
    named_task_id integer NOT NULL,
    complete boolean NOT NULL DEFAULT false,
    requested_at timestamp without time zone NOT NULL,
    initiator character varying(128),
    source_system character varying(128),
    reason character varying(128),
    bypass_steps json,
    tags jsonb,
    context jsonb,
    identity_hash character varying(128) NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT tasker_tasks_pkey PRIMARY KEY (task_id)
);
CREATE UNIQUE INDEX index_tasks_on_identity_hash ON public.tasker_tasks USING btree (identity_hash);
CREATE UNIQUE INDEX tasker_tasks_pkey ON public.tasker_tasks USING btree (task_id);
CREATE INDEX tasks_named_task_id_index ON public.tasker_tasks USING btree (named_task_id);

TABLE tasker_workflow_step_edges WITH (autovacuum_vacuum_scale_factor=0.02) (
    id bigint NOT NULL DEFAULT nextval('tasker_workflow_step_edges_id_seq'::regclass),
    from_step_id bigint NOT NULL,
    to_step_id bigint NOT NULL,
    name character varying NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT tasker_workflow_step_edges_pkey PRIMARY KEY (id)
);
CREATE INDEX idx_step_edges_from_to ON public.tasker_workflow_step_edges USING btree (from_step_id, to_step_id);
CREATE INDEX idx_step_edges_to_from ON public.tasker_workflow_step_edges USING btree (to_step_id, from_step_id);
CREATE UNIQUE INDEX tasker_workflow_step_edges_pkey ON public.tasker_workflow_step_edges USING btree (id);

TABLE tasker_workflow_step_transitions WITH (autovacuum_vacuum_scale_factor=0.02) (
    id bigint NOT NULL DEFAULT nextval('tasker_workflow_step_transitions_id_seq'::regclass),
    to_state character varying NOT NULL,
    from_state character varying,
    metadata jsonb DEFAULT '{}'::jsonb,
    sort_key integer NOT NULL,
    most_recent boolean NOT NULL DEFAULT true,
    workflow_step_id bigint NOT NULL,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    CONSTRAINT tasker_workflow_step_transitions_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX idx_on_workflow_step_id_most_recent_97d5374ad6 ON public.tasker_workflow_step_transitions USING btree (workflow_step_id, most_recent) WHERE (most_recent = true);
CREATE UNIQUE INDEX idx_on_workflow_step_id_sort_key_4d476d7adb ON public.tasker_workflow_step_transitions USING btree (workflow_step_id, sort_key);
CREATE UNIQUE INDEX tasker_workflow_step_transitions_pkey ON public.tasker_workflow_step_transitions USING btree (id);

TABLE tasker_workflow_steps WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0.02) (
    workflow_step_id bigint NOT NULL DEFAULT nextval('tasker_workflow_steps_workflow_step_id_seq'::regclass),
    task_id bigint NOT NULL,
    named_step_id integer NOT NULL,
    retryable boolean NOT NULL DEFAULT true,
    retry_limit integer DEFAULT 3,
    in_process boolean NOT NULL DEFAULT false,
    processed boolean NOT NULL DEFAULT false,
    processed_at timestamp without time zone,
    attempts integer,
    last_attempted_at timestamp without time zone,
    backoff_request_seconds integer,
    inputs jsonb,
    results jsonb,
    created_at timestamp(6) without time zone NOT NULL,
    updated_at timestamp(6) without time zone NOT NULL,
    skippable boolean NOT NULL DEFAULT false,
    CONSTRAINT tasker_workflow_steps_pkey PRIMARY KEY (workflow_step_id)
);
CREATE UNIQUE INDEX tasker_workflow_steps_pkey ON public.tasker_workflow_steps USING btree (workflow_step_id);
CREATE INDEX workflow_steps_task_id_index ON public.tasker_workflow_steps USING btree (task_id);

FUNCTION calculate_dependency_levels(input_task_id bigint) RETURNS TABLE(workflow_step_id bigint, dependency_level integer);
FUNCTION get_analytics_metrics_v01(since_timestamp timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS TABLE(active_tasks_count bigint, total_namespaces_count bigint, unique_task_types_count bigint, system_health_score numeric, task_throughput bigint, completion_count bigint, error_count bigint, completion_rate numeric, error_rate numeric, avg_task_duration numeric, avg_step_duration numeric, step_throughput bigint, analysis_period_start timestamp with time zone, calculated_at timestamp with time zone);
FUNCTION get_slowest_steps_v01(since_timestamp timestamp with time zone DEFAULT NULL::timestamp with time zone, limit_count integer DEFAULT 10, namespace_filter text DEFAULT NULL::text, task_name_filter text DEFAULT NULL::text, version_filter text DEFAULT NULL::text) RETURNS TABLE(workflow_step_id bigint, task_id bigint, step_name character varying, task_name character varying, namespace_name character varying, version character varying, duration_seconds numeric, attempts integer, created_at timestamp with time zone, completed_at timestamp with time zone, retryable boolean, step_status character varying);
FUNCTION get_slowest_tasks_v01(since_timestamp timestamp with time zone DEFAULT NULL::timestamp with time zone, limit_count integer DEFAULT 10, namespace_filter text DEFAULT NULL::text, task_name_filter text DEFAULT NULL::text, version_filter text DEFAULT NULL::text) RETURNS TABLE(task_id bigint, task_name character varying, namespace_name character varying, version character varying, duration_seconds numeric, step_count bigint, completed_steps bigint, error_steps bigint, created_at timestamp with time zone, completed_at timestamp with time zone, initiator character varying, source_system character varying);
FUNCTION get_step_readiness_status(input_task_id bigint, step_ids bigint[] DEFAULT NULL::bigint[]) RETURNS TABLE(workflow_step_id bigint, task_id bigint, named_step_id integer, name text, current_state text, dependencies_satisfied boolean, retry_eligible boolean, ready_for_execution boolean, last_failure_at timestamp without time zone, next_retry_at timestamp without time zone, total_parents integer, completed_parents integer, attempts integer, retry_limit integer, backoff_request_seconds integer, last_attempted_at timestamp without time zone);
FUNCTION get_step_readiness_status_batch(input_task_ids bigint[]) RETURNS TABLE(workflow_step_id bigint, task_id bigint, named_step_id integer, name text, current_state text, dependencies_satisfied boolean, retry_eligible boolean, ready_for_execution boolean, last_failure_at timestamp without time zone, next_retry_at timestamp without time zone, total_parents integer, completed_parents integer, attempts integer, retry_limit integer, backoff_request_seconds integer, last_attempted_at timestamp without time zone);
FUNCTION get_system_health_counts_v01() RETURNS TABLE(total_tasks bigint, pending_tasks bigint, in_progress_tasks bigint, complete_tasks bigint, error_tasks bigint, cancelled_tasks bigint, total_steps bigint, pending_steps bigint, in_progress_steps bigint, complete_steps bigint, error_steps bigint, retryable_error_steps bigint, exhausted_retry_steps bigint, in_backoff_steps bigint, active_connections bigint, max_connections bigint);
FUNCTION get_task_execution_context(input_task_id bigint) RETURNS TABLE(task_id bigint, named_task_id integer, status text, total_steps bigint, pending_steps bigint, in_progress_steps bigint, completed_steps bigint, failed_steps bigint, ready_steps bigint, execution_status text, recommended_action text, completion_percentage numeric, health_status text);
FUNCTION get_task_execution_contexts_batch(input_task_ids bigint[]) RETURNS TABLE(task_id bigint, named_task_id integer, status text, total_steps bigint, pending_steps bigint, in_progress_steps bigint, completed_steps bigint, failed_steps bigint, ready_steps bigint, execution_status text, recommended_action text, completion_percentage numeric, health_status text);

-- Schema tasker

TABLE event_cursors WITH (fillfactor=50) (
    name text NOT NULL,
    task_position bigint NOT NULL,
    task_gaps jsonb NOT NULL DEFAULT '[]'::jsonb,
    step_position bigint,
    step_gaps jsonb NOT NULL DEFAULT '[]'::jsonb,
    fence bigint NOT NULL DEFAULT 0,
    holder text,
    lease_ends_at timestamp without time zone,
    delivered bigint NOT NULL DEFAULT 0,
    set_aside bigint NOT NULL DEFAULT 0,
    created_at timestamp without time zone NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'::text),
    CONSTRAINT event_cursors_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$'::text)),
    CONSTRAINT event_cursors_pkey PRIMARY KEY (name)
);
CREATE UNIQUE INDEX event_cursors_pkey ON tasker.event_cursors USING btree (name);

TABLE schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone NOT NULL DEFAULT now(),
    attached boolean NOT NULL DEFAULT false,
    CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
);
CREATE UNIQUE INDEX schema_migrations_pkey ON tasker.schema_migrations USING btree (version);

TABLE step_delays (
    workflow_step_id bigint NOT NULL,
    task_id bigint NOT NULL,
    namespace text NOT NULL,
    due_at timestamp without time zone NOT NULL,
    reason text NOT NULL,
    detail text,
    CONSTRAINT step_delays_pkey PRIMARY KEY (workflow_step_id),
    CONSTRAINT step_delays_reason_check CHECK ((reason = ANY (ARRAY['retry'::text, 'no_handler'::text])))
);
CREATE INDEX step_delays_due ON tasker.step_delays USING btree (due_at);
CREATE UNIQUE INDEX step_delays_pkey ON tasker.step_delays USING btree (workflow_step_id);

TABLE step_failures (
    failure_id bigint NOT NULL IDENTITY,
    workflow_step_id bigint NOT NULL,
    attempt integer NOT NULL,
    kind text NOT NULL,
    error jsonb NOT NULL,
    started_at timestamp without time zone,
    failed_at timestamp without time zone NOT NULL,
    CONSTRAINT step_failures_pkey PRIMARY KEY (failure_id)
);
CREATE UNIQUE INDEX step_failures_pkey ON tasker.step_failures USING btree (failure_id);
CREATE INDEX step_failures_step ON tasker.step_failures USING btree (workflow_step_id, failure_id);

TABLE step_gates WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.02) (
    workflow_step_id bigint NOT NULL,
    task_id bigint NOT NULL,
    unmet integer NOT NULL,
    sealed boolean NOT NULL DEFAULT false,
    CONSTRAINT step_gates_pkey PRIMARY KEY (workflow_step_id),
    CONSTRAINT step_gates_unmet_check CHECK ((unmet >= 0))
);
CREATE UNIQUE INDEX step_gates_pkey ON tasker.step_gates USING btree (workflow_step_id);

TABLE step_progress (
    workflow_step_id bigint NOT NULL,
    attempt integer NOT NULL,
    progress jsonb NOT NULL,
    reported_at timestamp without time zone NOT NULL,
    CONSTRAINT step_progress_pkey PRIMARY KEY (workflow_step_id)
);
CREATE UNIQUE INDEX step_progress_pkey ON tasker.step_progress USING btree (workflow_step_id);

TABLE task_runs WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.02) (
    task_id bigint NOT NULL,
    definition_id bigint NOT NULL,
    namespace text NOT NULL,
    priority integer NOT NULL DEFAULT 0,
    active integer NOT NULL,
    unfinished integer NOT NULL,
    failed integer NOT NULL DEFAULT 0,
    idempotency_key text,
    correlation_id text,
    traceparent text,
    CONSTRAINT task_runs_active_check CHECK ((active >= 0)),
    CONSTRAINT task_runs_failed_check CHECK ((failed >= 0)),
    CONSTRAINT task_runs_pkey PRIMARY KEY (task_id),
    CONSTRAINT task_runs_unfinished_check CHECK ((unfinished >= 0))
);
CREATE UNIQUE INDEX task_runs_pkey ON tasker.task_runs USING btree (task_id);

TABLE templates (
    definition_id bigint NOT NULL IDENTITY,
    named_task_id integer NOT NULL,
    namespace text NOT NULL,
    digest text NOT NULL,
    definition jsonb NOT NULL,
    registered_at timestamp without time zone NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'::text),
    current_since timestamp without time zone NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'::text),
    CONSTRAINT templates_named_task_id_digest_key UNIQUE (named_task_id, digest),
    CONSTRAINT templates_namespace_check CHECK ((namespace ~ '^[a-z][a-z0-9_]{0,28}$'::text)),
    CONSTRAINT templates_pkey PRIMARY KEY (definition_id)
);
CREATE UNIQUE INDEX templates_named_task_id_digest_key ON tasker.templates USING btree (named_task_id, digest);
CREATE UNIQUE INDEX templates_pkey ON tasker.templates USING btree (definition_id);

TABLE unreadable_messages (
    unreadable_id bigint NOT NULL IDENTITY,
    queue text NOT NULL,
    message jsonb NOT NULL,
    problem text NOT NULL,
    found_at timestamp without time zone NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC'::text),
    CONSTRAINT unreadable_messages_pkey PRIMARY KEY (unreadable_id)
);
CREATE UNIQUE INDEX unreadable_messages_pkey ON tasker.unreadable_messages USING btree (unreadable_id);

TABLE workers (
    worker_id text NOT NULL,
    namespaces text[] NOT NULL,
    handlers text[] NOT NULL,
    started_at timestamp without time zone NOT NULL,
    seen_at timestamp without time zone NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (worker_id)
);
CREATE UNIQUE INDEX workers_pkey ON tasker.workers USING btree (worker_id);
