#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    synexec_fuzz::memory::within((1 << 14) + 64 * data.len(), || synexec_fuzz::messages::message(data));
});
