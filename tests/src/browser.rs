//! A headless Chromium that acts like a user's browser.

use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fantoccini::wd::{Capabilities, PrintConfiguration};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::lab::missing::Missing;
use crate::process::{Process, eventually};

/// Debian's packages chromium and chromium-driver.
const CHROMIUM: &str = "/usr/bin/chromium";
const DRIVER: &str = "/usr/bin/chromedriver";

/// The words before the port in the line with which the driver announces that it is ready.
const STARTED: &str = "was started successfully on port ";

/// Root needs the first flag; a machine without a network needs the others.
const FLAGS: [&str; 8] = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    _driver: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser.
    ///
    /// # Errors
    ///
    /// [`Missing`] if Chromium is not installed.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts a browser with more flags.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_with(flags: &[&str]) -> Result<Self> {
        if ![CHROMIUM, DRIVER].iter().all(|program| Path::new(program).exists()) {
            return Err(Missing("Chromium and its driver (Debian: chromium chromium-driver) are not installed").into());
        }
        let profile = tempfile::tempdir()?;
        let mut driver = Command::new(DRIVER);
        driver.arg("--port=0").env("HOME", profile.path()).env("TMPDIR", profile.path());
        let driver = Process::spawn(driver)?;
        driver.wait_for(STARTED)?;
        let port = eventually("the driver's port", || port(&driver.output_so_far()))?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(profile.path(), flags)?);
        let client = runtime.block_on(builder.connect(&format!("http://127.0.0.1:{port}")))?;
        Ok(Self { runtime, client: Some(client), _driver: driver, _profile: profile })
    }

    /// Opens a file, waits until its script has drawn everything, and returns the time taken.
    ///
    /// # Errors
    ///
    /// If the script never finishes.
    pub fn open(&self, page: &Path) -> Result<Duration> {
        let begun = Instant::now();
        self.run(|client| async move { client.goto(&format!("file://{}", page.display())).await })?;
        eventually("the page to be drawn", || {
            let ready = self.script("return document.documentElement.dataset.ready === 'true'", &[]);
            ready.is_ok_and(|ready| ready == json!(true)).then_some(())
        })?;
        Ok(begun.elapsed())
    }

    /// Runs a script in the page, and returns its result.
    ///
    /// # Errors
    ///
    /// If the script fails.
    pub fn script(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        self.run(|client| async move { client.execute(script, arguments.to_vec()).await })
    }

    /// Clicks on the first element that the selector finds.
    ///
    /// # Errors
    ///
    /// If there is no such element, or a click on it is impossible.
    pub fn click(&self, selector: &str) -> Result<()> {
        self.run(|client| async move { client.find(Locator::Css(selector)).await?.click().await })
            .with_context(|| selector.to_owned())
    }

    /// Types into the first element that the selector finds.
    ///
    /// # Errors
    ///
    /// If there is no such element, or it takes no text.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        self.run(|client| async move { client.find(Locator::Css(selector)).await?.send_keys(text).await })
            .with_context(|| selector.to_owned())
    }

    /// The printed page, as PDF.
    ///
    /// # Errors
    ///
    /// If the page cannot be printed.
    pub fn print(&self) -> Result<Vec<u8>> {
        self.run(|client| async move { client.print(PrintConfiguration::default()).await })
    }

    /// The texts of all elements that the selector finds.
    ///
    /// # Errors
    ///
    /// If the page does not answer.
    pub fn texts(&self, selector: &str) -> Result<Vec<String>> {
        let script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)";
        Ok(serde_json::from_value(self.script(script, &[json!(selector)])?)?)
    }

    /// Checks that no script has failed and that the page has loaded nothing.
    ///
    /// # Errors
    ///
    /// The failed script or the loaded resource.
    pub fn ensure_content(&self) -> Result<()> {
        let errors = self.script("return window.synexecErrors", &[])?;
        ensure!(errors == json!([]), "{errors}");
        let loaded = self.script("return performance.getEntriesByType('resource').map((one) => one.name)", &[])?;
        ensure!(loaded == json!([]), "{loaded}");
        Ok(())
    }

    fn run<F, T, E>(&self, action: impl FnOnce(Client) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, E>>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let client = self.client.clone().context("the browser is closed")?;
        Ok(self.runtime.block_on(action(client))?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser when the session is closed. If this fails, both end with the driver.
        let _ = self.client.take().map(|client| self.runtime.block_on(client.close()));
    }
}

fn capabilities(profile: &Path, flags: &[&str]) -> Result<Capabilities> {
    let profile = format!("--user-data-dir={}", profile.display());
    let arguments: Vec<&str> =
        FLAGS.into_iter().chain(["--window-size=1400,1000", &profile]).chain(flags.iter().copied()).collect();
    Ok(serde_json::from_value(json!({ "goog:chromeOptions": { "binary": CHROMIUM, "args": arguments } }))?)
}

fn port(said: &str) -> Option<u16> {
    let (_, rest) = said.split_once(STARTED)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
