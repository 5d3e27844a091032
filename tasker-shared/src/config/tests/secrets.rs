//! The database URL and its password appear nowhere, whatever is printed and
//! however the URL is written.

use super::super::{ConfigSources, Secret};
use super::Given;

const CANARY: &str = "CANARY_7f3a";

/// Everything that can be printed of a configuration, loaded or refused.
fn everything_printed(given: &Given) -> String {
    let sources: &ConfigSources = &given.sources;
    match given.load() {
        Ok(loaded) => format!(
            "{loaded} {loaded:?} {sources:?} {} {} {}",
            serde_json::to_string(&loaded.config).unwrap(),
            serde_json::to_string(&loaded.origins).unwrap(),
            loaded.config.database.describe(),
        ),
        Err(error) => format!(
            "{error} {error:?} {sources:?} {}",
            serde_json::to_string(&error.problems).unwrap()
        ),
    }
}

fn assert_silent(given: &Given, url: &str) {
    let text = everything_printed(given);
    assert!(!text.contains(CANARY), "{url} leaks:\n{text}");
}

#[test]
fn no_form_of_a_database_url_reveals_its_password() {
    let urls = [
        "postgres://app:CANARY@db:5432/tasker",
        "postgresql://app:CANARY@db/tasker?sslmode=require",
        "postgres://app@db/tasker?password=CANARY",
        "postgres://db/tasker?user=app&password=CANARY",
        "postgres://app@db/tasker?pasword=CANARY",
        "postgres://app@db/tasker?options=-c%20x%3DCANARY",
        "postgres://app:p?CANARY@db/tasker",
        "postgres://app:p#CANARY@db/tasker",
        "postgres://app:1#CANARY@db/tasker",
        "postgres://app:1/CANARY@db/tasker",
        "postgres://app:p/CANARY@db/tasker",
        "postgres://app:p@CANARY@db:x/tasker",
        "mysql://app:CANARY@db/tasker",
        "CANARY",
        "host=db password=CANARY",
    ];
    for url in urls.map(|url| url.replace("CANARY", CANARY)) {
        assert_silent(&Given::new().variable("DATABASE_URL", &url), &url);
        assert_silent(&Given::new().variable("TASKER__DATABASE__URL", &url), &url);
        assert_silent(&Given::new().flag("database.url", &url), &url);
        let text = format!("[database]\nurl = {url:?}\n");
        assert_silent(&Given::new().file("shared/base.toml", &text), &url);
        // Mistakes that carry the URL to where it is not expected.
        let text = format!("[database]\nurl = {url}\n");
        assert_silent(&Given::new().file("shared/base.toml", &text), &url);
        let text = format!("[database]\nurl = [{url:?}]\n");
        assert_silent(&Given::new().file("shared/base.toml", &text), &url);
        let text = format!("[database]\nurl = \"{url}\n");
        assert_silent(&Given::new().file("shared/base.toml", &text), &url);
        let text = format!("[database]\nuri = {url:?}\n");
        assert_silent(&Given::new().file("shared/base.toml", &text), &url);
        assert_silent(&Given::new().variable("TASKER__DATABASE__URI", &url), &url);
        if url.contains("://") {
            assert_silent(&Given::new().variable("TASKER__ENGINE__MODE", &url), &url);
            assert_silent(&Given::new().flag("database.schema", &url), &url);
        }
    }
}

#[test]
fn a_problem_elsewhere_does_not_reveal_the_url_either() {
    let url = format!("postgres://app:{CANARY}@db/tasker");
    let given = Given::new()
        .flag("database.url", &url)
        .flag("engine.lease_ms", "1");
    assert_silent(&given, &url);
}

#[test]
fn a_url_is_masked_in_the_listing_and_described_by_host_port_database_and_user() {
    let url = format!("postgres://app:{CANARY}@db.example:5433/tasker?sslmode=require");
    let loaded = Given::new().flag("database.url", &url).load().unwrap();
    assert_eq!(
        loaded.config.database.describe(),
        "host=db.example port=5433 database=tasker user=app"
    );
    assert!(loaded
        .to_string()
        .contains("database.url = ********  (command line)"));
    assert_eq!(loaded.config.database.require_url().unwrap().expose(), &url);
}

#[test]
fn a_socket_directory_is_described_as_the_host() {
    let urls = [
        "postgres:///db?host=/run/pg&port=6000&user=app",
        "postgres://app@%2Frun%2Fpg:6000/db",
    ];
    for url in urls {
        let given = Given::new().flag("database.url", url);
        assert_eq!(
            given.load().unwrap().config.database.describe(),
            "host=/run/pg port=6000 database=db user=app"
        );
    }
}

#[test]
fn a_missing_url_says_how_to_give_one() {
    let config = Given::new().load().unwrap().config;
    let error = config.database.require_url().unwrap_err();
    assert_eq!(error.problems[0].code, "database_url_missing");
    assert!(error.to_string().contains("DATABASE_URL"));
    assert_eq!(config.database.describe(), "no database configured");
}

#[test]
fn urls_the_driver_would_misread_are_refused() {
    let urls = [
        "mysql://db/tasker",
        "postgres://app@db/tasker?connect_timout=5",
        "postgres://app@db/tasker?sslmode=perhaps",
        "postgres://app@db:99999/tasker",
        "postgres://app:a/b@db/tasker",
        "postgres://app:1/b@db/tasker",
        "postgres://app:a#b@db/tasker",
        "postgres://app:1#b@db/tasker",
    ];
    for url in urls {
        let error = Given::new().flag("database.url", url).refused();
        assert_eq!(error.problems[0].code, "invalid_value", "{url}");
    }
}

#[test]
fn a_secret_has_one_way_out() {
    let secret = Secret::new(CANARY.to_owned());
    let printed = format!("{secret:?} {}", serde_json::to_string(&secret).unwrap());
    assert!(!printed.contains(CANARY));
    assert_eq!(secret.expose(), CANARY);
}
