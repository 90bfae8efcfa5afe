//! Memory use of a function, counted by the allocator.

use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// Calls the function, and checks that it allocates at most this many bytes beyond those in use before the call.
pub fn within<T>(most: usize, deed: impl FnOnce() -> T) -> T {
    let before = COUNTED.current_usage();
    COUNTED.reset_peak_usage();
    let result = deed();
    let taken = COUNTED.peak_usage().saturating_sub(before);
    assert!(taken <= most, "the call took {taken} bytes; at most {most} were expected");
    result
}
