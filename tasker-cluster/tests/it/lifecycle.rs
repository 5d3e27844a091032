//! Start, use, stop, crash and start again, by an owner that behaves.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use tasker_cluster::{ClusterError, Settings};

use crate::{kept_in, one_value, temporary};

#[test]
fn a_temporary_cluster_runs_and_leaves_no_files() {
    let cluster = temporary();
    let directory = cluster.directory().to_owned();
    assert_eq!(one_value(&cluster, "SHOW fsync"), "off");
    assert_eq!(one_value(&cluster, "SHOW timezone"), "UTC");
    assert_eq!(one_value(&cluster, "SHOW listen_addresses"), "127.0.0.1");
    assert!(cluster.major_version() >= 15);
    drop(cluster);
    assert!(!directory.exists());
}

#[test]
fn only_the_owner_can_enter_data_and_socket() {
    let cluster = temporary();
    for name in ["data", "socket"] {
        let found = std::fs::metadata(cluster.directory().join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o700, "{name}");
    }
}

#[test]
fn the_ordinary_role_is_no_superuser_and_needs_a_password_over_tcp() {
    let cluster = temporary();
    let role = "SELECT rolsuper::text || ' ' || rolcreatedb FROM pg_roles WHERE rolname = 'tasker'";
    assert_eq!(one_value(&cluster, role), "false true");
    let rules = "SELECT string_agg(type || ' ' || array_to_string(user_name, ',') || ' ' || \
                 auth_method, '; ' ORDER BY type DESC) FROM pg_hba_file_rules";
    assert_eq!(
        one_value(&cluster, rules),
        "local all trust; host tasker scram-sha-256"
    );
}

#[test]
fn databases_are_made_for_the_ordinary_role_and_dropped() {
    let cluster = temporary();
    let name = "odd \"name\"; --";
    cluster.create_database(name).unwrap();
    let error = cluster.create_database(name).unwrap_err();
    assert!(
        matches!(&error, ClusterError::Sql { sqlstate, .. } if sqlstate == "42P04"),
        "{error}"
    );
    assert!(!cluster.ensure_database(name).unwrap());
    let owner = cluster
        .execute(
            name,
            "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()",
        )
        .unwrap();
    assert_eq!(owner, [[Some("tasker".to_owned())]]);
    cluster.drop_database(name).unwrap();
    cluster.drop_database(name).unwrap();
    assert!(cluster.ensure_database(name).unwrap());
}

#[test]
fn data_survive_stop_and_start_in_the_same_directory() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("deep/er");
    let mut cluster = kept_in(&directory);
    let url = cluster.url("postgres");
    cluster
        .execute("postgres", "CREATE TABLE t AS SELECT 42 AS n")
        .unwrap();
    cluster.restart().unwrap();
    assert_eq!(
        cluster.url("postgres"),
        url,
        "a restart keeps the addresses"
    );
    assert_eq!(one_value(&cluster, "SELECT n FROM t"), "42");
    cluster.stop().unwrap();
    assert!(!cluster.is_running());
    drop(cluster);
    let cluster = kept_in(&directory);
    assert_eq!(one_value(&cluster, "SELECT n FROM t"), "42");
}

#[test]
fn data_survive_in_a_directory_that_the_server_account_can_not_enter() {
    // As for root below its home directory; for an ordinary user nothing is special.
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let directory = home.path().join("pg");
    let cluster = kept_in(&directory);
    let place = cluster.directory().to_owned();
    cluster
        .execute("postgres", "CREATE TABLE t AS SELECT 42 AS n")
        .unwrap();
    drop(cluster);
    let cluster = kept_in(&directory);
    assert_eq!(cluster.directory(), place);
    assert_eq!(one_value(&cluster, "SELECT n FROM t"), "42");
    drop(cluster);
    std::fs::remove_dir_all(place).unwrap();
}

#[test]
fn what_was_committed_survives_a_crash_of_the_server() {
    let mut cluster = temporary();
    cluster
        .execute("postgres", "CREATE TABLE t AS SELECT 7 AS n")
        .unwrap();
    cluster.kill_immediate().unwrap();
    assert!(!cluster.is_running());
    assert!(cluster.execute("postgres", "SELECT 1").is_err());
    cluster.restart().unwrap();
    assert_eq!(one_value(&cluster, "SELECT n FROM t"), "7");
}

#[test]
fn a_refused_statement_tells_sqlstate_and_message() {
    let cluster = temporary();
    let error = cluster
        .execute("postgres", "SELECT * FROM nowhere")
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("\"nowhere\" does not exist (SQLSTATE 42P01)"),
        "{error}"
    );
    let error = cluster.execute("missing", "SELECT 1").unwrap_err();
    assert!(error.to_string().contains("SQLSTATE 3D000"), "{error}");
}

#[test]
fn a_setting_that_postgresql_refuses_is_shown_from_its_log() {
    let settings = Settings::test().set("shared_buffers", "nonsense");
    let error = tasker_cluster::Cluster::builder()
        .settings(settings)
        .start()
        .unwrap_err();
    assert!(
        matches!(error, ClusterError::EndedAtStart { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("shared_buffers"), "{error}");
}

#[test]
fn a_missing_program_directory_is_named() {
    let error = tasker_cluster::Cluster::builder()
        .bin_dir("/no/such/place")
        .start()
        .unwrap_err();
    assert!(error
        .to_string()
        .starts_with("/no/such/place is not a directory of PostgreSQL programs"));
}
