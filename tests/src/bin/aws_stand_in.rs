//! The tests' stand-in of AWS as a program, for measuring and for other clients: `aws_stand_in [LATENCY_MS]` prints what
//! to export and stays until it is ended; at each line on stdin it prints what it has.

use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, Result};
use integration_tests::aws::{ACCESS_KEY, SECRET_KEY, StandIn};

fn main() -> Result<()> {
    let latency =
        std::env::args().nth(1).map_or(Ok(0), |text| text.parse()).context("the latency is a number")?;
    let service = StandIn::start();
    service.state().trouble.latency = Duration::from_millis(latency);
    println!("AWS_ENDPOINT_URL={}", service.url());
    println!("AWS_ACCESS_KEY_ID={ACCESS_KEY}\nAWS_SECRET_ACCESS_KEY={SECRET_KEY}\nAWS_REGION=eu-west-1");
    for line in std::io::stdin().lock().lines() {
        line.context("reading stdin")?;
        let state = service.state();
        for (id, snapshot) in &state.snapshots {
            println!("{id} {} blocks in {} puts", snapshot.blocks.len(), snapshot.puts);
        }
        println!("{} images", state.images.len());
    }
    Ok(())
}
