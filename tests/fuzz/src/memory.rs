//! How much memory something takes, counted by the allocator.

use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// Does something, and checks that meanwhile no more than so many bytes were taken beyond those in use before.
pub fn within<T>(most: usize, deed: impl FnOnce() -> T) -> T {
    let before = COUNTED.current_usage();
    COUNTED.reset_peak_usage();
    let result = deed();
    let taken = COUNTED.peak_usage().saturating_sub(before);
    assert!(taken <= most, "it took {taken} bytes; at most {most} were expected");
    result
}
