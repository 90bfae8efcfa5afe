//! A large conf to four slaves, against four plain TCP copies of as many bytes, into files alike.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::one_host::OneHost;
use crate::results::{Line, Results, median};

const SLAVES: usize = 4;
const LENGTH: usize = 256 << 20;
const TRIALS: usize = 3;

/// Alternates both ways.
pub fn run(results: &mut Results) -> Result<()> {
    let host = OneHost::new(SLAVES)?;
    let conf = host.conf([&b"/bin/true :CONF:\n"[..], &vec![b'x'; LENGTH]].concat())?;
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..TRIALS {
        plain.push(host.host.enter(|| copy_to_all(&conf, host.host.dir()))?);
        ours.push(session(&host, &conf)?);
    }
    let ratio = median(&plain) / median(&ours);
    let figure = format!("{ratio:.2} × plain");
    let compared = format!("plain {:.2} s, ours {:.2} s", median(&plain), median(&ours));
    let samples = json!({"plain": plain, "ours": ours});
    let (work, must) = ("conf of 256 MiB to 4 slaves".to_owned(), "≥ 0.5 × plain".to_owned());
    results.add(Line { work, what: "rate", figure, must, met: ratio >= 0.5, compared, samples });
    Ok(())
}

fn session(host: &OneHost, conf: &Path) -> Result<f64> {
    host.wait_until_listening()?;
    let since = Instant::now();
    let finished = host.master(conf, "-q")?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(since.elapsed().as_secs_f64())
}

/// Four senders, and four receivers that write to files; gives the seconds until all is written.
fn copy_to_all(source: &Path, dir: &Path) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let since = Instant::now();
    thread::scope(|scope| {
        let receivers: Vec<_> = (0..SLAVES)
            .map(|number| {
                scope.spawn(move || receive(TcpStream::connect(address)?, &dir.join(format!("copy{number}"))))
            })
            .collect();
        for _ in 0..SLAVES {
            let (stream, _) = listener.accept()?;
            scope.spawn(move || send(stream, source));
        }
        receivers.into_iter().try_for_each(|receiver| receiver.join().ok().context("a receiver panicked")?)
    })?;
    let taken = since.elapsed().as_secs_f64();
    (0..SLAVES).try_for_each(|number| fs::remove_file(dir.join(format!("copy{number}"))))?;
    Ok(taken)
}

fn send(mut stream: TcpStream, source: &Path) -> io::Result<()> {
    let mut file = File::open(source)?;
    let mut chunk = vec![0; 65_536];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(()),
            length => stream.write_all(&chunk[..length])?,
        }
    }
}

fn receive(mut stream: TcpStream, into: &Path) -> Result<()> {
    let mut file = File::create(into)?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match stream.read(&mut chunk)? {
            0 => return Ok(()),
            length => file.write_all(&chunk[..length])?,
        }
    }
}
