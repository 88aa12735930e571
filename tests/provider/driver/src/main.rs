//! Runs the engine on a store that another process holds.
//!
//! Usage: `provider-driver make TARGET` lets the engine's own provider make the schema of a store, where a target is
//! `sqlite:PATH`, or `postgres://… SCHEMA`. `provider-driver scenarios` lists the scenarios of the engine's public validation suite, and
//! `provider-driver scenario NAME SOCKET` runs one of them; it ends with 101 where the scenario fails, and says why.
//! `provider-driver run COUNT DISPATCHERS TARGET` has the engine's runtime run that many orchestrations of each kind on a
//! store, with so many dispatchers side by side, where a target may be `socket:PATH` as well, and prints what the engine tells of each, as one JSON object.
//! `provider-driver forget …` does the same with orchestrations that forget children, on which the engine's own SQLite store halts.

mod connection;
mod forward;
mod management;
mod orchestrations;
mod scenarios;
mod workload;

use std::sync::Arc;

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::providers::Provider;
use duroxide_pg::PostgresProvider;

use forward::ForwardingProvider;
use scenarios::Stores;

/// Open a store with the provider that the engine has for it.
async fn open(target: &str, schema: Option<&str>) -> Arc<dyn Provider> {
    match schema {
        None => Arc::new(SqliteProvider::new(target, None).await.expect("a SQLite store")),
        Some(name) => {
            let opened = PostgresProvider::new_with_schema(target, Some(name)).await;
            Arc::new(opened.expect("a PostgreSQL store"))
        }
    }
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", target, schema @ ..] => drop(open(target, schema.first().copied()).await),
        ["scenarios"] => println!("{}", scenarios::all().join("\n")),
        ["scenario", name, socket] => {
            let provider = Arc::new(ForwardingProvider::new(socket));
            assert!(scenarios::run(name, &Stores { provider }).await, "there is no scenario {name}");
        }
        [what @ ("run" | "forget"), count, dispatchers, target, schema @ ..] => {
            let kinds = if *what == "run" { workload::KINDS } else { workload::FORGETFUL };
            let store: Arc<dyn Provider> = match target.strip_prefix("socket:") {
                Some(socket) => Arc::new(ForwardingProvider::new(socket)),
                None => open(target, schema.first().copied()).await,
            };
            println!("{}", workload::run(store, kinds, number(count), number(dispatchers)).await);
        }
        _ => panic!("what to do? see src/main.rs"),
    }
}
