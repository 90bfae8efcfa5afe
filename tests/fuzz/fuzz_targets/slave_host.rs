#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| synexec_fuzz::slave_host::any_host(data));
