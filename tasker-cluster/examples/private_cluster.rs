//! A private PostgreSQL cluster in ten lines: prints its process id, its directory and
//! a URL, and stops it when standard input ends.
//!
//! `cargo run -p tasker-cluster --example private_cluster [DIRECTORY]`

use std::io;

use tasker_cluster::{Cluster, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Cluster::builder().settings(Settings::test());
    if let Some(directory) = std::env::args_os().nth(1) {
        builder = builder.directory(directory);
    }
    let cluster = builder.start()?;
    println!("pid {}", cluster.pid().unwrap_or_default());
    println!("directory {}", cluster.directory().display());
    println!("url {}", cluster.url("postgres"));
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
