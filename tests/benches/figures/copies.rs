//! Plain TCP copies of a file into files.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};

/// Runs this many senders and as many receivers that write to files. Returns the seconds until everything is written.
pub fn copy_to_all(count: usize, source: &Path, dir: &Path) -> Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let since = Instant::now();
    thread::scope(|scope| {
        let receivers: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || receive(TcpStream::connect(address)?, &dir.join(format!("copy{number}"))))
            })
            .collect();
        for _ in 0..count {
            let (stream, _) = listener.accept()?;
            scope.spawn(move || send(stream, source));
        }
        receivers.into_iter().try_for_each(|receiver| receiver.join().ok().context("a receiver panicked")?)
    })?;
    let taken = since.elapsed().as_secs_f64();
    (0..count).try_for_each(|number| fs::remove_file(dir.join(format!("copy{number}"))))?;
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
