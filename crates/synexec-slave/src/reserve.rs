//! Room on the disk that is reserved for a stream of a task. A task that cannot write the end of a stream may still exit
//! with 0, so the slave has to find out by itself that the disk was full.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::fstatvfs;
use synexec_host::limits;

use crate::shortage::{ROOM, Shortage};

/// Bytes of a block of `st_blocks`: see stat(2).
const BLOCK: u64 = 512;

/// Bytes that a write needs at least, if it begins a new block of the file system.
const LEAST: u64 = 4096;

/// The room of one output file. Writes into this room cannot fail for lack of space.
#[derive(Debug)]
pub struct Reserve {
    file: File,
    /// Where the room ends, in bytes from the beginning of the file; none if the file system cannot reserve room.
    end: Option<u64>,
    /// The shortage that the last look has found. The output has lost nothing unless it reaches the end of its room.
    found: Option<Shortage>,
    /// The shortage in which the output may have lost bytes.
    suffered: Option<Shortage>,
}

impl Reserve {
    /// Reserves the first room in an empty file.
    ///
    /// # Errors
    /// There is not so much room: the error of the system.
    pub fn take(file: File) -> io::Result<Self> {
        let end = match reserve(&file, 0, ROOM) {
            Ok(()) => Some(ROOM),
            Err(errno @ (Errno::ENOSPC | Errno::EDQUOT)) => return Err(errno.into()),
            Err(errno) => {
                log::debug!("no room can be reserved for a stream of the task: {errno}");
                let is_full = file.metadata().is_ok_and(|metadata| has_no_block(&file, &metadata));
                if is_full {
                    return Err(Errno::ENOSPC.into());
                }
                None
            }
        };
        Ok(Self { file, end, found: None, suffered: None })
    }

    /// Makes sure that there is room for what the task writes next.
    pub fn look(&mut self) {
        let Ok(metadata) = self.file.metadata() else { return };
        match self.end {
            Some(end) if metadata.len() > end.saturating_sub(ROOM / 2) || is_gone(&metadata, end) => {
                self.top_up(&metadata, end);
            }
            None if has_no_block(&self.file, &metadata) => self.suffered = Some(Shortage::Disk),
            _ => {}
        }
    }

    /// The task is over. Returns why the end of its output may be missing.
    pub fn finish(&mut self) -> Option<Shortage> {
        let Ok(metadata) = self.file.metadata() else { return self.suffered };
        let length = metadata.len();
        let has_reached_end = self.end.is_none_or(|end| length >= end || is_gone(&metadata, end));
        if has_reached_end {
            let now = shortage_of(self.end.map_or(Ok(()), |_| reserve(&self.file, length, LEAST)));
            let unprivileged = has_no_block(&self.file, &metadata).then_some(Shortage::Disk);
            self.suffered = self.suffered.or(self.found).or(now).or(unprivileged);
        }
        if limits::largest_file().is_some_and(|most| length >= most) {
            self.suffered = Some(Shortage::FileSize);
        }
        self.suffered
    }

    /// Gives back the room that was not used. Call this only if no process writes to the file any more: what such a
    /// process writes at this moment would be cut off.
    pub fn give_back(self) {
        let cut = self.end.map(|_| self.file.set_len(self.file.metadata()?.len()));
        if let Some(Err(error)) = cut {
            log::debug!("cannot give back the room that was reserved for a stream of the task: {error}");
        }
    }

    fn top_up(&mut self, metadata: &Metadata, end: u64) {
        let length = metadata.len();
        if length >= end {
            self.suffered = self.suffered.or(self.found);
        }
        self.found = shortage_of(reserve(&self.file, length, ROOM));
        if self.found.is_none() {
            self.end = Some(length.saturating_add(ROOM));
        }
    }
}

/// Whether the room was given back, as when the task has emptied the file.
fn is_gone(metadata: &Metadata, end: u64) -> bool {
    metadata.blocks().saturating_mul(BLOCK) < end
}

/// Whether the owner of the file cannot write another block.
fn has_no_block(file: &File, metadata: &Metadata) -> bool {
    let Ok(disk) = fstatvfs(file) else { return false };
    let free = if metadata.uid() == 0 { disk.blocks_free() } else { disk.blocks_available() };
    // Some file systems do not tell, and then tell zero for everything.
    disk.blocks() > 0 && free == 0
}

fn shortage_of(reserved: Result<(), Errno>) -> Option<Shortage> {
    match reserved {
        Err(Errno::ENOSPC) => Some(Shortage::Disk),
        Err(Errno::EDQUOT) => Some(Shortage::Quota),
        _ => None,
    }
}

/// Reserves room without a change of the file's length, up to the limit of file sizes. Beyond this limit, some file systems
/// send the signal that kills a process which writes too much.
fn reserve(file: &File, from: u64, length: u64) -> Result<(), Errno> {
    let length = limits::largest_file().map_or(length, |most| length.min(most.saturating_sub(from)));
    if length == 0 {
        return Ok(());
    }
    let offset = |bytes: u64| i64::try_from(bytes).map_err(|_| Errno::EFBIG);
    let (from, length) = (offset(from)?, offset(length)?);
    loop {
        match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from, length) {
            Err(Errno::EINTR) => {}
            reserved => return reserved,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The room of a new file; none if the file system of temporary files cannot reserve room.
    fn taken() -> Option<(Reserve, File)> {
        let file = tempfile::tempfile().unwrap();
        let reserve = Reserve::take(file.try_clone().unwrap()).unwrap();
        reserve.end.is_some().then_some((reserve, file))
    }

    fn room(file: &File) -> u64 {
        file.metadata().unwrap().blocks() * BLOCK
    }

    #[test]
    fn room_is_reserved_and_given_back() {
        let Some((mut reserve, mut file)) = taken() else { return };
        assert_eq!((room(&file) >= ROOM, file.metadata().unwrap().len()), (true, 0));
        file.write_all(&vec![b'x'; 600_000]).unwrap();
        reserve.look();
        assert!(room(&file) >= 600_000 + ROOM);
        assert_eq!(reserve.finish(), None);
        assert!(room(&file) >= 600_000 + ROOM, "another process may still write");
        reserve.give_back();
        assert!(room(&file) < ROOM && file.metadata().unwrap().len() == 600_000);
    }

    #[test]
    fn a_file_that_was_emptied_gets_room_again() {
        let Some((mut reserve, file)) = taken() else { return };
        file.set_len(0).unwrap();
        assert_eq!(room(&file), 0);
        reserve.look();
        assert!(room(&file) >= ROOM);
    }

    #[test]
    fn a_shortage_is_told_only_if_the_output_reached_the_end_of_its_room() {
        for (length, told) in [(ROOM - 1, None), (ROOM, Some(Shortage::Disk))] {
            let Some((mut reserve, mut file)) = taken() else { return };
            reserve.found = Some(Shortage::Disk);
            file.write_all(&vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
            assert_eq!(reserve.finish(), told);
        }
    }

    #[test]
    fn a_shortage_that_has_passed_is_told_if_the_output_had_no_room_left() {
        let Some((mut reserve, mut file)) = taken() else { return };
        file.write_all(&vec![b'x'; usize::try_from(ROOM).unwrap()]).unwrap();
        reserve.found = Some(Shortage::Quota);
        reserve.look();
        assert!(reserve.found.is_none() && reserve.end > Some(ROOM));
        assert_eq!(reserve.finish(), Some(Shortage::Quota));
    }
}
