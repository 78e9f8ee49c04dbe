//! Reads the settings, starts the server, and shuts it down on a signal.
#![warn(clippy::unwrap_used, clippy::expect_used)]

use std::{future::Future, io::IsTerminal, path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use axum_logout::{
    AppState, app, secret,
    settings::{Problems, Settings, Store},
    sources::{EnvFile, Sources},
};
use clap::Parser;
use tokio::{net::TcpListener, sync::oneshot, time::sleep};
use tracing::{info, warn};

const ENV_FILE: &str = ".env";

/// The time that requests in flight may take after the signal to stop.
const LONGEST_FAREWELL: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(problems) => {
            eprintln!("axum-logout: {problems}");
            return ExitCode::from(2);
        }
    };
    match serve(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("axum-logout: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn settings() -> Result<Settings, Problems> {
    let sources = Sources::parse();
    match EnvFile::read(Path::new(ENV_FILE)) {
        Ok(file) => Settings::read(&sources.or(&file)),
        Err(problem) => {
            let mut problems = Settings::read(&sources).err().unwrap_or_default();
            problems.push(problem);
            Err(problems)
        }
    }
}

async fn serve(mut settings: Settings) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(std::mem::take(&mut settings.log))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();

    let signing_key = match settings.signing_key.take() {
        Some(key) => key,
        None => {
            let key = secret::create(Path::new(ENV_FILE), settings.algorithm)
                .with_context(|| format!("JWT_SECRET is not set, and none could be made and kept in {ENV_FILE}"))?;
            info!("JWT_SECRET was not set: made a random one and kept it in {ENV_FILE}");
            key
        }
    };
    if matches!(settings.store, Store::Memory) {
        warn!(
            "neither REDIS_URL nor REDIS_HOST is set: the blocklist is in memory. Logouts are not shared between \
             processes, and are lost at a restart"
        );
    }
    let state = AppState::new(&settings, signing_key).await?;
    info!("users are in {}", settings.database);
    let signal = stop_signal().context("can't listen for signals")?;
    let listener = TcpListener::bind(settings.bind)
        .await
        .with_context(|| format!("can't listen at {}: set BIND", settings.bind))?;
    info!("listening on http://{}", listener.local_addr()?);

    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, app(state)).with_graceful_shutdown(async move {
        signal.await;
        info!("stopping: no new requests are accepted, and those in flight are finished");
        // Fails only if the server has already stopped.
        let _ = stopping.send(());
    });
    tokio::select! {
        result = server => result?,
        () = async {
            let _ = stopped.await;
            sleep(LONGEST_FAREWELL).await;
        } => warn!("some requests did not finish in {LONGEST_FAREWELL:?} and are dropped"),
    }
    info!("stopped");
    Ok(())
}

/// Completes on Ctrl-C, and on Unix also on SIGTERM. Watches both from the call on.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the handler, the system's default way of stopping a program applies.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
