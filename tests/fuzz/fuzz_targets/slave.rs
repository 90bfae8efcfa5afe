#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    synexec_fuzz::memory::within((1 << 20) + 1024 * data.len(), || synexec_fuzz::slave::any_master(data));
});
